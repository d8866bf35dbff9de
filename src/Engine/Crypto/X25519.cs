using System.Security.Cryptography;
using WgMesh.Engine.Crypto.Interop;

namespace WgMesh.Engine.Crypto;

/// <summary>Diffie-Hellman on Curve25519 (RFC 7748, section 5): DH and DH-GENERATE of the WireGuard paper, section 5.4.</summary>
public static unsafe class X25519
{
    /// <summary>Length in bytes of a private key, a public key and a shared secret.</summary>
    public const int KeyLength = 32;

    private static ReadOnlySpan<byte> KeyType => "X25519\0"u8;

    /// <summary>
    /// Turns 32 random bytes into a private key as <c>wg genkey</c> makes it: a multiple of 8 with the highest bit but one set.
    /// The functions below clamp by themselves; this makes keys look the same to tools that compare them.
    /// </summary>
    public static void Clamp(Span<byte> privateKey)
    {
        RequireKey(privateKey, nameof(privateKey));
        privateKey[0] &= 0xf8;
        privateKey[31] = (byte)((privateKey[31] & 0x7f) | 0x40);
    }

    /// <summary>Writes the 32-byte public key that belongs to a private one.</summary>
    /// <exception cref="ArgumentException">A span is not 32 bytes long.</exception>
    public static void PublicKey(ReadOnlySpan<byte> privateKey, Span<byte> publicKey)
    {
        RequireKey(privateKey, nameof(privateKey));
        RequireKey(publicKey, nameof(publicKey));
        Libcrypto.EnsureLoaded();
        nuint length = KeyLength;
        fixed (byte* type = KeyType, secret = privateKey, destination = publicKey)
        {
            var own = Libcrypto.EVP_PKEY_new_raw_private_key_ex(0, type, null, secret, KeyLength);
            if (own == 0)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_PKEY_new_raw_private_key_ex));
            }

            var ok = Libcrypto.EVP_PKEY_get_raw_public_key(own, destination, &length) == 1;
            Libcrypto.EVP_PKEY_free(own);
            if (!ok)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_PKEY_get_raw_public_key));
            }
        }
    }

    /// <summary>Computes the 32-byte shared secret of our private and their public key.</summary>
    /// <returns>
    /// False, and <paramref name="shared"/> all zero, if the result would be all zero: their key is a point of low order, which would
    /// make a "secret" that everyone knows.
    /// </returns>
    /// <exception cref="ArgumentException">A span is not 32 bytes long.</exception>
    public static bool TryAgree(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        RequireKey(privateKey, nameof(privateKey));
        RequireKey(publicKey, nameof(publicKey));
        RequireKey(shared, nameof(shared));
        var own = LoadForAgreement(privateKey);
        nint peer = 0, context = 0;
        try
        {
            fixed (byte* type = KeyType, key = publicKey)
            {
                peer = Libcrypto.EVP_PKEY_new_raw_public_key_ex(0, type, null, key, KeyLength);
            }

            context = Libcrypto.EVP_PKEY_CTX_new_from_pkey(0, own, null);
            if (peer == 0 || context == 0 || Libcrypto.EVP_PKEY_derive_init(context) != 1
                || Libcrypto.EVP_PKEY_derive_set_peer_ex(context, peer, validate: 0) != 1)
            {
                throw Libcrypto.Failure(nameof(Libcrypto.EVP_PKEY_derive_init));
            }

            nuint length = KeyLength;
            fixed (byte* secret = shared)
            {
                // OpenSSL refuses an all-zero result; the second check keeps that promise whatever library version is loaded
                if (Libcrypto.EVP_PKEY_derive(context, secret, &length) == 1 && !IsZero(shared))
                {
                    return true;
                }
            }

            Libcrypto.ERR_clear_error();
            shared.Clear();
            return false;
        }
        finally
        {
            Libcrypto.EVP_PKEY_CTX_free(context);
            Libcrypto.EVP_PKEY_free(peer);
            Libcrypto.EVP_PKEY_free(own);
        }
    }

    /// <summary>
    /// A key that agreements can be made with. Given the private half alone, OpenSSL would compute the public one, which costs as much as
    /// the agreement itself and which an agreement never reads: hence a placeholder in its stead.
    /// </summary>
    private static nint LoadForAgreement(ReadOnlySpan<byte> privateKey)
    {
        Libcrypto.EnsureLoaded();
        var placeholder = stackalloc byte[KeyLength];
        new Span<byte>(placeholder, KeyLength).Clear();
        nint key = 0;
        fixed (byte* type = KeyType, secret = privateKey, privateName = "priv\0"u8, publicName = "pub\0"u8)
        {
            var parameters = stackalloc Libcrypto.Parameter[3];
            parameters[0] = Octets(privateName, secret);
            parameters[1] = Octets(publicName, placeholder);
            parameters[2] = default;
            var context = Libcrypto.EVP_PKEY_CTX_new_from_name(0, type, null);
            var ok = context != 0 && Libcrypto.EVP_PKEY_fromdata_init(context) == 1
                && Libcrypto.EVP_PKEY_fromdata(context, &key, Libcrypto.KeyPair, parameters) == 1;
            Libcrypto.EVP_PKEY_CTX_free(context);
            return ok ? key : throw Libcrypto.Failure(nameof(Libcrypto.EVP_PKEY_fromdata));
        }
    }

    private static Libcrypto.Parameter Octets(byte* name, byte* bytes) =>
        new() { Key = name, DataType = Libcrypto.Parameter.OctetString, Data = bytes, DataSize = KeyLength };

    private static bool IsZero(ReadOnlySpan<byte> bytes)
    {
        Span<byte> zeros = stackalloc byte[KeyLength];
        zeros.Clear();
        return CryptographicOperations.FixedTimeEquals(bytes, zeros);
    }

    private static void RequireKey(ReadOnlySpan<byte> span, string name)
    {
        if (span.Length != KeyLength)
        {
            throw new ArgumentException($"An X25519 key or secret is {KeyLength} bytes, not {span.Length}.", name);
        }
    }
}
