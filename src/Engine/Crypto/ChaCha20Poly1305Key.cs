using System.Buffers.Binary;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto.Interop;

namespace WgMesh.Engine.Crypto;

/// <summary>
/// One key for ChaCha20-Poly1305 (RFC 8439) in a context that is made once and used for every packet: setting up costs more than sealing
/// a packet. The nonce is 4 zero bytes and the 64-bit little-endian counter (WireGuard paper, section 5.4: AEAD).
/// Safe for use by several threads, which take turns. After <see cref="Dispose"/> the key is wiped and both directions answer false.
/// </summary>
internal sealed unsafe class ChaCha20Poly1305Key : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 12;

    /// <summary>Bytes that sealing adds.</summary>
    public const int TagLength = 16;

    private readonly Lock _lock = new();
    private volatile bool _disposed; // lets Dispose through when other threads hold the lock nearly all the time
    private nint _context; // EVP_CIPHER_CTX: the key schedule is the same for both directions, so one is enough; 0 once disposed

    /// <summary>Copies the key into memory of OpenSSL that is wiped when it is freed.</summary>
    /// <exception cref="ArgumentException">The key is not 32 bytes long.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no OpenSSL 3.</exception>
    public ChaCha20Poly1305Key(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyLength)
        {
            throw new ArgumentException($"A key is {KeyLength} bytes, not {key.Length}.", nameof(key));
        }

        var cipher = Libcrypto.ChaCha20Poly1305;
        _context = Libcrypto.EVP_CIPHER_CTX_new();
        fixed (byte* k = key)
        {
            if (_context == 0 || Libcrypto.EVP_CipherInit_ex2(_context, cipher, k, null, encrypt: 1, null) != 1)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_CipherInit_ex2));
            }
        }
    }

    /// <summary>Frees a context that nobody disposed of.</summary>
    ~ChaCha20Poly1305Key() => Free();

    /// <summary>Seals a packet.</summary>
    /// <param name="counter">Nonce, never to be used twice with one key.</param>
    /// <param name="plaintext">Any length; may start where <paramref name="output"/> starts.</param>
    /// <param name="output">At least 16 bytes longer than <paramref name="plaintext"/>: gets the ciphertext, then the tag.</param>
    /// <param name="associatedData">Authenticated with it.</param>
    /// <returns>False if the key has been disposed of: then nothing is written.</returns>
    public bool TrySeal(ulong counter, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        WriteNonce(counter, nonce);
        return TrySeal(nonce, plaintext, output, associatedData);
    }

    /// <summary>Opens a packet.</summary>
    /// <param name="counter">Nonce it was sealed with.</param>
    /// <param name="ciphertext">Ciphertext and tag; may start where <paramref name="output"/> starts.</param>
    /// <param name="output">At least the length of <paramref name="ciphertext"/> without its 16-byte tag: gets the plaintext.</param>
    /// <param name="associatedData">Authenticated with it.</param>
    /// <returns>
    /// False if it is not authentic (then the plaintext's place in <paramref name="output"/> is zeroed), too short for a tag, or if the
    /// key has been disposed of.
    /// </returns>
    public bool TryOpen(ulong counter, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        WriteNonce(counter, nonce);
        return TryOpen(nonce, ciphertext, output, associatedData);
    }

    /// <summary>Wipes the key. Waits for a call in progress, at most a packet's time.</summary>
    public void Dispose()
    {
        _disposed = true;
        lock (_lock)
        {
            Free();
        }

        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="TrySeal(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    internal bool TrySeal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        RequireOutput(plaintext, output, plaintext.Length + TagLength);
        if (_disposed)
        {
            return false;
        }

        lock (_lock)
        {
            if (_context == 0)
            {
                return false;
            }

            fixed (byte* n = nonce, input = plaintext, destination = output, ad = associatedData)
            {
                int written;
                if (Libcrypto.EVP_CipherInit_ex2(_context, 0, null, n, encrypt: 1, null) != 1
                    || (associatedData.Length > 0 && Libcrypto.EVP_CipherUpdate(_context, null, &written, ad, associatedData.Length) != 1)
                    || (plaintext.Length > 0 && Libcrypto.EVP_CipherUpdate(_context, destination, &written, input, plaintext.Length) != 1)
                    || Libcrypto.EVP_CipherFinal_ex(_context, destination + plaintext.Length, &written) != 1
                    || Libcrypto.EVP_CIPHER_CTX_ctrl(_context, Libcrypto.AeadGetTag, TagLength, destination + plaintext.Length) != 1)
                {
                    throw Libcrypto.Failure(nameof(Libcrypto.EVP_CipherUpdate));
                }
            }

            GC.KeepAlive(this); // the finalizer must not free the context under the calls above
            return true;
        }
    }

    /// <inheritdoc cref="TryOpen(ulong, ReadOnlySpan{byte}, Span{byte}, ReadOnlySpan{byte})"/>
    internal bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, Span<byte> output, ReadOnlySpan<byte> associatedData)
    {
        var length = ciphertext.Length - TagLength;
        if (length < 0)
        {
            return false;
        }

        RequireOutput(ciphertext, output, length);
        if (_disposed)
        {
            return false;
        }

        lock (_lock)
        {
            if (_context == 0)
            {
                return false;
            }

            fixed (byte* n = nonce, input = ciphertext, destination = output, ad = associatedData)
            {
                int written;
                byte nothing;
                if (Libcrypto.EVP_CipherInit_ex2(_context, 0, null, n, encrypt: 0, null) != 1
                    || Libcrypto.EVP_CIPHER_CTX_ctrl(_context, Libcrypto.AeadSetTag, TagLength, input + length) != 1
                    || (associatedData.Length > 0 && Libcrypto.EVP_CipherUpdate(_context, null, &written, ad, associatedData.Length) != 1)
                    || (length > 0 && Libcrypto.EVP_CipherUpdate(_context, destination, &written, input, length) != 1))
                {
                    throw Libcrypto.Failure(nameof(Libcrypto.EVP_CipherUpdate));
                }

                if (Libcrypto.EVP_CipherFinal_ex(_context, &nothing, &written) == 1)
                {
                    GC.KeepAlive(this);
                    return true;
                }
            }

            // OpenSSL decrypts before it compares tags: what it wrote is the attacker's choice
            CryptographicOperations.ZeroMemory(output[..length]);
            Libcrypto.ERR_clear_error();
            GC.KeepAlive(this);
            return false;
        }
    }

    private static void WriteNonce(ulong counter, Span<byte> nonce)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(nonce, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
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

    // EVP_CIPHER_CTX_free cleanses the key schedule before it frees it
    private void Free() => Libcrypto.EVP_CIPHER_CTX_free(Interlocked.Exchange(ref _context, 0));
}
