namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>ChaCha20-Poly1305 (RFC 8439) computed by one kind of instructions. Holds no state; any thread.</summary>
internal abstract unsafe class AeadKernel
{
    /// <summary>What users choose it by: "avx512", "avx2", "libcrypto", "portable".</summary>
    public abstract string Name { get; }

    /// <summary>Whether this processor and this runtime can execute it.</summary>
    public abstract bool IsSupported { get; }

    /// <summary>Seals: <paramref name="output"/> gets <paramref name="length"/> bytes and the 16-byte tag right behind them, and nothing else.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="nonce0">First 4 bytes of the nonce, little-endian.</param>
    /// <param name="nonce">Last 8 bytes of the nonce, little-endian.</param>
    /// <param name="input">Plaintext at any alignment; nothing outside of it is read.</param>
    /// <param name="length">Bytes of plaintext, at least 0.</param>
    /// <param name="output">Is <paramref name="input"/> or apart from it.</param>
    /// <param name="ad">Associated data.</param>
    /// <param name="adLength">Bytes of associated data, at least 0.</param>
    public abstract void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength);

    /// <summary>Opens what <see cref="Seal"/> made. The tag is compared in constant time.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="nonce0">First 4 bytes of the nonce, little-endian.</param>
    /// <param name="nonce">Last 8 bytes of the nonce, little-endian.</param>
    /// <param name="input"><paramref name="length"/> bytes of ciphertext and the 16-byte tag behind them; nothing outside of that is read.</param>
    /// <param name="length">Bytes of ciphertext without the tag, at least 0.</param>
    /// <param name="output">Room for <paramref name="length"/> bytes of plaintext, and nothing else is written; is <paramref name="input"/> or apart from it.</param>
    /// <param name="ad">Associated data.</param>
    /// <param name="adLength">Bytes of associated data, at least 0.</param>
    /// <returns>False if it is not authentic: then the caller has to clear <paramref name="output"/>, where there may be plaintext of an attacker's choice.</returns>
    public abstract bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength);
}
