using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Crypto;

/// <summary>
/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2): XAEAD of the WireGuard paper, with a 24-byte nonce that may be random.
/// Cookie replies use it. OpenSSL has no HChaCha20, so that part is here; it has neither branches nor table look-ups on secrets.
/// </summary>
internal static class XChaCha20Poly1305
{
    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 24;

    /// <summary>Seals: <paramref name="output"/> gets the ciphertext and a 16-byte tag.</summary>
    /// <exception cref="ArgumentException">A key that is not 32 or a nonce that is not 24 bytes long, or an output too short.</exception>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> plaintext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> subkey = stackalloc byte[ChaCha20Poly1305Key.KeyLength];
        HChaCha20(key, RequireNonce(nonce)[..16], subkey);
        ChaCha20Poly1305.Seal(subkey, BinaryPrimitives.ReadUInt64LittleEndian(nonce[16..]), plaintext, output, associatedData);
        CryptographicOperations.ZeroMemory(subkey);
    }

    /// <summary>Opens what <see cref="Seal"/> made.</summary>
    /// <returns>False if it is not authentic; the plaintext's place in <paramref name="output"/> is then zeroed.</returns>
    /// <exception cref="ArgumentException">A key that is not 32 or a nonce that is not 24 bytes long, or an output too short.</exception>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> ciphertext,
        Span<byte> output,
        ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> subkey = stackalloc byte[ChaCha20Poly1305Key.KeyLength];
        HChaCha20(key, RequireNonce(nonce)[..16], subkey);
        var ok = ChaCha20Poly1305.TryOpen(subkey, BinaryPrimitives.ReadUInt64LittleEndian(nonce[16..]), ciphertext, output, associatedData);
        CryptographicOperations.ZeroMemory(subkey);
        return ok;
    }

    /// <summary>Derives a 32-byte key from a key and a 16-byte nonce (section 2.2 of the draft).</summary>
    internal static void HChaCha20(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, Span<byte> subkey)
    {
        if (key.Length != ChaCha20Poly1305Key.KeyLength)
        {
            throw new ArgumentException($"A key is {ChaCha20Poly1305Key.KeyLength} bytes, not {key.Length}.", nameof(key));
        }

        Span<uint> state = stackalloc uint[16];
        (state[0], state[1], state[2], state[3]) = (PortableChaCha20.Word0, PortableChaCha20.Word1, PortableChaCha20.Word2, PortableChaCha20.Word3);
        for (var i = 0; i < 8; i++)
        {
            state[4 + i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
        }

        for (var i = 0; i < 4; i++)
        {
            state[12 + i] = BinaryPrimitives.ReadUInt32LittleEndian(nonce[(4 * i)..]);
        }

        for (var doubleRound = 0; doubleRound < 10; doubleRound++)
        {
            QuarterRound(ref state[0], ref state[4], ref state[8], ref state[12]);
            QuarterRound(ref state[1], ref state[5], ref state[9], ref state[13]);
            QuarterRound(ref state[2], ref state[6], ref state[10], ref state[14]);
            QuarterRound(ref state[3], ref state[7], ref state[11], ref state[15]);
            QuarterRound(ref state[0], ref state[5], ref state[10], ref state[15]);
            QuarterRound(ref state[1], ref state[6], ref state[11], ref state[12]);
            QuarterRound(ref state[2], ref state[7], ref state[8], ref state[13]);
            QuarterRound(ref state[3], ref state[4], ref state[9], ref state[14]);
        }

        for (var i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(subkey[(4 * i)..], state[i]);
            BinaryPrimitives.WriteUInt32LittleEndian(subkey[(16 + (4 * i))..], state[12 + i]);
        }

        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(state));
    }

    private static void QuarterRound(ref uint a, ref uint b, ref uint c, ref uint d)
    {
        a += b;
        d = BitOperations.RotateLeft(d ^ a, 16);
        c += d;
        b = BitOperations.RotateLeft(b ^ c, 12);
        a += b;
        d = BitOperations.RotateLeft(d ^ a, 8);
        c += d;
        b = BitOperations.RotateLeft(b ^ c, 7);
    }

    private static ReadOnlySpan<byte> RequireNonce(ReadOnlySpan<byte> nonce) => nonce.Length == NonceLength
        ? nonce
        : throw new ArgumentException($"A nonce is {NonceLength} bytes, not {nonce.Length}.", nameof(nonce));
}
