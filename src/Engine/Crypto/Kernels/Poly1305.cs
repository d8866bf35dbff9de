using System.Runtime.CompilerServices;

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
    public void Start(byte* key)
    {
        Clamp(key, out _r0, out _r1);
        _h0 = 0;
        _h1 = 0;
        _h2 = 0;
    }

    /// <summary>The first half of the one-time key with the bits cleared that have to be.</summary>
    public static void Clamp(byte* key, out ulong r0, out ulong r1)
    {
        r0 = *(ulong*)key & ClampR0;
        r1 = *(ulong*)(key + 8) & ClampR1;
    }

    /// <summary>Takes in bytes, filled up with zeros to a multiple of 16 as the AEAD has it (section 2.8).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Absorb(byte* data, int length)
    {
        for (; length >= 16; data += 16, length -= 16)
        {
            Absorb(*(ulong*)data, *(ulong*)(data + 8));
        }

        if (length > 0)
        {
            ulong low = 0, high = 0;
            for (var i = length - 1; i >= 8; i--)
            {
                high = (high << 8) | data[i];
            }

            for (var i = Math.Min(length, 8) - 1; i >= 0; i--)
            {
                low = (low << 8) | data[i];
            }

            Absorb(low, high);
        }
    }

    /// <summary>Takes in one block of 16 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Absorb(ulong low, ulong high)
    {
        var h0 = _h0 + low;
        var carry = Carry(h0 < low);
        var h1 = _h1 + high;
        var h2 = _h2 + 1 + Carry(h1 < high);
        h1 += carry;
        h2 += Carry(h1 < carry);

        var s1 = _r1 + (_r1 >> 2);
        var d0High = Math.BigMul(h0, _r0, out var d0);
        var d1High = Math.BigMul(h0, _r1, out var d1);
        var high2 = Math.BigMul(h1, s1, out var low2);
        var high3 = Math.BigMul(h1, _r0, out var low3);
        d0 += low2;
        d0High += high2 + Carry(d0 < low2);
        d1 += low3;
        d1High += high3 + Carry(d1 < low3);
        low2 = h2 * s1;
        d1 += low2;
        d1High += Carry(d1 < low2);
        d1 += d0High;
        h2 = (h2 * _r0) + d1High + Carry(d1 < d0High);

        // what is above 2^130 comes back times five
        low2 = (h2 >> 2) + (h2 & ~3UL);
        _h0 = d0 + low2;
        carry = Carry(_h0 < low2);
        _h1 = d1 + carry;
        _h2 = (h2 & 3) + Carry(_h1 < carry);
    }

    /// <summary>Takes in the last block of the AEAD (section 2.8): both lengths in bytes. Then writes the tag.</summary>
    /// <param name="key">The one-time key.</param>
    public void Finish(byte* key, int adLength, int length, byte* tag)
    {
        Absorb((ulong)adLength, (ulong)length);
        Finish(_h0, _h1, _h2, key, tag);
    }

    /// <summary>Reduces the accumulator, adds s and writes the tag.</summary>
    /// <param name="key">The one-time key.</param>
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
