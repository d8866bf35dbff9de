using System.Buffers.Binary;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// The receiver's half of section 5.4.7 of the paper: checks mac1 (is this meant for us at all?) and, under load, mac2
/// (does the sender own its address?), and makes the cookie that a sender needs for mac2.
/// </summary>
public sealed class CookieChecker : IDisposable
{
    private const int SecretLength = 32;

    private readonly RandomNumberGenerator _random;
    private readonly byte[] _mac1Key = new byte[32];
    private readonly byte[] _cookieKey = new byte[32];
    private readonly byte[] _secret = new byte[SecretLength];
    private readonly Lock _gate = new();
    private Instant _secretMade;
    private bool _hasSecret;

    /// <summary>Checks messages for the owner of this public key.</summary>
    public CookieChecker(PublicKey own, RandomNumberGenerator random)
    {
        _random = random;
        CookieKeys.Derive(own, _mac1Key, _cookieKey);
    }

    /// <summary>Whether mac1 of an initiation or a response is right.</summary>
    public bool HasValidMac1(ReadOnlySpan<byte> message)
    {
        Span<byte> mac = stackalloc byte[Messages.MacLength];
        var covered = message[..^(2 * Messages.MacLength)];
        Blake2s.Mac(_mac1Key, covered, mac);
        return CryptographicOperations.FixedTimeEquals(mac, message[covered.Length..][..Messages.MacLength]);
    }

    /// <summary>Whether mac2 was made with the cookie that this checker gave to that address and port.</summary>
    public bool HasValidMac2(ReadOnlySpan<byte> message, in Endpoint from, Instant now)
    {
        Span<byte> cookie = stackalloc byte[Messages.MacLength];
        Span<byte> mac = stackalloc byte[Messages.MacLength];
        if (!TryMakeCookie(from, now, renew: false, cookie))
        {
            return false;
        }

        Blake2s.Mac(cookie, message[..^Messages.MacLength], mac);
        return CryptographicOperations.FixedTimeEquals(mac, message[^Messages.MacLength..]);
    }

    /// <summary>Writes the cookie reply (64 bytes) to an initiation or response whose mac1 was valid.</summary>
    public void WriteReply(ReadOnlySpan<byte> message, in Endpoint from, Instant now, Span<byte> reply)
    {
        Span<byte> cookie = stackalloc byte[Messages.MacLength];
        TryMakeCookie(from, now, renew: true, cookie);
        BinaryPrimitives.WriteUInt32LittleEndian(reply, (uint)MessageType.CookieReply);
        BinaryPrimitives.WriteUInt32LittleEndian(reply[4..], Messages.Sender(message));
        var nonce = reply[8..32];
        _random.GetBytes(nonce);
        var mac1 = message[^(2 * Messages.MacLength)..^Messages.MacLength];
        XChaCha20Poly1305.Seal(_cookieKey, nonce, cookie, reply[32..Messages.CookieReplyLength], mac1);
    }

    /// <summary>Wipes the secret: cookies that were given out are worth nothing from now on.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            CryptographicOperations.ZeroMemory(_secret);
            _hasSecret = false;
        }
    }

    // cookie = MAC(secret, address || port): the secret changes every two minutes, and what it made is then worthless
    private bool TryMakeCookie(in Endpoint from, Instant now, bool renew, Span<byte> cookie)
    {
        Span<byte> origin = stackalloc byte[18];
        var length = from.IsIPv6 ? 16 : 4;
        if (from.IsIPv6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(origin, from.Address);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(origin, (uint)from.Address);
        }

        BinaryPrimitives.WriteUInt16BigEndian(origin[length..], from.Port);
        lock (_gate)
        {
            if (!_hasSecret || now - _secretMade >= Limits.CookieLifetime)
            {
                if (!renew)
                {
                    return false;
                }

                _random.GetBytes(_secret);
                _secretMade = now;
                _hasSecret = true;
            }

            Blake2s.Mac(_secret, origin[..(length + 2)], cookie);
        }

        return true;
    }
}

/// <summary>The keys that both halves derive from the receiver's public key.</summary>
internal static class CookieKeys
{
    public static void Derive(PublicKey receiver, Span<byte> mac1Key, Span<byte> cookieKey)
    {
        Span<byte> key = stackalloc byte[PublicKey.Length];
        receiver.CopyTo(key);
        Blake2s.Hash("mac1----"u8, key, mac1Key);
        Blake2s.Hash("cookie--"u8, key, cookieKey);
    }
}
