using System.Security.Cryptography;

namespace WgMesh.Engine.Crypto;

/// <summary>
/// KDF1 to KDF3 of the WireGuard paper, section 5.4: HKDF (RFC 5869) over HMAC-BLAKE2s. Outputs are 32 bytes and may overlap the inputs,
/// so that a chaining key can be replaced in place.
/// </summary>
internal static class Hkdf
{
    /// <summary>One output.</summary>
    public static void Kdf1(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1) => Kdf(key, input, t1, default, default);

    /// <summary>Two outputs.</summary>
    public static void Kdf2(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2) =>
        Kdf(key, input, t1, t2, default);

    /// <summary>Three outputs.</summary>
    public static void Kdf3(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3) =>
        Kdf(key, input, t1, t2, t3);

    /// <summary>HMAC (RFC 2104) with BLAKE2s, 32 bytes.</summary>
    /// <exception cref="ArgumentException">The key is longer than a block, 64 bytes: the protocol has none such.</exception>
    internal static void Hmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> mac)
    {
        if (key.Length > Blake2s.BlockLength)
        {
            throw new ArgumentException($"The key is at most {Blake2s.BlockLength} bytes, not {key.Length}.", nameof(key));
        }

        Span<byte> pad = stackalloc byte[Blake2s.BlockLength];
        Span<byte> inner = stackalloc byte[Blake2s.HashLength];
        FillPad(pad, key, 0x36);
        Blake2s.Hash(pad, input, inner);
        FillPad(pad, key, 0x5c);
        Blake2s.Hash(pad, inner, mac);
        CryptographicOperations.ZeroMemory(pad);
        CryptographicOperations.ZeroMemory(inner);
    }

    private static void FillPad(Span<byte> pad, ReadOnlySpan<byte> key, byte constant)
    {
        pad.Fill(constant);
        for (var i = 0; i < key.Length; i++)
        {
            pad[i] ^= key[i];
        }
    }

    private static void Kdf(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3)
    {
        Span<byte> extracted = stackalloc byte[Blake2s.HashLength];
        Span<byte> block = stackalloc byte[Blake2s.HashLength + 1]; // the output before, then this one's number
        Hmac(key, input, extracted);

        block[0] = 1;
        Hmac(extracted, block[..1], t1);
        if (!t2.IsEmpty)
        {
            t1.CopyTo(block);
            block[^1] = 2;
            Hmac(extracted, block, t2);
        }

        if (!t3.IsEmpty)
        {
            t2.CopyTo(block);
            block[^1] = 3;
            Hmac(extracted, block, t3);
        }

        CryptographicOperations.ZeroMemory(extracted);
        CryptographicOperations.ZeroMemory(block);
    }
}
