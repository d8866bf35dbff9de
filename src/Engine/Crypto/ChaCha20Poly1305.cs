using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Crypto;

/// <summary>
/// ChaCha20-Poly1305 (RFC 8439) for a key that is used once, as in handshakes. For a session's many packets there is
/// <see cref="ChaCha20Poly1305Key"/>.
/// </summary>
internal static unsafe class ChaCha20Poly1305
{
    /// <summary>Seals; the parameters are those of <see cref="ChaCha20Poly1305Key.TrySeal(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>.</summary>
    /// <exception cref="ArgumentException">The key is not 32 bytes long, or the output too short.</exception>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ulong counter,
        ReadOnlySpan<byte> plaintext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        ChaCha20Poly1305Key.RequireKey(key);
        ChaCha20Poly1305Key.RequireOutput(plaintext, output, plaintext.Length + ChaCha20Poly1305Key.TagLength);
        fixed (byte* k = key, input = plaintext, destination = output, ad = associatedData)
        {
            AeadChoice.InUse.Seal(k, 0, counter, input, plaintext.Length, destination, ad, associatedData.Length);
        }
    }

    /// <summary>Opens; parameters and answer are those of <see cref="ChaCha20Poly1305Key.TryOpen(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>.</summary>
    /// <exception cref="ArgumentException">The key is not 32 bytes long, or the output too short.</exception>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ulong counter,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        ChaCha20Poly1305Key.RequireKey(key);
        var length = ciphertext.Length - ChaCha20Poly1305Key.TagLength;
        if (length < 0)
        {
            return false;
        }

        ChaCha20Poly1305Key.RequireOutput(ciphertext, output, length);
        fixed (byte* k = key, input = ciphertext, destination = output, ad = associatedData)
        {
            if (AeadChoice.InUse.Open(k, 0, counter, input, length, destination, ad, associatedData.Length))
            {
                return true;
            }
        }

        output[..length].Clear();
        return false;
    }
}
