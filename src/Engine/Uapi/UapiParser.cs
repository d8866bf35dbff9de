using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Uapi;

/// <summary>What became of the body of a <c>set=1</c>.</summary>
/// <param name="Update">The change as a whole; null if a line was wrong.</param>
/// <param name="Error">Names the line and what would be right; null if nothing is wrong. Repeats no value, so no secret either.</param>
internal readonly record struct UapiParseResult(DeviceUpdate? Update, DeviceError? Error);

/// <summary>
/// Parses the body of one <c>set=1</c>, line by line (https://www.wireguard.com/xplatform/, "Configuration Protocol"). The first wrong
/// line decides: lines after it are passed over, so that the caller can read to the end of the request, and nothing comes out but the error.
/// </summary>
internal sealed class UapiParser : IDisposable
{
    private static readonly SearchValues<byte> PrefixCharacters = SearchValues.Create("0123456789abcdefABCDEF.:/"u8);
    private static readonly SearchValues<byte> KeyCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_"u8); // no digits: no secret

    /// <summary>EPROTO: not the protocol at all. <see cref="DeviceError.InvalidArgument"/> is an unknown key or a value that does not fit.</summary>
    public const int ProtocolError = 71;

    private const int LongestKey = 32; // persistent_keepalive_interval has 29

    private readonly List<PeerUpdate> _peers = [];
    private DeviceUpdate _device = new();
    private PeerUpdate? _peer; // the one that peer lines belong to, not yet in the list
    private List<AllowedIpUpdate> _allowedIps = [];
    private int _lineNumber;
    private DeviceError? _error;
    private bool _handedOver;

    /// <summary>Parses a whole body, up to its first empty line or its end.</summary>
    public static UapiParseResult Parse(ReadOnlySpan<byte> body)
    {
        using var parser = new UapiParser();
        foreach (var range in body.Split((byte)'\n'))
        {
            var line = body[range];
            if (line.IsEmpty)
            {
                break;
            }

            parser.AddLine(line);
        }

        return parser.Finish();
    }

    /// <summary>Takes the next line, without its line feed.</summary>
    public void AddLine(ReadOnlySpan<byte> line)
    {
        _lineNumber++;
        if (_error is not null)
        {
            return;
        }

        var separator = line.IndexOf((byte)'=');
        if (separator < 0)
        {
            Fail(ProtocolError, "not of the form key=value");
            return;
        }

        Span<char> key = stackalloc char[LongestKey];
        if (separator is 0 or > LongestKey || line[..separator].ContainsAnyExcept(KeyCharacters))
        {
            // not to be repeated in the reason: it may be a misplaced secret
            Fail("unknown key");
            return;
        }

        key = key[..Encoding.ASCII.GetChars(line[..separator], key)];
        var value = line[(separator + 1)..];
        if (key is "public_key")
        {
            StartPeer(value);
        }
        else if (_peer is null)
        {
            AddDeviceLine(key, value);
        }
        else
        {
            AddPeerLine(_peer, key, value);
        }
    }

    /// <summary>The result of all lines. To be called once, after the last.</summary>
    public UapiParseResult Finish()
    {
        if (_error is not null)
        {
            return new UapiParseResult(null, _error);
        }

        EndPeer();
        _handedOver = true;
        return new UapiParseResult(_device with { Peers = _peers }, null);
    }

    /// <summary>Wipes the keys, unless the update that <see cref="Finish"/> gave away holds them.</summary>
    public void Dispose()
    {
        if (_handedOver)
        {
            return;
        }

        _device.PrivateKey?.Dispose();
        _peers.ForEach(peer => peer.PresharedKey?.Dispose());
        _peer?.PresharedKey?.Dispose();
    }

    private void AddDeviceLine(ReadOnlySpan<char> key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case "private_key":
                if (ReadSecret(value, "private_key") is { } secret)
                {
                    _device.PrivateKey?.Dispose();
                    _device = _device with { PrivateKey = secret };
                }

                break;
            case "listen_port" when ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port):
                _device = _device with { ListenPort = port };
                break;
            case "listen_port":
                Fail("listen_port has to be a number from 0 to 65535");
                break;
            case "fwmark" when uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var mark):
                _device = _device with { FirewallMark = mark };
                break;
            case "fwmark":
                Fail("fwmark has to be a decimal number of 32 bits, 0 for none");
                break;
            case "replace_peers" when value.SequenceEqual("true"u8):
                _device = _device with { ReplacePeers = true };
                break;
            case "replace_peers":
                FailFlag(key);
                break;
            case "allowed_ip" or "replace_allowed_ips" or "update_only" or "remove" or "preshared_key" or "endpoint"
                or "persistent_keepalive_interval" or "protocol_version":
                Fail($"{key} has to come after the public_key of a peer");
                break;
            default:
                Fail($"{key} is not a key that can be set");
                break;
        }
    }

    private void AddPeerLine(PeerUpdate peer, ReadOnlySpan<char> key, ReadOnlySpan<byte> value)
    {
        var isTrue = value.SequenceEqual("true"u8);
        switch (key)
        {
            case "allowed_ip":
                AddAllowedIp(value);
                break;
            case "replace_allowed_ips" when isTrue:
                _peer = peer with { ReplaceAllowedIps = true };
                break;
            case "update_only" when isTrue:
                _peer = peer with { UpdateOnly = true };
                break;
            case "remove" when isTrue:
                _peer = peer with { Remove = true };
                break;
            case "replace_allowed_ips" or "update_only" or "remove":
                FailFlag(key);
                break;
            case "preshared_key":
                if (ReadSecret(value, "preshared_key") is { } secret)
                {
                    peer.PresharedKey?.Dispose();
                    _peer = peer with { PresharedKey = secret };
                }

                break;
            case "endpoint" when !HasOctal(value) && Endpoint.TryParse(Encoding.ASCII.GetString(value), out var endpoint):
                _peer = peer with { Endpoint = endpoint };
                break;
            case "endpoint":
                Fail("endpoint has to be address:port, such as 192.0.2.1:51820 or [2001:db8::1]:51820");
                break;
            case "persistent_keepalive_interval"
                when ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds):
                _peer = peer with { PersistentKeepalive = seconds };
                break;
            case "persistent_keepalive_interval":
                Fail("persistent_keepalive_interval has to be a number of seconds from 0 to 65535");
                break;
            case "protocol_version" when uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version != 0:
                _peer = peer with { ProtocolVersion = version }; // whether it is spoken here is for the device to say
                break;
            case "protocol_version":
                Fail("protocol_version has to be a number from 1 on, such as 1");
                break;
            case "private_key" or "listen_port" or "fwmark" or "replace_peers":
                Fail($"{key} has to come before the first public_key");
                break;
            default:
                Fail($"{key} is not a key that can be set");
                break;
        }
    }

    private void StartPeer(ReadOnlySpan<byte> value)
    {
        Span<byte> bytes = stackalloc byte[PublicKey.Length];
        if (!ReadHex(value, bytes))
        {
            Fail("public_key has to be 64 hexadecimal digits");
            return;
        }

        EndPeer();
        _peer = new PeerUpdate { PublicKey = new PublicKey(bytes) };
    }

    private void EndPeer()
    {
        if (_peer is not null)
        {
            _peers.Add(_allowedIps.Count == 0 ? _peer : _peer with { AllowedIps = _allowedIps });
            _allowedIps = [];
        }
    }

    private void AddAllowedIp(ReadOnlySpan<byte> value)
    {
        var remove = value.StartsWith((byte)'-');
        var text = remove ? value[1..] : value;
        // the framework also reads octal, scopes and brackets, which nobody means here
        if (!text.ContainsAnyExcept(PrefixCharacters) && !HasOctal(text) && Prefix.TryParse(Encoding.ASCII.GetString(text), out var prefix))
        {
            _allowedIps.Add(new AllowedIpUpdate(prefix, remove));
        }
        else
        {
            Fail("allowed_ip has to be a prefix, such as 192.0.2.0/24 or 2001:db8::/32, after a minus sign to take it away");
        }
    }

    private SecretKey? ReadSecret(ReadOnlySpan<byte> value, string key)
    {
        Span<byte> bytes = stackalloc byte[SecretKey.Length];
        var secret = ReadHex(value, bytes) ? new SecretKey(bytes) : null;
        CryptographicOperations.ZeroMemory(bytes);
        if (secret is null)
        {
            Fail($"{key} has to be 64 hexadecimal digits");
        }

        return secret;
    }

    private void FailFlag(ReadOnlySpan<char> key) => Fail($"{key} has to be \"true\" or absent");

    private void Fail(string problem) => Fail(DeviceError.InvalidArgument, problem);

    private void Fail(int errno, string problem) =>
        _error = new DeviceError(errno, string.Create(CultureInfo.InvariantCulture, $"Line {_lineNumber}: {problem}."));

    private static bool ReadHex(ReadOnlySpan<byte> hex, Span<byte> bytes) =>
        hex.Length == 2 * bytes.Length && Convert.FromHexString(hex, bytes, out _, out _) == OperationStatus.Done;

    /// <summary>Whether a dotted address has a leading zero, which some take for octal and some do not.</summary>
    private static bool HasOctal(ReadOnlySpan<byte> text)
    {
        if (text.Contains((byte)'.'))
        {
            for (var i = 0; i + 1 < text.Length; i++)
            {
                if (text[i] == '0' && char.IsAsciiDigit((char)text[i + 1]) && (i == 0 || text[i - 1] == '.'))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
