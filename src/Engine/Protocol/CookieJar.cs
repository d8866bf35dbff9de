using System.Security.Cryptography;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// The sender's half of section 5.4.7 of the paper: writes mac1 and, while it holds a cookie, mac2; takes cookies from
/// cookie replies. One per peer, under the peer's lock.
/// </summary>
internal sealed class CookieJar : IDisposable
{
    private readonly byte[] _mac1Key = new byte[32];
    private readonly byte[] _cookieKey = new byte[32];
    private readonly byte[] _cookie = new byte[Messages.MacLength];
    private readonly byte[] _lastMac1 = new byte[Messages.MacLength];
    private Instant _expires;
    private bool _hasCookie;
    private bool _hasMac1;

    public CookieJar(PublicKey receiver) => CookieKeys.Derive(receiver, _mac1Key, _cookieKey);

    /// <summary>Fills the last 32 bytes of an initiation or a response.</summary>
    public void WriteMacs(Span<byte> message, Instant now)
    {
        var mac1 = message[^(2 * Messages.MacLength)..^Messages.MacLength];
        Blake2s.Mac(_mac1Key, message[..^(2 * Messages.MacLength)], mac1);
        mac1.CopyTo(_lastMac1);
        _hasMac1 = true;

        var mac2 = message[^Messages.MacLength..];
        if (_hasCookie && now < _expires)
        {
            Blake2s.Mac(_cookie, message[..^Messages.MacLength], mac2);
        }
        else
        {
            _hasCookie = false;
            mac2.Clear();
        }
    }

    /// <summary>Takes the cookie out of a reply.</summary>
    /// <returns>False if it does not answer the last message that was sent, or is not authentic.</returns>
    public bool TryAccept(ReadOnlySpan<byte> reply, Instant now)
    {
        if (!_hasMac1)
        {
            return false;
        }

        Span<byte> cookie = stackalloc byte[Messages.MacLength];
        if (!XChaCha20Poly1305.TryOpen(_cookieKey, reply[8..32], reply[32..Messages.CookieReplyLength], cookie, _lastMac1))
        {
            return false;
        }

        cookie.CopyTo(_cookie);
        _expires = now + (Limits.CookieLifetime - Limits.CookieLatency);
        _hasCookie = true;
        _hasMac1 = false; // one reply per message: a replayed one changes nothing
        return true;
    }

    /// <summary>Wipes the cookie.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_cookie);
        _hasCookie = _hasMac1 = false;
    }
}
