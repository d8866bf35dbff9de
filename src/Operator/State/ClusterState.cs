using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Engine.Routing;

namespace WgMesh.Operator.State;

/// <summary>
/// Everything that a plan is made from, at one moment and already parsed: what people want (mesh, nodes, peers, preshared
/// keys), what the agents announced, and the addresses given so far. The order of the lists has no meaning.
/// </summary>
internal sealed record ClusterState
{
    public static readonly ClusterState Empty = new();

    public MeshRecord Mesh { get; init; } = MeshRecord.Default;

    public ImmutableArray<NodeRecord> Nodes { get; init; } = [];

    /// <summary>Nodes on which no agent runs, and which so are none of the mesh's: their prefixes are the cluster's all the same.</summary>
    public ImmutableArray<NodeRecord> Outside { get; init; } = [];

    /// <summary>What people declared: external devices, and nodes whose key they pin by <see cref="PeerRecord.NodeName"/>.</summary>
    public ImmutableArray<PeerRecord> Peers { get; init; } = [];

    /// <summary>By node name.</summary>
    public ImmutableSortedDictionary<string, Announcement> Announcements { get; init; } =
        ImmutableSortedDictionary.Create<string, Announcement>(StringComparer.Ordinal);

    /// <summary>The values of the references in <see cref="Peers"/>, as far as they could be read.</summary>
    public ImmutableDictionary<SecretReference, SecretKey> PresharedKeys { get; init; } =
        ImmutableDictionary<SecretReference, SecretKey>.Empty;

    public AddressBook Addresses { get; init; } = AddressBook.Empty;

    /// <summary>By the name of an external peer with gateways: the node that the others reach it through, as it was last chosen.</summary>
    public ImmutableSortedDictionary<string, string> Gateways { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Declared peers that cannot be used, and why: they are there, and are refused.</summary>
    public ImmutableArray<UnusablePeer> Unusable { get; init; } = [];

    /// <summary>What could not be read, one sentence each; the last good state of it is in the other members.</summary>
    public ImmutableArray<string> Problems { get; init; } = [];
}

/// <summary>The settings of the mesh.</summary>
internal sealed record MeshRecord
{
    public static readonly MeshRecord Default = From(new WireGuardMeshSpec());

    public required ImmutableArray<Prefix> AddressPools { get; init; }

    public required ushort ListenPort { get; init; }

    /// <summary>Null: each node finds its own.</summary>
    public required int? Mtu { get; init; }

    /// <summary>Seconds; 0 is off.</summary>
    public required ushort PersistentKeepalive { get; init; }

    public required FailurePolicy FailurePolicy { get; init; }

    /// <summary>Whether everything of the mesh is to be taken off the nodes.</summary>
    public required bool Released { get; init; }

    public required ImmutableArray<Prefix> PodCidrs { get; init; }

    public required ImmutableArray<Prefix> ServiceCidrs { get; init; }

    /// <summary>The protocol version asked for; null: none.</summary>
    public ProtocolRecord? Protocol { get; init; }

    /// <summary>Grows with every change of the settings; 0: there are none.</summary>
    public long Generation { get; init; }

    /// <summary>From a spec that passed validation.</summary>
    public static MeshRecord From(WireGuardMeshSpec spec, long generation = 0) => new()
    {
        Protocol = spec.Protocol is { } protocol ? new ProtocolRecord((uint)protocol.Version, protocol.AtGeneration) : null,
        Generation = generation,
        AddressPools = Parsing.Prefixes(spec.AddressPools),
        ListenPort = (ushort)spec.ListenPort,
        Mtu = spec.Mtu,
        PersistentKeepalive = (ushort)spec.PersistentKeepalive,
        FailurePolicy = spec.FailurePolicy,
        Released = spec.Released,
        PodCidrs = Parsing.Prefixes(spec.PodCidrs),
        ServiceCidrs = Parsing.Prefixes(spec.ServiceCidrs),
    };
}

/// <summary>The protocol version that the mesh's links are to have.</summary>
/// <param name="Version">1 to <see cref="VersionSet.Greatest"/>.</param>
/// <param name="AtGeneration">The <see cref="MeshRecord.Generation"/> from which on; null: at once.</param>
internal sealed record ProtocolRecord(uint Version, long? AtGeneration = null);

/// <summary>A machine of the cluster.</summary>
internal sealed record NodeRecord
{
    public required string Name { get; init; }

    public required DateTimeOffset Created { get; init; }

    public ImmutableArray<Prefix> PodCidrs { get; init; } = [];

    public ImmutableSortedDictionary<string, string> Labels { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>All its addresses on the underlay, as prefixes of full length: never given to a peer.</summary>
    public ImmutableArray<Prefix> HostAddresses { get; init; } = [];

    /// <summary>Where other nodes reach the machine: its first InternalIP, else its first ExternalIP; null if it tells neither.</summary>
    public string? Address { get; init; }
}

/// <summary>A peer that people declared.</summary>
internal sealed record PeerRecord
{
    public required string Name { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>All zeros: none.</summary>
    public required PublicKey PublicKey { get; init; }

    public bool HasKey => PublicKey != default;

    /// <summary>"host:port", the host a name or an address (IPv6 in brackets); null if the peer calls first.</summary>
    public string? Endpoint { get; init; }

    public ImmutableArray<Prefix> AllowedIps { get; init; } = [];

    /// <summary>Seconds; null: the mesh's setting.</summary>
    public ushort? PersistentKeepalive { get; init; }

    public SecretReference? PresharedKey { get; init; }

    /// <summary>Labels of the nodes that admit the peer; null: all do.</summary>
    public ImmutableSortedDictionary<string, string>? GatewaySelector { get; init; }

    /// <summary>Grows with every change of the spec; 0: nobody counts.</summary>
    public long Generation { get; init; }

    /// <summary>The node whose key this pins; null for an external device.</summary>
    public string? NodeName { get; init; }

    /// <summary>What an external device speaks; of a node what counts unless its agent's announcement is known.</summary>
    public VersionSet Versions { get; init; } = VersionSet.One;
}

/// <summary>A declared peer that cannot be used, whatever else the cluster holds.</summary>
/// <param name="Problems">What is wrong and what would be right, each beginning with the field.</param>
internal sealed record UnusablePeer(string Name, DateTimeOffset Created, long Generation, ImmutableArray<string> Problems);

/// <summary>A key within a Secret.</summary>
internal readonly record struct SecretReference(string Namespace, string Name, string Key)
{
    public override string ToString() => $"key \"{Key}\" of Secret {Namespace}/{Name}";
}

/// <summary>What a node's agent said of itself.</summary>
/// <param name="PublicKey">The node's key.</param>
/// <param name="Endpoints">"address:port", best first.</param>
/// <param name="Since">When this node first announced a key: the age of its peer.</param>
internal sealed record Announcement(PublicKey PublicKey, ImmutableArray<string> Endpoints, DateTimeOffset Since)
{
    /// <summary>The protocol versions that the node speaks.</summary>
    public VersionSet Versions { get; init; } = VersionSet.One;

    /// <summary>Of the object that the announcement is kept in: grows with every change of its spec; 0: nobody counts.</summary>
    public long Generation { get; init; }

    public bool Equals(Announcement? other) =>
        other is not null && PublicKey == other.PublicKey && Since == other.Since && Versions == other.Versions && Generation == other.Generation
            && Endpoints.SequenceEqual(other.Endpoints, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(PublicKey, Since, Endpoints.Length);
}

/// <summary>The addresses given so far: those of nodes by node name, those of external peers by peer name. Full-length prefixes.</summary>
internal sealed record AddressBook(
    ImmutableSortedDictionary<string, ImmutableArray<Prefix>> Nodes,
    ImmutableSortedDictionary<string, ImmutableArray<Prefix>> Peers)
{
    private static readonly ImmutableSortedDictionary<string, ImmutableArray<Prefix>> None =
        ImmutableSortedDictionary.Create<string, ImmutableArray<Prefix>>(StringComparer.Ordinal);

    public static readonly AddressBook Empty = new(None, None);

    public bool Equals(AddressBook? other) => other is not null && Same(Nodes, other.Nodes) && Same(Peers, other.Peers);

    public override int GetHashCode() => HashCode.Combine(Nodes.Count, Peers.Count);

    private static bool Same(
        ImmutableSortedDictionary<string, ImmutableArray<Prefix>> left, ImmutableSortedDictionary<string, ImmutableArray<Prefix>> right) =>
        ReferenceEquals(left, right)
        || (left.Count == right.Count
            && left.All(entry => right.TryGetValue(entry.Key, out var addresses) && entry.Value.SequenceEqual(addresses)));
}
