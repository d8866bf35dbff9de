using System.Runtime.CompilerServices;
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
        ReadOnlySpan<byte> associatedData = default) =>
        Seal(key, 0, counter, plaintext, output, associatedData);

    /// <summary>Opens; parameters and answer are those of <see cref="ChaCha20Poly1305Key.TryOpen(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>.</summary>
    /// <exception cref="ArgumentException">The key is not 32 bytes long, or the output too short.</exception>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ulong counter,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default) =>
        TryOpen(key, 0, counter, ciphertext, output, associatedData);

    /// <summary>Seals, with a nonce whose first 4 bytes need not be zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Seal(
        ReadOnlySpan<byte> key, uint nonce0, ulong nonce, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        ChaCha20Poly1305Key.RequireKey(key);
        RequireOutput(plaintext, output, plaintext.Length + ChaCha20Poly1305Key.TagLength);
        fixed (byte* k = key, input = plaintext, destination = output, ad = associatedData)
        {
            AeadChoice.InUse.Seal(k, nonce0, nonce, input, plaintext.Length, destination, ad, associatedData.Length);
        }
    }

    /// <summary>Opens, with a nonce whose first 4 bytes need not be zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryOpen(
        ReadOnlySpan<byte> key, uint nonce0, ulong nonce, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        ChaCha20Poly1305Key.RequireKey(key);
        var length = ciphertext.Length - ChaCha20Poly1305Key.TagLength;
        if (length < 0)
        {
            return false;
        }

        RequireOutput(ciphertext, output, length);
        fixed (byte* k = key, input = ciphertext, destination = output, ad = associatedData)
        {
            if (AeadChoice.InUse.Open(k, nonce0, nonce, input, length, destination, ad, associatedData.Length))
            {
                return true;
            }
        }

        output[..length].Clear();
        return false;
    }

    private static void RequireOutput(ReadOnlySpan<byte> input, ReadOnlySpan<byte> output, int length)
    {
        if (output.Length < length)
        {
            throw new ArgumentException($"The output needs {length} bytes and has {output.Length}.", nameof(output));
        }

        if (input.Overlaps(output, out var offset) && offset != 0)
        {
            throw new ArgumentException("The output may start where the input starts or lie apart from it.", nameof(output));
        }
    }
}
