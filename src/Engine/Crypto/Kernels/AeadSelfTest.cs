namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// Whether a kernel computes on this machine what it should. It also compiles the kernel: a packet does not wait for that.
/// </summary>
internal static unsafe class AeadSelfTest
{
    // one for every way through a kernel: none, parts of blocks, few blocks, a full packet, a long one
    private static ReadOnlySpan<int> Lengths => [0, 1, 16, 64, 131, 255, 300, 511, 1024, 1420, 4099];

    private const int AdLength = 37;

    /// <summary>Seals and opens the vector of RFC 8439 and messages of several lengths, with and without associated data.</summary>
    /// <param name="kernel">To be tested.</param>
    /// <param name="oracle">Known to be right.</param>
    public static bool Passes(AeadKernel kernel, AeadKernel oracle)
    {
        if (!SealsVector(kernel))
        {
            return false;
        }

        var longest = Lengths[^1];
        byte[] key = new byte[32], plaintext = new byte[longest], ad = new byte[AdLength], expected = new byte[longest + 16], actual = new byte[longest + 16];
        Fill(key, 1);
        Fill(plaintext, 2);
        Fill(ad, 3);
        fixed (byte* k = key, p = plaintext, a = ad, e = expected, o = actual)
        {
            foreach (var length in Lengths)
            {
                for (var adLength = 0; adLength <= AdLength; adLength += AdLength)
                {
                    var nonce = 0xfedcba9876543210 + (uint)length;
                    oracle.Seal(k, 0, nonce, p, length, e, a, adLength);
                    kernel.Seal(k, 0, nonce, p, length, o, a, adLength);
                    var sealedBytes = actual.AsSpan(0, length + 16);
                    if (!sealedBytes.SequenceEqual(expected.AsSpan(0, length + 16))
                        || !kernel.Open(k, 0, nonce, o, length, o, a, adLength)
                        || !actual.AsSpan(0, length).SequenceEqual(plaintext.AsSpan(0, length)))
                    {
                        return false;
                    }

                    // both words of the tag, and the ciphertext if there is any
                    foreach (var changed in (ReadOnlySpan<int>)[length, length + 15, length / 2])
                    {
                        expected[changed] ^= 0x80;
                        var isCredulous = kernel.Open(k, 0, nonce, e, length, o, a, adLength);
                        expected[changed] ^= 0x80;
                        if (isCredulous)
                        {
                            return false;
                        }
                    }
                }
            }
        }

        return true;
    }

    // section 2.8.2
    private static bool SealsVector(AeadKernel kernel)
    {
        var plaintext = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8;
        ReadOnlySpan<byte> ad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        ReadOnlySpan<byte> tag = [0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91];
        Span<byte> key = stackalloc byte[32], output = stackalloc byte[plaintext.Length + 16];
        for (var i = 0; i < key.Length; i++)
        {
            key[i] = (byte)(0x80 + i);
        }

        fixed (byte* k = key, p = plaintext, a = ad, o = output)
        {
            kernel.Seal(k, 7, 0x4746454443424140, p, plaintext.Length, o, a, ad.Length);
            return output[plaintext.Length..].SequenceEqual(tag);
        }
    }

    // bytes without a pattern that a wrong order of blocks could hide in
    private static void Fill(Span<byte> bytes, uint seed)
    {
        foreach (ref var b in bytes)
        {
            seed = (seed * 1664525) + 1013904223;
            b = (byte)(seed >> 24);
        }
    }
}
