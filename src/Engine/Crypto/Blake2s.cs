using System.Runtime.ConstrainedExecution;
using WgMesh.Engine.Crypto.Interop;

namespace WgMesh.Engine.Crypto;

/// <summary>BLAKE2s (RFC 7693): HASH and MAC of the WireGuard paper, section 5.4.</summary>
internal static unsafe class Blake2s
{
    /// <summary>Bytes of a hash.</summary>
    public const int HashLength = 32;

    /// <summary>Bytes of a keyed MAC.</summary>
    public const int MacLength = 16;

    /// <summary>Bytes of an input block, which HMAC pads its key to.</summary>
    public const int BlockLength = 64;

    // One pair per thread: no lock and no allocation per call. Its finalizer frees it after the thread has ended.
    [ThreadStatic]
    private static Contexts? _contexts;

    private static Contexts OfThisThread => _contexts ??= new Contexts();

    /// <summary>32-byte hash of an input; <paramref name="hash"/> may overlap it.</summary>
    public static void Hash(ReadOnlySpan<byte> input, Span<byte> hash) => Hash(input, default, hash);

    /// <summary>32-byte hash of the concatenation of two inputs; <paramref name="hash"/> may overlap them.</summary>
    /// <exception cref="ArgumentException"><paramref name="hash"/> is not 32 bytes long.</exception>
    public static void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash)
    {
        RequireLength(hash, HashLength, nameof(hash));
        var context = OfThisThread.Digest;
        fixed (byte* a = first, b = second, output = hash)
        {
            if (Libcrypto.EVP_DigestInit_ex2(context, Libcrypto.Blake2sDigest, null) != 1
                || (first.Length > 0 && Libcrypto.EVP_DigestUpdate(context, a, (nuint)first.Length) != 1)
                || (second.Length > 0 && Libcrypto.EVP_DigestUpdate(context, b, (nuint)second.Length) != 1)
                || Libcrypto.EVP_DigestFinal_ex(context, output, null) != 1)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_DigestInit_ex2));
            }
        }
    }

    /// <summary>16-byte keyed BLAKE2s (not HMAC) of an input.</summary>
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> mac) => Mac(key, input, default, mac);

    /// <summary>16-byte keyed BLAKE2s (not HMAC) of the concatenation of two inputs.</summary>
    /// <exception cref="ArgumentException">
    /// <paramref name="key"/> is not 1 to 32 bytes, or <paramref name="mac"/> not 16 bytes long.
    /// </exception>
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> mac)
    {
        RequireLength(mac, MacLength, nameof(mac));
        if (key.Length is 0 or > 32)
        {
            throw new ArgumentException($"A BLAKE2s key is 1 to 32 bytes, not {key.Length}.", nameof(key));
        }

        var context = OfThisThread.Mac;
        nuint size = MacLength;
        fixed (byte* k = key, a = first, b = second, output = mac, sizeName = "size\0"u8)
        {
            // the output length is part of what BLAKE2 hashes: this is not a truncated 32-byte MAC
            var parameters = stackalloc Libcrypto.Parameter[2];
            parameters[0] = new Libcrypto.Parameter
            {
                Key = sizeName, DataType = Libcrypto.Parameter.UnsignedInteger, Data = &size, DataSize = (nuint)sizeof(nuint),
            };
            parameters[1] = default;
            nuint written;
            if (Libcrypto.EVP_MAC_init(context, k, (nuint)key.Length, parameters) != 1
                || (first.Length > 0 && Libcrypto.EVP_MAC_update(context, a, (nuint)first.Length) != 1)
                || (second.Length > 0 && Libcrypto.EVP_MAC_update(context, b, (nuint)second.Length) != 1)
                || Libcrypto.EVP_MAC_final(context, output, &written, MacLength) != 1)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_MAC_init));
            }
        }
    }

    private static void RequireLength(ReadOnlySpan<byte> span, int length, string name)
    {
        if (span.Length != length)
        {
            throw new ArgumentException($"The output is {length} bytes, not {span.Length}.", name);
        }
    }

    private sealed class Contexts : CriticalFinalizerObject
    {
        public readonly nint Digest;
        public readonly nint Mac;

        public Contexts()
        {
            Mac = Libcrypto.EVP_MAC_CTX_new(Libcrypto.Blake2sMac);
            Digest = Libcrypto.EVP_MD_CTX_new();
            if (Mac == 0 || Digest == 0)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_MD_CTX_new));
            }
        }

        ~Contexts()
        {
            // both free functions take null
            Libcrypto.EVP_MD_CTX_free(Digest);
            Libcrypto.EVP_MAC_CTX_free(Mac);
        }
    }
}
