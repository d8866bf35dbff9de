using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace WgMesh.Engine.Crypto;

/// <summary>
/// One key for ChaCha20-Poly1305 (RFC 8439), used for every packet of a session. The nonce is 4 zero bytes and the 64-bit little-endian
/// counter (WireGuard paper, section 5.4: AEAD). Any number of threads may use it at once; this class and
/// our own kernels have them share nothing that is written (OpenSSL counts the users of its cipher). After
/// <see cref="Dispose"/> the key is wiped and both directions answer false.
/// </summary>
internal sealed unsafe class ChaCha20Poly1305Key : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 12;

    /// <summary>Bytes that sealing adds.</summary>
    public const int TagLength = 16;

    // Never moved, so that the collector leaves no copies; and never freed before this object, so that a late reader finds zeros at worst.
    private readonly byte[] _key;
    private volatile bool _disposed;

    /// <summary>Copies the key into memory of its own.</summary>
    /// <exception cref="ArgumentException">The key is not 32 bytes long.</exception>
    public ChaCha20Poly1305Key(ReadOnlySpan<byte> key)
    {
        RequireKey(key);
        _key = GC.AllocateUninitializedArray<byte>(KeyLength, pinned: true);
        key.CopyTo(_key);
    }

    /// <summary>Wipes a key that nobody disposed of.</summary>
    ~ChaCha20Poly1305Key() => Wipe();

    /// <summary>Seals a packet.</summary>
    /// <param name="counter">Nonce, never to be used twice with one key.</param>
    /// <param name="plaintext">Any length; may start where <paramref name="output"/> starts.</param>
    /// <param name="output">At least 16 bytes longer than <paramref name="plaintext"/>: gets the ciphertext, then the tag.</param>
    /// <param name="associatedData">Authenticated with it.</param>
    /// <returns>False if the key has been disposed of: then nothing is written.</returns>
    public bool TrySeal(ulong counter, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData = default) =>
        TrySeal(0, counter, plaintext, output, associatedData);

    /// <summary>Opens a packet.</summary>
    /// <param name="counter">Nonce it was sealed with.</param>
    /// <param name="ciphertext">Ciphertext and tag; may start where <paramref name="output"/> starts.</param>
    /// <param name="output">At least the length of <paramref name="ciphertext"/> without its 16-byte tag: gets the plaintext.</param>
    /// <param name="associatedData">Authenticated with it.</param>
    /// <returns>
    /// False if it is not authentic (then the plaintext's place in <paramref name="output"/> is zeroed), too short for a tag, or if the
    /// key has been disposed of.
    /// </returns>
    public bool TryOpen(ulong counter, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData = default) =>
        TryOpen(0, counter, ciphertext, output, associatedData);

    /// <summary>Wipes the key. A call in progress has a copy of its own, which it ends with and wipes.</summary>
    public void Dispose()
    {
        Wipe();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="TrySeal(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    internal bool TrySeal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData) =>
        TrySeal(BinaryPrimitives.ReadUInt32LittleEndian(nonce), BinaryPrimitives.ReadUInt64LittleEndian(nonce[4..]), plaintext, output, associatedData);

    /// <inheritdoc cref="TryOpen(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    internal bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData) =>
        TryOpen(BinaryPrimitives.ReadUInt32LittleEndian(nonce), BinaryPrimitives.ReadUInt64LittleEndian(nonce[4..]), ciphertext, output, associatedData);

    internal static void RequireKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyLength)
        {
            throw new ArgumentException($"A key is {KeyLength} bytes, not {key.Length}.", nameof(key));
        }
    }

    [SkipLocalsInit]
    private bool TrySeal(uint nonce0, ulong nonce, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        Span<byte> key = stackalloc byte[KeyLength];
        if (!TryCopyTo(key))
        {
            return false;
        }

        try
        {
            ChaCha20Poly1305.Seal(key, nonce0, nonce, plaintext, output, associatedData);
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    [SkipLocalsInit]
    private bool TryOpen(uint nonce0, ulong nonce, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        Span<byte> key = stackalloc byte[KeyLength];
        if (!TryCopyTo(key))
        {
            return false;
        }

        try
        {
            return ChaCha20Poly1305.TryOpen(key, nonce0, nonce, ciphertext, output, associatedData);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    // A copy that has a wiped byte in it is never used: the wipe comes after the mark in everybody's eyes, and the look at the mark after the copying.
    private bool TryCopyTo(Span<byte> key)
    {
        _key.CopyTo(key);
        Volatile.ReadBarrier();
        if (!_disposed)
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(key);
        return false;
    }

    private void Wipe()
    {
        _disposed = true;
        Interlocked.MemoryBarrier();
        CryptographicOperations.ZeroMemory(_key);
    }
}
