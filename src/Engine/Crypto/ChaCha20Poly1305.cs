namespace WgMesh.Engine.Crypto;

/// <summary>
/// ChaCha20-Poly1305 (RFC 8439) for a key that is used once, as in handshakes. For a session's many packets there is
/// <see cref="ChaCha20Poly1305Key"/>.
/// </summary>
internal static class ChaCha20Poly1305
{
    /// <inheritdoc cref="ChaCha20Poly1305Key.TrySeal(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ulong counter,
        ReadOnlySpan<byte> plaintext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        using var once = new ChaCha20Poly1305Key(key);
        once.TrySeal(counter, plaintext, output, associatedData);
    }

    /// <inheritdoc cref="ChaCha20Poly1305Key.TryOpen(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ulong counter,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        using var once = new ChaCha20Poly1305Key(key);
        return once.TryOpen(counter, ciphertext, output, associatedData);
    }
}
