using System.Runtime.InteropServices;

namespace WgMesh.Engine.Crypto.Interop;

/// <summary>
/// The part of OpenSSL 3's libcrypto that the engine uses (manual pages EVP_EncryptInit(3), EVP_DigestInit(3), EVP_MAC(3),
/// EVP_PKEY_derive(3)). Functions returning <c>int</c> answer 1 for success.
/// </summary>
internal static unsafe partial class Libcrypto
{
    /// <summary>The shared library that .NET on Linux itself loads for System.Security.Cryptography.</summary>
    public const string Name = "libcrypto.so.3";

    /// <summary>EVP_CTRL_AEAD_GET_TAG of openssl/evp.h.</summary>
    public const int AeadGetTag = 0x10;

    /// <summary>EVP_CTRL_AEAD_SET_TAG of openssl/evp.h.</summary>
    public const int AeadSetTag = 0x11;

    /// <summary>EVP_PKEY_KEYPAIR of openssl/evp.h: the private and the public half are given.</summary>
    public const int KeyPair = 0x87;

    // OPENSSL_INIT_NO_ATEXIT of openssl/crypto.h. Whoever uses the library first decides, and .NET, which decides the same, may come second: at exit the
    // algorithms would be taken from under threads that still compute, which ends the process with SIGSEGV.
    private const ulong NoCleanupAtExit = 0x80000;

    // Fetching walks the providers' tables, so it is done once. Lazy rather than static fields: a failure then arrives as it is
    // thrown, not wrapped into a TypeInitializationException.
    private static readonly Lazy<bool> Loaded = new(() =>
        Load(Name) && OPENSSL_init_crypto(NoCleanupAtExit, 0) == 1 ? true : throw Failure(nameof(OPENSSL_init_crypto)));
    private static readonly Lazy<nint> Blake2sDigestFetched = new(() => Fetch("BLAKE2S-256", (name) => EVP_MD_fetch(0, name, null)));
    private static readonly Lazy<nint> Blake2sMacFetched = new(() => Fetch("BLAKE2SMAC", (name) => EVP_MAC_fetch(0, name, null)));
    private static readonly Lazy<nint> ChaChaFetched = new(() => Fetch("ChaCha20-Poly1305", (name) => EVP_CIPHER_fetch(0, name, null)));

    /// <summary>EVP_MD of BLAKE2s with 32 bytes of output.</summary>
    public static nint Blake2sDigest => Blake2sDigestFetched.Value;

    /// <summary>EVP_MAC of keyed BLAKE2s.</summary>
    public static nint Blake2sMac => Blake2sMacFetched.Value;

    /// <summary>EVP_CIPHER of ChaCha20-Poly1305 as in RFC 8439.</summary>
    public static nint ChaCha20Poly1305 => ChaChaFetched.Value;

    /// <summary>Loads the library or says what to install.</summary>
    /// <exception cref="PlatformNotSupportedException">The library is not there.</exception>
    /// <returns>True.</returns>
    public static bool Load(string name) =>
        NativeLibrary.TryLoad(name, typeof(Libcrypto).Assembly, null, out _) ? true : throw new PlatformNotSupportedException(
            $"The WireGuard engine needs {name}, which could not be loaded: install OpenSSL 3 (package libssl3 or openssl-libs).");

    /// <summary>Has to come before the first call that does not use one of the algorithms above.</summary>
    /// <exception cref="PlatformNotSupportedException">The library is not there.</exception>
    public static void EnsureLoaded() => _ = Loaded.Value;

    /// <summary>The error of a call that cannot fail except for want of memory; clears OpenSSL's error queue.</summary>
    public static InvalidOperationException Failure(string function)
    {
        ERR_clear_error();
        return new InvalidOperationException($"{function} of {Name} failed.");
    }

    private static nint Fetch(string algorithm, Func<string, nint> fetch)
    {
        EnsureLoaded();
        var handle = fetch(algorithm);
        if (handle == 0)
        {
            ERR_clear_error();
            throw new PlatformNotSupportedException(
                $"{Name} does not offer {algorithm}: its default provider has to be active, which it is not in a FIPS-only configuration.");
        }

        return handle;
    }

    [LibraryImport(Name)]
    private static partial int OPENSSL_init_crypto(ulong options, nint settings);

    [LibraryImport(Name)]
    public static partial void ERR_clear_error();

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint EVP_MD_fetch(nint library, string algorithm, string? properties);

    [LibraryImport(Name)]
    public static partial nint EVP_MD_CTX_new();

    [LibraryImport(Name)]
    public static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_DigestInit_ex2(nint context, nint digest, void* parameters);

    [LibraryImport(Name)]
    public static partial int EVP_DigestUpdate(nint context, byte* data, nuint length);

    [LibraryImport(Name)]
    public static partial int EVP_DigestFinal_ex(nint context, byte* digest, uint* length);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint EVP_MAC_fetch(nint library, string algorithm, string? properties);

    [LibraryImport(Name)]
    public static partial nint EVP_MAC_CTX_new(nint mac);

    [LibraryImport(Name)]
    public static partial void EVP_MAC_CTX_free(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_MAC_init(nint context, byte* key, nuint keyLength, Parameter* parameters);

    [LibraryImport(Name)]
    public static partial int EVP_MAC_update(nint context, byte* data, nuint length);

    [LibraryImport(Name)]
    public static partial int EVP_MAC_final(nint context, byte* mac, nuint* length, nuint size);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint EVP_CIPHER_fetch(nint library, string algorithm, string? properties);

    [LibraryImport(Name)]
    public static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(Name)]
    public static partial void EVP_CIPHER_CTX_free(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_CIPHER_CTX_ctrl(nint context, int type, int length, byte* data);

    [LibraryImport(Name)]
    public static partial int EVP_CipherInit_ex2(nint context, nint cipher, byte* key, byte* nonce, int encrypt, void* parameters);

    [LibraryImport(Name)]
    public static partial int EVP_CipherUpdate(nint context, byte* output, int* written, byte* input, int length);

    [LibraryImport(Name)]
    public static partial int EVP_CipherFinal_ex(nint context, byte* output, int* written);

    [LibraryImport(Name)]
    public static partial nint EVP_PKEY_new_raw_private_key_ex(nint library, byte* keyType, byte* properties, byte* key, nuint length);

    [LibraryImport(Name)]
    public static partial nint EVP_PKEY_new_raw_public_key_ex(nint library, byte* keyType, byte* properties, byte* key, nuint length);

    [LibraryImport(Name)]
    public static partial nint EVP_PKEY_CTX_new_from_name(nint library, byte* keyType, byte* properties);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_fromdata_init(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_fromdata(nint context, nint* key, int selection, Parameter* parameters);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_get_raw_public_key(nint key, byte* destination, nuint* length);

    [LibraryImport(Name)]
    public static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Name)]
    public static partial nint EVP_PKEY_CTX_new_from_pkey(nint library, nint key, byte* properties);

    [LibraryImport(Name)]
    public static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_derive_init(nint context);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_derive_set_peer_ex(nint context, nint peer, int validate);

    [LibraryImport(Name)]
    public static partial int EVP_PKEY_derive(nint context, byte* secret, nuint* length);

    /// <summary>OSSL_PARAM of openssl/core.h. An array of them ends with <c>default</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Parameter
    {
        /// <summary>OSSL_PARAM_UNSIGNED_INTEGER.</summary>
        public const uint UnsignedInteger = 2;

        /// <summary>OSSL_PARAM_OCTET_STRING.</summary>
        public const uint OctetString = 5;

        /// <summary>Zero-terminated name.</summary>
        public byte* Key;

        /// <summary>How <see cref="Data"/> is to be read.</summary>
        public uint DataType;

        /// <summary>The value.</summary>
        public void* Data;

        /// <summary>Bytes at <see cref="Data"/>.</summary>
        public nuint DataSize;

        /// <summary>Written by OpenSSL when it answers.</summary>
        public nuint ReturnSize;
    }
}
