using System.Collections.Immutable;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Device;

/// <summary>A device's configuration and statistics at one moment. Holds copies of the keys, which <see cref="Dispose"/> wipes.</summary>
public sealed record DeviceSnapshot : IDisposable
{
    /// <summary>Name of the interface.</summary>
    public required string Name { get; init; }

    /// <summary>Null while none is set.</summary>
    public SecretKey? PrivateKey { get; init; }

    /// <summary>Null while no private key is set.</summary>
    public PublicKey? PublicKey { get; init; }

    /// <summary>The UDP port in use.</summary>
    public required ushort ListenPort { get; init; }

    /// <summary>0 for none.</summary>
    public required uint FirewallMark { get; init; }

    /// <summary>MTU of the TUN in bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>The protocol versions that the device speaks, ascending.</summary>
    public ImmutableArray<uint> ProtocolVersions { get; init; } = [ProtocolVersion.One.Number];

    /// <summary>In the order they were added.</summary>
    public required ImmutableArray<PeerSnapshot> Peers { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        PrivateKey?.Dispose();
        foreach (var peer in Peers)
        {
            peer.PresharedKey?.Dispose();
        }
    }
}

/// <summary>A peer's configuration and statistics at one moment.</summary>
public sealed record PeerSnapshot
{
    /// <summary>Names the peer on the wire.</summary>
    public required PublicKey PublicKey { get; init; }

    /// <summary>Names the peer to people.</summary>
    public required string Name { get; init; }

    /// <inheritdoc cref="PeerUpdate.MeasuredFirst"/>
    public bool MeasuredFirst { get; init; }

    /// <summary>Null for none.</summary>
    public SecretKey? PresharedKey { get; init; }

    /// <summary><c>default</c> while unknown.</summary>
    public required Endpoint Endpoint { get; init; }

    /// <summary>Seconds; 0 is off.</summary>
    public required ushort PersistentKeepalive { get; init; }

    /// <summary>In address order, IPv4 first.</summary>
    public required ImmutableArray<Prefix> AllowedIps { get; init; }

    /// <summary>When the newest session was made, as wall-clock time; null: never.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes of UDP payload received from and sent to the peer, all message types, as <c>wg show</c> has them.</summary>
    public required ulong ReceivedBytes { get; init; }

    /// <inheritdoc cref="ReceivedBytes"/>
    public required ulong SentBytes { get; init; }

    /// <summary>Inner packets accepted from the peer (keepalives not counted).</summary>
    public required ulong ReceivedPackets { get; init; }

    /// <summary>Inner packets sent to the peer (keepalives not counted).</summary>
    public required ulong SentPackets { get; init; }

    /// <summary>The protocol version that handshakes with the peer are started in.</summary>
    public required uint ProtocolVersion { get; init; }

    /// <summary>The protocol version of the session in use; null: there is none. Another than <see cref="ProtocolVersion"/> while the link moves.</summary>
    public uint? SessionVersion { get; init; }

    /// <summary>Whether there is a session that packets can be sent under now.</summary>
    public bool HasLiveSession { get; init; }

    /// <summary>Initiations sent since the peer was last heard under a session; from 2 on it does not answer.</summary>
    public int UnansweredInitiations { get; init; }

    /// <summary>How the link is.</summary>
    public PeerLink Link => PeerLinks.Of(HasLiveSession, UnansweredInitiations);

    /// <summary>One of a core's peers at this moment.</summary>
    internal static PeerSnapshot Of(Peer peer, ProtocolCore core) => new()
    {
        PublicKey = peer.PublicKey,
        Name = peer.Name,
        MeasuredFirst = peer.MeasuredFirst,
        PresharedKey = peer.PresharedKey,
        Endpoint = peer.Endpoint,
        PersistentKeepalive = peer.PersistentKeepalive,
        AllowedIps = core.AllowedIps.List(peer),
        LastHandshake = peer.LastHandshake,
        ReceivedBytes = (ulong)peer.Counters.ReceivedBytes,
        SentBytes = (ulong)peer.Counters.SentBytes,
        ReceivedPackets = (ulong)peer.Counters.ReceivedPackets,
        SentPackets = (ulong)peer.Counters.SentPackets,
        ProtocolVersion = peer.Version.Number,
        SessionVersion = peer.Current?.Version.Number,
        HasLiveSession = peer.HasLiveSession(Instant.Now(core.Time)),
        UnansweredInitiations = peer.UnansweredInitiations,
    };
}
