using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Device;

/// <summary>A change of a device's configuration, with the meaning of the UAPI's <c>set=1</c>: what is null stays as it is.</summary>
public sealed record DeviceUpdate
{
    /// <summary>The device's private key; all zero removes it.</summary>
    public SecretKey? PrivateKey { get; init; }

    /// <summary>UDP port of both families; 0 picks one at random.</summary>
    public ushort? ListenPort { get; init; }

    /// <summary>Mark on outgoing datagrams; 0 for none.</summary>
    public uint? FirewallMark { get; init; }

    /// <summary>Peers not named in <see cref="Peers"/> are removed.</summary>
    public bool ReplacePeers { get; init; }

    /// <summary>Changes of single peers, carried out in order.</summary>
    public IReadOnlyList<PeerUpdate> Peers { get; init; } = [];
}

/// <summary>A change of one peer: it is created if there is none with this key, unless <see cref="UpdateOnly"/>.</summary>
public sealed record PeerUpdate
{
    /// <summary>Names the peer.</summary>
    public required PublicKey PublicKey { get; init; }

    /// <summary>What people call the peer, for metrics and logs; null keeps the name (at first: the public key in base64).</summary>
    public string? Name { get; init; }

    /// <summary>
    /// Whether the peer is among the first to have metric series of its own, where there are more peers than <see cref="DeviceOptions.PeerSeries"/>;
    /// null keeps it as it is (at first: not).
    /// </summary>
    public bool? MeasuredFirst { get; init; }

    /// <summary>Do nothing if there is no such peer.</summary>
    public bool UpdateOnly { get; init; }

    /// <summary>Remove the peer.</summary>
    public bool Remove { get; init; }

    /// <summary>Preshared key; all zero removes it.</summary>
    public SecretKey? PresharedKey { get; init; }

    /// <summary>Where the peer is; it may roam from there.</summary>
    public Endpoint? Endpoint { get; init; }

    /// <summary>Seconds between keepalives; 0 turns them off.</summary>
    public ushort? PersistentKeepalive { get; init; }

    /// <summary>Allowed IPs not named in <see cref="AllowedIps"/> are taken from the peer.</summary>
    public bool ReplaceAllowedIps { get; init; }

    /// <summary>
    /// Allowed IPs to give to the peer (whoever had them before) or to take away, in order. A device has at most
    /// <see cref="Protocol.Limits.AllowedIps"/>: an update that would leave more is refused.
    /// </summary>
    public IReadOnlyList<AllowedIpUpdate> AllowedIps { get; init; } = [];

    /// <summary>
    /// Start a handshake now if there is no session and the endpoint is known, rather than with the first packet: a peer that
    /// still has a session with this device's predecessor would go on sending under it, in vain, for 15 s.
    /// </summary>
    public bool Connect { get; init; }

    /// <summary>
    /// Protocol version to start handshakes with the peer in: one that the device speaks (<see cref="DeviceSnapshot.ProtocolVersions"/>), or the
    /// update is refused. A live session goes on until it is replaced.
    /// </summary>
    public uint? ProtocolVersion { get; init; }
}

/// <summary>Gives a prefix to a peer, or takes it away.</summary>
public readonly record struct AllowedIpUpdate(Prefix Prefix, bool Remove = false);
