using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5) of eight blocks at a time: each lane takes every eighth block and multiplies by r^8, and at the end lane by lane
/// by r^8 to r^1. Numbers are five limbs of 26 bits, one register for a limb of all lanes.
/// </summary>
/// <remarks>
/// Bounds: a limb is below 2^26 + 2^6 after <see cref="Carry"/>, and five times that below 2^28.4, so that all factors fit 32 bits. One product and
/// four with a factor that is five times a limb are below 2^56.5 together, which a block's limb, added to them, changes nothing about. The first carrying
/// leaves less than 26 · 2^26 in a limb, the second so adds 10 · 5 at most. The sum of eight lanes, not carried before, is below 2^60.
/// </remarks>
internal static unsafe class Avx512Poly1305
{
    /// <summary>Shortest message that it takes: eight blocks of data are read at once. Somewhat shorter ones take as long one by one.</summary>
    public const int ShortestMessage = 128;

    // zeros behind the indices of a byte shuffle shift bytes to the front, and zeros after them
    private static ReadOnlySpan<byte> ShiftDown =>
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    ];

    /// <summary>Bytes that <see cref="WritePowers"/> writes.</summary>
    public const int PowersLength = 5 * 64;

    /// <summary>
    /// Computes what lanes multiply by, three multiplications that wait for each other. Apart from the sum, so that there may be other work to do
    /// meanwhile.
    /// </summary>
    /// <param name="key">The one-time key, 32 bytes.</param>
    /// <param name="powers">Gets r^8, r^4, r^7, r^3, r^6, r^2, r^5, r: five limbs of eight.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void WritePowers(byte* key, ulong* powers)
    {
        Poly1305.Clamp(key, out var low, out var high);
        var mask = Vector512.Create(LimbMask);
        Vector512<ulong> r0 = Vector512.Create(low & LimbMask), r1 = Vector512.Create((low >> 26) & LimbMask);
        Vector512<ulong> r2 = Vector512.Create(((low >> 52) | (high << 12)) & LimbMask), r3 = Vector512.Create((high >> 14) & LimbMask), r4 = Vector512.Create(high >> 40);

        // Lanes have blocks 0, 4, 1, 5, 2, 6, 3, 7 of a group, as unpacking leaves them, so their powers are to be 8, 4, 7, 3, 6, 2, 5, 1.
        // From r in all lanes: r^2; then r^3 and r^4 in half of them; then r^5 to r^8.
        Vector512<ulong> p0 = r0, p1 = r1, p2 = r2, p3 = r3, p4 = r4;
        Vector512<ulong> s1 = Times5(r1), s2 = Times5(r2), s3 = Times5(r3), s4 = Times5(r4);
        Multiply(ref p0, ref p1, ref p2, ref p3, ref p4, r0, r1, r2, r3, r4, s1, s2, s3, s4);
        Carry(ref p0, ref p1, ref p2, ref p3, ref p4, mask);

        Vector512<ulong> q0 = p0, q1 = p1, q2 = p2, q3 = p3, q4 = p4;
        s1 = Times5(q1);
        s2 = Times5(q2);
        s3 = Times5(q3);
        s4 = Times5(q4);
        var even = Vector512.Create(ulong.MaxValue, ulong.MaxValue, 0, 0, ulong.MaxValue, ulong.MaxValue, 0, 0);
        p0 = Vector512.ConditionalSelect(even, p0, r0);
        p1 = Vector512.ConditionalSelect(even, p1, r1);
        p2 = Vector512.ConditionalSelect(even, p2, r2);
        p3 = Vector512.ConditionalSelect(even, p3, r3);
        p4 = Vector512.ConditionalSelect(even, p4, r4);
        Vector512<ulong> h0 = p0, h1 = p1, h2 = p2, h3 = p3, h4 = p4;
        Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, q0, q1, q2, q3, q4, s1, s2, s3, s4);
        Carry(ref h0, ref h1, ref h2, ref h3, ref h4, mask);
        var above2 = Vector512.Create(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, 0, 0, 0, 0);
        p0 = Vector512.ConditionalSelect(above2, h0, p0);
        p1 = Vector512.ConditionalSelect(above2, h1, p1);
        p2 = Vector512.ConditionalSelect(above2, h2, p2);
        p3 = Vector512.ConditionalSelect(above2, h3, p3);
        p4 = Vector512.ConditionalSelect(above2, h4, p4);

        r0 = FirstLane(p0);
        r1 = FirstLane(p1);
        r2 = FirstLane(p2);
        r3 = FirstLane(p3);
        r4 = FirstLane(p4);
        h0 = p0;
        h1 = p1;
        h2 = p2;
        h3 = p3;
        h4 = p4;
        Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, Times5(r1), Times5(r2), Times5(r3), Times5(r4));
        Carry(ref h0, ref h1, ref h2, ref h3, ref h4, mask);
        var above4 = Vector512.Create(ulong.MaxValue, 0, ulong.MaxValue, 0, ulong.MaxValue, 0, ulong.MaxValue, 0);
        Vector512.ConditionalSelect(above4, h0, p0).Store(powers);
        Vector512.ConditionalSelect(above4, h1, p1).Store(powers + 8);
        Vector512.ConditionalSelect(above4, h2, p2).Store(powers + 16);
        Vector512.ConditionalSelect(above4, h3, p3).Store(powers + 24);
        Vector512.ConditionalSelect(above4, h4, p4).Store(powers + 32);
    }

    /// <summary>The AEAD's tag (section 2.8) of a message without associated data.</summary>
    /// <param name="key">The one-time key, 32 bytes.</param>
    /// <param name="powers">What <see cref="WritePowers"/> wrote for it.</param>
    /// <param name="data">Ciphertext.</param>
    /// <param name="length">Its bytes, at least <see cref="ShortestMessage"/>.</param>
    /// <param name="tag">Gets 16 bytes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Tag(byte* key, ulong* powers, byte* data, int length, byte* tag)
    {
        var mask = Vector512.Create(LimbMask);
        Vector512<ulong> r0 = Vector512.Create(powers[0]), r1 = Vector512.Create(powers[8]), r2 = Vector512.Create(powers[16]);
        Vector512<ulong> r3 = Vector512.Create(powers[24]), r4 = Vector512.Create(powers[32]);
        Vector512<ulong> s1 = Times5(r1), s2 = Times5(r2), s3 = Times5(r3), s4 = Times5(r4);

        // Blocks are the data's, the last filled up with zeros, and the one of lengths. The first group has those that are too many for groups of eight,
        // behind lanes of nothing, so that the last group is always whole.
        var blocks = ((length + 15) >> 4) + 1;
        var before = -blocks & 7;
        var block = Vector512.Create(0L, 4, 1, 5, 2, 6, 3, 7) - Vector512.Create((long)before);
        var present = Vector512.GreaterThanOrEqual(block, Vector512<long>.Zero).AsUInt64();
        var word = (block + block).AsUInt64();
        Vector512<ulong> first = Vector512.Load((ulong*)data), second = Vector512.Load((ulong*)(data + 64));
        Split(
            Avx512F.PermuteVar8x64x2(first, word, second) & present,
            Avx512F.PermuteVar8x64x2(first, word + Vector512<ulong>.One, second) & present,
            Vector512.Create(1ul << 24) & present,
            mask, out var h0, out var h1, out var h2, out var h3, out var h4);
        var at = data + (16 * (8 - before));
        for (var last = data + length - 112; at < last - 16; at += 128)
        {
            first = Vector512.Load((ulong*)at);
            second = Vector512.Load((ulong*)(at + 64));
            MultiplyAndAbsorb(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, s1, s2, s3, s4, first, second, mask);
        }

        // six whole blocks, one of 1 to 16 bytes, the lengths
        first = Vector512.Load((ulong*)at);
        second = Vector512.Create(
            Vector256.Load((ulong*)(at + 64)), Vector256.Create(LastBlock(data, length), Vector128.Create(0, (ulong)length)));
        MultiplyAndAbsorb(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, s1, s2, s3, s4, first, second, mask);

        Vector512<ulong> p0 = Vector512.Load(powers), p1 = Vector512.Load(powers + 8), p2 = Vector512.Load(powers + 16);
        Vector512<ulong> p3 = Vector512.Load(powers + 24), p4 = Vector512.Load(powers + 32);
        Multiply(ref h0, ref h1, ref h2, ref h3, ref h4, p0, p1, p2, p3, p4, Times5(p1), Times5(p2), Times5(p3), Times5(p4));
        Poly1305.FromLimbs(
            Vector512.Sum(h0), Vector512.Sum(h1), Vector512.Sum(h2), Vector512.Sum(h3), Vector512.Sum(h4), out var low, out var middle, out var high);
        Poly1305.Finish(low, middle, high, key, tag);
    }

    private const ulong LimbMask = (1 << 26) - 1;

    // products, and what is to be added to them, without their carries
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(
        ref Vector512<ulong> h0, ref Vector512<ulong> h1, ref Vector512<ulong> h2, ref Vector512<ulong> h3, ref Vector512<ulong> h4,
        Vector512<ulong> r0, Vector512<ulong> r1, Vector512<ulong> r2, Vector512<ulong> r3, Vector512<ulong> r4,
        Vector512<ulong> s1, Vector512<ulong> s2, Vector512<ulong> s3, Vector512<ulong> s4,
        Vector512<ulong> m0, Vector512<ulong> m1, Vector512<ulong> m2, Vector512<ulong> m3, Vector512<ulong> m4)
    {
        var d0 = m0 + Product(h0, r0) + (Product(h1, s4) + Product(h2, s3)) + (Product(h3, s2) + Product(h4, s1));
        var d1 = m1 + Product(h0, r1) + (Product(h1, r0) + Product(h2, s4)) + (Product(h3, s3) + Product(h4, s2));
        var d2 = m2 + Product(h0, r2) + (Product(h1, r1) + Product(h2, r0)) + (Product(h3, s4) + Product(h4, s3));
        var d3 = m3 + Product(h0, r3) + (Product(h1, r2) + Product(h2, r1)) + (Product(h3, r0) + Product(h4, s4));
        var d4 = m4 + Product(h0, r4) + (Product(h1, r3) + Product(h2, r2)) + (Product(h3, r1) + Product(h4, r0));
        h0 = d0;
        h1 = d1;
        h2 = d2;
        h3 = d3;
        h4 = d4;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(
        ref Vector512<ulong> h0, ref Vector512<ulong> h1, ref Vector512<ulong> h2, ref Vector512<ulong> h3, ref Vector512<ulong> h4,
        Vector512<ulong> r0, Vector512<ulong> r1, Vector512<ulong> r2, Vector512<ulong> r3, Vector512<ulong> r4,
        Vector512<ulong> s1, Vector512<ulong> s2, Vector512<ulong> s3, Vector512<ulong> s4)
    {
        var zero = Vector512<ulong>.Zero;
        MultiplyAdd(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, s1, s2, s3, s4, zero, zero, zero, zero, zero);
    }

    // All limbs at a time, twice: longer than one limb after the other, but what waits for it waits for half as much. What is above 2^130 comes back
    // times five.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(
        ref Vector512<ulong> h0, ref Vector512<ulong> h1, ref Vector512<ulong> h2, ref Vector512<ulong> h3, ref Vector512<ulong> h4, Vector512<ulong> mask)
    {
        CarryOnce(ref h0, ref h1, ref h2, ref h3, ref h4, mask);
        CarryOnce(ref h0, ref h1, ref h2, ref h3, ref h4, mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CarryOnce(
        ref Vector512<ulong> h0, ref Vector512<ulong> h1, ref Vector512<ulong> h2, ref Vector512<ulong> h3, ref Vector512<ulong> h4, Vector512<ulong> mask)
    {
        Vector512<ulong> c0 = h0 >>> 26, c1 = h1 >>> 26, c2 = h2 >>> 26, c3 = h3 >>> 26, c4 = h4 >>> 26;
        h0 = (h0 & mask) + c4 + (c4 << 2);
        h1 = (h1 & mask) + c0;
        h2 = (h2 & mask) + c1;
        h3 = (h3 & mask) + c2;
        h4 = (h4 & mask) + c3;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAndAbsorb(
        ref Vector512<ulong> h0, ref Vector512<ulong> h1, ref Vector512<ulong> h2, ref Vector512<ulong> h3, ref Vector512<ulong> h4,
        Vector512<ulong> r0, Vector512<ulong> r1, Vector512<ulong> r2, Vector512<ulong> r3, Vector512<ulong> r4,
        Vector512<ulong> s1, Vector512<ulong> s2, Vector512<ulong> s3, Vector512<ulong> s4,
        Vector512<ulong> first, Vector512<ulong> second, Vector512<ulong> mask)
    {
        Split(
            Avx512F.UnpackLow(first, second), Avx512F.UnpackHigh(first, second), Vector512.Create(1ul << 24), mask,
            out var m0, out var m1, out var m2, out var m3, out var m4);
        MultiplyAdd(ref h0, ref h1, ref h2, ref h3, ref h4, r0, r1, r2, r3, r4, s1, s2, s3, s4, m0, m1, m2, m3, m4);
        Carry(ref h0, ref h1, ref h2, ref h3, ref h4, mask);
    }

    // blocks of two words into limbs; the bit above a block's 128 is bit 24 of the last one
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split(
        Vector512<ulong> low, Vector512<ulong> high, Vector512<ulong> above, Vector512<ulong> mask,
        out Vector512<ulong> m0, out Vector512<ulong> m1, out Vector512<ulong> m2, out Vector512<ulong> m3, out Vector512<ulong> m4)
    {
        m0 = low & mask;
        m1 = (low >>> 26) & mask;
        m2 = ((low >>> 52) | (high << 12)) & mask;
        m3 = (high >>> 14) & mask;
        m4 = (high >>> 40) | above;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Product(Vector512<ulong> a, Vector512<ulong> b) => Avx512F.Multiply(a.AsUInt32(), b.AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Times5(Vector512<ulong> a) => a + (a << 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> FirstLane(Vector512<ulong> a) => Avx512F.BroadcastScalarToVector512(a.GetLower().GetLower());

    // the last 1 to 16 bytes and zeros, without reading behind them
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> LastBlock(byte* data, int length)
    {
        ref var shift = ref Unsafe.Add(ref MemoryMarshal.GetReference(ShiftDown), -length & 15);
        return Ssse3.Shuffle(Vector128.Load(data + length - 16), Vector128.LoadUnsafe(ref shift)).AsUInt64();
    }
}
