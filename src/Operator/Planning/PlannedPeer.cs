using System.Collections.Immutable;
using Google.Protobuf;
using WgMesh.Engine;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>
/// A peer as some of the nodes have it. One object from plan to plan as long as nothing about it changes, so that plans are compared
/// by reference.
/// </summary>
internal sealed class PlannedPeer
{
    private readonly string _name;
    private readonly PeerKind _kind;
    private readonly PublicKey _key;
    private readonly ByteString _keyBytes, _presharedKey;
    private readonly string _endpoint;
    private readonly uint _keepalive;
    private readonly PrefixTexts _allowedIps;
    private ImmutableArray<PeerConfig> _configs = []; // one for each version that some node has it in: hardly ever two

    private PlannedPeer(Member member, string endpoint, uint keepalive, PrefixTexts allowedIps)
    {
        (_name, _kind, _key, _endpoint, _keepalive, _allowedIps) =
            (member.Name, member.Kind, member.PublicKey!.Value, endpoint, keepalive, allowedIps);
        _keyBytes = ByteString.CopyFrom(_key.ToArray());
        _presharedKey = member.PresharedKey is { } secret ? ByteString.CopyFrom(secret.Bytes) : ByteString.Empty;
    }

    /// <summary>The same object as <paramref name="earlier"/> if that says the same.</summary>
    public static PlannedPeer Of(Member member, string endpoint, uint keepalive, PrefixTexts allowedIps, PlannedPeer? earlier) =>
        earlier is not null && ReferenceEquals(earlier._allowedIps, allowedIps)
        && earlier._name == member.Name && earlier._kind == member.Kind && earlier._key == member.PublicKey!.Value
        && earlier._endpoint == endpoint && earlier._keepalive == keepalive
        && earlier._presharedKey.Span.SequenceEqual(member.PresharedKey is { } secret ? secret.Bytes : [])
            ? earlier
            : new PlannedPeer(member, endpoint, keepalive, allowedIps);

    public PrefixTexts AllowedIps => _allowedIps;

    /// <summary>The message for nodes that start handshakes with it in this version.</summary>
    public PeerConfig In(uint version)
    {
        foreach (var config in _configs)
        {
            if (config.ProtocolVersion == version)
                return config;
        }

        var made = new PeerConfig
        {
            Name = _name,
            Kind = _kind,
            PublicKey = _keyBytes,
            Endpoint = _endpoint,
            PersistentKeepalive = _keepalive,
            PresharedKey = _presharedKey,
            ProtocolVersion = version,
        };
        made.AllowedIps.AddRange(_allowedIps.Texts);
        _configs = _configs.Add(made);
        return made;
    }
}
