using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// Poly1305 (RFC 8439, section 2.5), a block after the other in 64-bit words. For short messages, associated data, and the end that all have
/// in common. Little-endian machines only.
/// </summary>
/// <remarks>
/// The accumulator is h0 + h1·2^64 + h2·2^128 with h2 below 8, modulo p = 2^130 - 5. Since r1 is a multiple of 4, h1·r1·2^128 is
/// h1·(r1/4)·2^130, which is h1·(r1/4)·5: s1 is that r1·5/4. Products stay below 2^127 because r0 and r1 are below 2^60.
/// </remarks>
internal unsafe struct Poly1305
{
    private const ulong ClampR0 = 0x0ffffffc0fffffff;
    private const ulong ClampR1 = 0x0ffffffc0ffffffc;

    private ulong _r0;
    private ulong _r1;
    private ulong _h0;
    private ulong _h1;
    private ulong _h2;

    /// <summary>Begins.</summary>
    /// <param name="key">The one-time key: r, of which this takes 16 bytes, and s.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Start(byte* key)
    {
        Clamp(key, out _r0, out _r1);
        _h0 = 0;
        _h1 = 0;
        _h2 = 0;
    }

    /// <summary>The first half of the one-time key with the bits cleared that have to be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Clamp(byte* key, out ulong r0, out ulong r1)
    {
        r0 = *(ulong*)key & ClampR0;
        r1 = *(ulong*)(key + 8) & ClampR1;
    }

    /// <summary>Takes in bytes, filled up with zeros to a multiple of 16 as the AEAD has it (section 2.8).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Absorb(byte* data, int length)
    {
        ulong r0 = _r0, r1 = _r1, h0 = _h0, h1 = _h1, h2 = _h2;
        for (; length >= 16; data += 16, length -= 16)
        {
            Absorb(ref h0, ref h1, ref h2, r0, r1, *(ulong*)data, *(ulong*)(data + 8));
        }

        if (length > 0)
        {
            Partial(data, length, out var low, out var high);
            Absorb(ref h0, ref h1, ref h2, r0, r1, low, high);
        }

        (_h0, _h1, _h2) = (h0, h1, h2);
    }

    /// <summary>Encrypts and takes in the ciphertext in one go: but for the last bytes neither waits for what the other has stored.</summary>
    /// <param name="input">Plaintext.</param>
    /// <param name="keyStream">As long as the plaintext.</param>
    /// <param name="output">Gets the ciphertext; may be the input.</param>
    /// <param name="length">Of the plaintext.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void EncryptAndAbsorb(byte* input, byte* keyStream, byte* output, int length)
    {
        ulong r0 = _r0, r1 = _r1, h0 = _h0, h1 = _h1, h2 = _h2;
        for (; length >= 16; input += 16, keyStream += 16, output += 16, length -= 16)
        {
            var low = *(ulong*)input ^ *(ulong*)keyStream;
            var high = *(ulong*)(input + 8) ^ *(ulong*)(keyStream + 8);
            *(ulong*)output = low;
            *(ulong*)(output + 8) = high;
            Absorb(ref h0, ref h1, ref h2, r0, r1, low, high);
        }

        (_h0, _h1, _h2) = (h0, h1, h2);
        if (length > 0)
        {
            for (var i = 0; i < length; i++)
            {
                output[i] = (byte)(input[i] ^ keyStream[i]);
            }

            Absorb(output, length);
        }
    }

    // One to fifteen bytes with zeros behind them, in reads that overlap and stay within. Full packets end so: padding stops at the MTU.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Partial(byte* data, int length, out ulong low, out ulong high)
    {
        high = 0;
        if (length >= 8)
        {
            low = *(ulong*)data;
            high = *(ulong*)(data + length - 8) >> 1 >> (127 - (8 * length)); // 128 - 8 * length in two steps, since a shift by 64 would be none
        }
        else if (length >= 4)
        {
            low = *(uint*)data | ((ulong)*(uint*)(data + length - 4) << (8 * (length - 4)));
        }
        else
        {
            var middle = length / 2;
            low = data[0] | ((ulong)data[middle] << (8 * middle)) | ((ulong)data[length - 1] << (8 * (length - 1)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Absorb(ref ulong h0, ref ulong h1, ref ulong h2, ulong r0, ulong r1, ulong low, ulong high)
    {
        h0 += low;
        var carry = Carry(h0 < low);
        h1 += high;
        h2 += 1 + Carry(h1 < high);
        h1 += carry;
        h2 += Carry(h1 < carry);
        Multiply(ref h0, ref h1, ref h2, r0, r1);
    }

    // h = h * r, reduced to h2 of at most 4
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(ref ulong h0, ref ulong h1, ref ulong h2, ulong r0, ulong r1)
    {
        var s1 = r1 + (r1 >> 2);
        var d0High = Math.BigMul(h0, r0, out var d0);
        var d1High = Math.BigMul(h0, r1, out var d1);
        var high2 = Math.BigMul(h1, s1, out var low2);
        var high3 = Math.BigMul(h1, r0, out var low3);
        d0 += low2;
        d0High += high2 + Carry(d0 < low2);
        d1 += low3;
        d1High += high3 + Carry(d1 < low3);
        low2 = h2 * s1;
        d1 += low2;
        d1High += Carry(d1 < low2);
        d1 += d0High;
        h2 = (h2 * r0) + d1High + Carry(d1 < d0High);

        // what is above 2^130 comes back times five
        low2 = (h2 >> 2) + (h2 & ~3UL);
        h0 = d0 + low2;
        var carry = Carry(h0 < low2);
        h1 = d1 + carry;
        h2 = (h2 & 3) + Carry(h1 < carry);
    }

    /// <summary>r^4, r^2, r^3 and r, in this order for four lanes, as accumulators are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Powers(out Vector256<ulong> low, out Vector256<ulong> middle, out Vector256<ulong> high)
    {
        ulong r0 = _r0, r1 = _r1;
        ulong a0 = r0, a1 = r1, a2 = 0;
        Multiply(ref a0, ref a1, ref a2, r0, r1);
        ulong b0 = a0, b1 = a1, b2 = a2;
        Multiply(ref b0, ref b1, ref b2, r0, r1);
        ulong c0 = b0, c1 = b1, c2 = b2;
        Multiply(ref c0, ref c1, ref c2, r0, r1);
        low = Vector256.Create(c0, a0, b0, r0);
        middle = Vector256.Create(c1, a1, b1, r1);
        high = Vector256.Create(c2, a2, b2, 0);
    }

    /// <summary>Sets the accumulator from five limbs of 26 bits, each of which may be up to 2^61.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Set(ulong t0, ulong t1, ulong t2, ulong t3, ulong t4) => FromLimbs(t0, t1, t2, t3, t4, out _h0, out _h1, out _h2);

    /// <summary>An accumulator in words from one of five limbs of 26 bits, each of which may be up to 2^61.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FromLimbs(ulong t0, ulong t1, ulong t2, ulong t3, ulong t4, out ulong h0, out ulong h1, out ulong h2)
    {
        const ulong Mask = (1 << 26) - 1;
        t1 += t0 >> 26;
        t2 += t1 >> 26;
        t3 += t2 >> 26;
        t4 += t3 >> 26;
        t0 = (t0 & Mask) + ((t4 >> 26) * 5);
        t1 = (t1 & Mask) + (t0 >> 26);

        // t1 may have some bits more than 26, which the sums take along
        h0 = (t0 & Mask) + (t1 << 26);
        var part = t2 << 52;
        h0 += part;
        h1 = ((t2 & Mask) >> 12) + ((t3 & Mask) << 14) + Carry(h0 < part);
        part = t4 << 40;
        h1 += part;
        h2 = ((t4 & Mask) >> 24) + Carry(h1 < part);
    }

    /// <summary>Takes in the last block of the AEAD (section 2.8): both lengths in bytes. Then writes the tag.</summary>
    /// <param name="key">The one-time key.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Finish(byte* key, int adLength, int length, byte* tag)
    {
        ulong h0 = _h0, h1 = _h1, h2 = _h2;
        Absorb(ref h0, ref h1, ref h2, _r0, _r1, (ulong)adLength, (ulong)length);
        Finish(h0, h1, h2, key, tag);
    }

    /// <summary>Reduces the accumulator, adds s and writes the tag.</summary>
    /// <param name="key">The one-time key.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Finish(ulong h0, ulong h1, ulong h2, byte* key, byte* tag)
    {
        // h - p, which is h + 5 - 2^130; taken instead of h if it is not negative
        var g0 = h0 + 5;
        var carry = Carry(g0 < 5);
        var g1 = h1 + carry;
        var g2 = h2 + Carry(g1 < carry) - 4;
        var keep = 0 - (g2 >> 63);
        h0 = (h0 & keep) | (g0 & ~keep);
        h1 = (h1 & keep) | (g1 & ~keep);

        var s0 = *(ulong*)(key + 16);
        h0 += s0;
        h1 += *(ulong*)(key + 24) + Carry(h0 < s0);
        *(ulong*)tag = h0;
        *(ulong*)(tag + 8) = h1;
    }

    // a comparison's flag as a number, never a branch
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Carry(bool overflow) => Unsafe.BitCast<bool, byte>(overflow);
}
