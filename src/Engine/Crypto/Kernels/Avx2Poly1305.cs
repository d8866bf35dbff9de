using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5) over four lanes with AVX2 (Goll and Gueron, "Vectorization of Poly1305 Message Authentication Code", 2015). Each lane sums
/// every fourth block with powers of r^4; at the end the lanes are multiplied by r^4 to r and added. Numbers are five limbs of 26 bits, since
/// what multiplies in a lane is 32 bits wide. Lies in memory that its user wipes.
/// </summary>
internal unsafe struct Avx2Poly1305
{
    /// <summary>Bytes that the four lanes take in one step.</summary>
    public const int GroupLength = 64;

    private const int Lanes = 4;
    private const int Limbs = 5;

    // a power of r is its five limbs, and behind them 5 times each of the upper four
    private const int PowerLength = (Limbs + Limbs - 1) * Lanes;

    private fixed ulong _power4[PowerLength]; // r^4 in each lane
    private fixed ulong _power8[PowerLength];
    private fixed ulong _lanePowers[PowerLength]; // r^4, r^2, r^3, r
    private fixed ulong _sums[Limbs * Lanes];

    private static Vector256<ulong> Mask26
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create((1ul << 26) - 1);
    }

    /// <summary>Begins with a message.</summary>
    /// <param name="whole">Has its key, and has taken in nothing yet.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Start(Avx2Poly1305* self, Poly1305* whole)
    {
        whole->Powers(out var low, out var middle, out var high);
        Split(low, middle, out var r0, out var r1, out var r2, out var r3, out var r4);
        r4 += high << 24;
        Write(self->_lanePowers, r0, r1, r2, r3, r4);
        r0 = Avx2.Permute4x64(r0, 0);
        r1 = Avx2.Permute4x64(r1, 0);
        r2 = Avx2.Permute4x64(r2, 0);
        r3 = Avx2.Permute4x64(r3, 0);
        r4 = Avx2.Permute4x64(r4, 0);
        Write(self->_power4, r0, r1, r2, r3, r4);
        Multiply(ref r0, ref r1, ref r2, ref r3, ref r4, self->_power4);
        Carry(ref r0, ref r1, ref r2, ref r3, ref r4);
        Write(self->_power8, r0, r1, r2, r3, r4);
        Unsafe.InitBlockUnaligned(self->_sums, 0, Limbs * Lanes * sizeof(ulong));
    }

    /// <summary>Takes in groups of four blocks.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddGroups(Avx2Poly1305* self, byte* message, int groups)
    {
        var sums = self->_sums;
        Vector256<ulong> h0 = Vector256.Load(sums), h1 = Vector256.Load(sums + 4), h2 = Vector256.Load(sums + 8);
        Vector256<ulong> h3 = Vector256.Load(sums + 12), h4 = Vector256.Load(sums + 16);
        for (; groups > 1; groups -= 2, message += 2 * GroupLength)
        {
            // two groups at a time: the next ones wait for h but once
            Load(message, out var m0, out var m1, out var m2, out var m3, out var m4);
            Multiply(ref m0, ref m1, ref m2, ref m3, ref m4, self->_power4);
            Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, self->_power8);
            h0 += m0;
            h1 += m1;
            h2 += m2;
            h3 += m3;
            h4 += m4;
            Load(message + GroupLength, out m0, out m1, out m2, out m3, out m4);
            h0 += m0;
            h1 += m1;
            h2 += m2;
            h3 += m3;
            h4 += m4;
            Carry(ref h0, ref h1, ref h2, ref h3, ref h4);
        }

        if (groups > 0)
        {
            Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, self->_power4);
            Load(message, out var m0, out var m1, out var m2, out var m3, out var m4);
            h0 += m0;
            h1 += m1;
            h2 += m2;
            h3 += m3;
            h4 += m4;
            Carry(ref h0, ref h1, ref h2, ref h3, ref h4);
        }

        h0.Store(sums);
        h1.Store(sums + 4);
        h2.Store(sums + 8);
        h3.Store(sums + 12);
        h4.Store(sums + 16);
    }

    /// <summary>Adds the lanes up.</summary>
    /// <param name="whole">Gets the sum.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(Avx2Poly1305* self, Poly1305* whole)
    {
        var sums = self->_sums;
        Vector256<ulong> h0 = Vector256.Load(sums), h1 = Vector256.Load(sums + 4), h2 = Vector256.Load(sums + 8);
        Vector256<ulong> h3 = Vector256.Load(sums + 12), h4 = Vector256.Load(sums + 16);
        Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, self->_lanePowers);
        whole->Set(Vector256.Sum(h0), Vector256.Sum(h1), Vector256.Sum(h2), Vector256.Sum(h3), Vector256.Sum(h4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(
        ulong* power, Vector256<ulong> r0, Vector256<ulong> r1, Vector256<ulong> r2, Vector256<ulong> r3, Vector256<ulong> r4)
    {
        r0.Store(power);
        r1.Store(power + 4);
        r2.Store(power + 8);
        r3.Store(power + 12);
        r4.Store(power + 16);
        Times5(r1).Store(power + 20);
        Times5(r2).Store(power + 24);
        Times5(r3).Store(power + 28);
        Times5(r4).Store(power + 32);
    }

    // h *= power modulo 2^130 - 5, without carries: a limb of 26 bits and a little times one of 29, five times, stays below 2^59.
    // Each limb of the power is read once, for there are registers for h and its product, and not for more.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(
        ref Vector256<ulong> h0, ref Vector256<ulong> h1, ref Vector256<ulong> h2, ref Vector256<ulong> h3, ref Vector256<ulong> h4, ulong* power)
    {
        var r = Vector256.Load(power);
        var d0 = Product(h0, r);
        var d1 = Product(h1, r);
        var d2 = Product(h2, r);
        var d3 = Product(h3, r);
        var d4 = Product(h4, r);
        r = Vector256.Load(power + 4);
        d1 += Product(h0, r);
        d2 += Product(h1, r);
        d3 += Product(h2, r);
        d4 += Product(h3, r);
        r = Vector256.Load(power + 8);
        d2 += Product(h0, r);
        d3 += Product(h1, r);
        d4 += Product(h2, r);
        r = Vector256.Load(power + 12);
        d3 += Product(h0, r);
        d4 += Product(h1, r);
        r = Vector256.Load(power + 16);
        d4 += Product(h0, r);
        r = Vector256.Load(power + 20); // from here on what is above 2^130, times 5
        d0 += Product(h4, r);
        r = Vector256.Load(power + 24);
        d0 += Product(h3, r);
        d1 += Product(h4, r);
        r = Vector256.Load(power + 28);
        d0 += Product(h2, r);
        d1 += Product(h3, r);
        d2 += Product(h4, r);
        r = Vector256.Load(power + 32);
        d0 += Product(h1, r);
        d1 += Product(h2, r);
        d2 += Product(h3, r);
        d3 += Product(h4, r);
        (h0, h1, h2, h3, h4) = (d0, d1, d2, d3, d4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Product(Vector256<ulong> a, Vector256<ulong> b) => Avx2.Multiply(a.AsUInt32(), b.AsUInt32());

    // Four blocks as limbs, each with the bit that marks its end. Lanes take the blocks 0, 2, 1, 3: so they come out of the unpacking.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(
        byte* message,
        out Vector256<ulong> m0,
        out Vector256<ulong> m1,
        out Vector256<ulong> m2,
        out Vector256<ulong> m3,
        out Vector256<ulong> m4)
    {
        var first = Vector256.Load((ulong*)message);
        var second = Vector256.Load((ulong*)(message + 32));
        Split(Avx2.UnpackLow(first, second), Avx2.UnpackHigh(first, second), out m0, out m1, out m2, out m3, out m4);
        m4 |= Vector256.Create(1ul << 24);
    }

    // 128 bits as limbs
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split(
        Vector256<ulong> low,
        Vector256<ulong> high,
        out Vector256<ulong> m0,
        out Vector256<ulong> m1,
        out Vector256<ulong> m2,
        out Vector256<ulong> m3,
        out Vector256<ulong> m4)
    {
        m0 = low & Mask26;
        m1 = (low >>> 26) & Mask26;
        m2 = ((low >>> 52) | (high << 12)) & Mask26;
        m3 = (high >>> 14) & Mask26;
        m4 = high >>> 40;
    }

    // to 26 bits and a little; two chains side by side
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(
        ref Vector256<ulong> h0, ref Vector256<ulong> h1, ref Vector256<ulong> h2, ref Vector256<ulong> h3, ref Vector256<ulong> h4)
    {
        h1 += h0 >>> 26;
        h0 &= Mask26;
        h4 += h3 >>> 26;
        h3 &= Mask26;
        h2 += h1 >>> 26;
        h1 &= Mask26;
        h0 += Times5(h4 >>> 26);
        h4 &= Mask26;
        h3 += h2 >>> 26;
        h2 &= Mask26;
        h1 += h0 >>> 26;
        h0 &= Mask26;
        h4 += h3 >>> 26;
        h3 &= Mask26;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Times5(Vector256<ulong> limb) => limb + (limb << 2);
}
