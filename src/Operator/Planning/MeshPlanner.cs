using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>Who holds a prefix that is not to be given away.</summary>
/// <param name="What">For people, e.g. "a pod CIDR of Node a".</param>
/// <param name="Node">The node that holds it; null if the mesh does.</param>
internal sealed record Holder(string What, string? Node = null);

/// <summary>
/// Makes the plan for a cluster: pure, and the same for the same state in whatever order its parts come.
/// <list type="number">
/// <item>A public key belongs to one peer: a node's before an external device's, else the older object's.</item>
/// <item>Service CIDRs, pod CIDRs and the mesh addresses of nodes are never given to anyone else, not even in part.</item>
/// <item>Otherwise the older object has a prefix that two ask for; those of different length may overlap: the most specific wins.</item>
/// <item>An address once given stays.</item>
/// <item>The protocol version of a link follows from its two ends: <see cref="LinkVersions"/>.</item>
/// <item>What is refused affects nobody else.</item>
/// </list>
/// </summary>
internal sealed class MeshPlanner
{
    private readonly ClusterState _cluster;
    private readonly List<Member> _nodes = [];     // older first
    private readonly List<Member> _external = [];  // older first
    private readonly List<string> _conflicts = [];
    private readonly PrefixTable<Holder> _reserved = new();
    private readonly PrefixTable<Member> _granted = new();
    private readonly PrefixTable<string> _claims = new();
    private readonly AddressAllocator _allocator;

    private MeshPlanner(ClusterState cluster)
    {
        _cluster = cluster;
        _allocator = new AddressAllocator(cluster.Mesh.AddressPools, _reserved);
    }

    /// <summary>Makes the plan.</summary>
    public static MeshPlan Plan(ClusterState cluster)
    {
        var planner = new MeshPlanner(cluster);
        planner.AdmitNodes();
        planner.AdmitDeclaredPeers();
        planner.RefuseSharedKeys();
        planner.ReserveClusterPrefixes();
        planner.AddressNodes();
        planner.CheckClaims();
        planner.AddressExternalPeers();
        planner.GrantClaims();
        return planner.Build();
    }

    private void AdmitNodes()
    {
        foreach (var node in _cluster.Nodes.OrderBy(node => node.Created).ThenBy(node => node.Name, StringComparer.Ordinal))
        {
            var announcement = _cluster.Announcements.GetValueOrDefault(node.Name);
            _nodes.Add(new Member(node.Name, PeerKind.Node)
            {
                Node = node,
                Announcement = announcement,
                PublicKey = announcement?.PublicKey,
                KeySince = announcement?.Since ?? DateTimeOffset.MaxValue,
            });
        }
    }

    private void AdmitDeclaredPeers()
    {
        var nodes = _nodes.ToDictionary(node => node.Name, StringComparer.Ordinal);
        foreach (var peer in _cluster.Peers.OrderBy(peer => peer.Created).ThenBy(peer => peer.Name, StringComparer.Ordinal))
        {
            var external = new Member(peer.Name, PeerKind.External) { Peer = peer, PublicKey = peer.PublicKey, KeySince = peer.Created };
            if (peer.NodeName != peer.Name && nodes.ContainsKey(peer.Name))
            {
                Refuse(external,
                    $"metadata.name: the peer of Node {peer.Name} has this name; choose another, or set spec.nodeName to pin its key");
            }
            else if (peer.NodeName is { } name)
            {
                if (!nodes.TryGetValue(name, out var node))
                    Refuse(external, $"spec.nodeName: there is no Node {name}");
                else if (node.Peer is { } pin)
                    Refuse(external,
                        $"spec.nodeName: the key of Node {name} is pinned by WireGuardPeer {pin.Name} already, which is older");
                else if (peer.PresharedKey is not null)
                    Refuse(external,
                        "spec.presharedKeySecretRef: a node's peer has none: a preshared key belongs to one pair of peers; remove it");
                else
                {
                    (node.Peer, node.Name, node.PublicKey, node.KeySince) = (peer, peer.Name, peer.PublicKey, peer.Created);
                    continue;
                }
            }
            else if (peer.PresharedKey is { } reference)
            {
                // without it the link would work, but weaker than was asked for
                if (_cluster.PresharedKeys.TryGetValue(reference, out var secret))
                    external.PresharedKey = secret;
                else
                    Refuse(external, $"spec.presharedKeySecretRef: there is no preshared key (32 bytes in base64) in {reference}");
            }

            _external.Add(external);
        }
    }

    private void RefuseSharedKeys()
    {
        var owners = new Dictionary<PublicKey, Member>();
        var nodes = _nodes.OrderBy(node => node.KeySince).ThenBy(node => node.Name, StringComparer.Ordinal);
        foreach (var member in nodes.Concat(_external))
        {
            if (member.IsRefused || member.PublicKey is not { } key || owners.TryAdd(key, member))
                continue;

            var owner = owners[key];
            var why = owner.Kind == member.Kind ? ", which is older" : "";
            Refuse(member, $"spec.publicKey: {key} belongs to {owner.Title} already{why}; every peer needs a key of its own");
            _conflicts.Add($"{member.Title} is refused: its public key {key} belongs to {owner.Title}{why}.");
        }
    }

    private void ReserveClusterPrefixes()
    {
        foreach (var prefix in _cluster.Mesh.ServiceCidrs)
            _reserved.TryAdd(prefix, new Holder("a service CIDR of the mesh"));

        var refused = new List<(Prefix, Holder)>();
        foreach (var node in _nodes)
        {
            var holder = new Holder($"a pod CIDR of Node {node.Node!.Name}", node.Node.Name);
            foreach (var prefix in node.Node.PodCidrs)
            {
                if (_reserved.TryFindOverlap(prefix, out var held, out var other))
                {
                    Lose(node, $"pod CIDR {prefix}", held, other);
                    refused.Add((prefix, holder));
                }
                else
                {
                    node.AllowedIps.Add(prefix);
                }
            }

            foreach (var prefix in node.AllowedIps)
                _reserved.TryAdd(prefix, holder);
        }

        // its pods have those addresses all the same: no other node loses by it, but no external peer gets them
        foreach (var (prefix, holder) in refused)
            _reserved.TryAdd(prefix, holder);

        // after the nodes' own, which lie within
        foreach (var prefix in _cluster.Mesh.PodCidrs)
            _reserved.TryAdd(prefix, new Holder("a pod CIDR of the mesh"));

        foreach (var pool in _cluster.Mesh.AddressPools.Order(PrefixOrder.Instance))
        {
            if (_reserved.TryFindOverlap(pool, out var held, out var holder))
                _conflicts.Add($"WireGuardMesh default: address pool {pool} overlaps {held}, {holder.What}: no address comes from there.");
        }
    }

    private void AddressNodes()
    {
        foreach (var member in _nodes)
            KeepAddresses(member, _cluster.Addresses.Nodes.GetValueOrDefault(member.Node!.Name, []));

        foreach (var member in _external)
            KeepAddresses(member, _cluster.Addresses.Peers.GetValueOrDefault(member.Name, []));

        // a node stays clear of what people wrote into peers, as long as there is room elsewhere
        foreach (var member in _external.Where(member => !member.IsRefused))
        {
            foreach (var prefix in member.Peer!.AllowedIps)
                _claims.TryAdd(prefix, member.Name);
        }

        foreach (var member in _nodes)
        {
            GiveAddresses(member, isIPv6 => _allocator.Give(isIPv6, _claims) ?? _allocator.Give(isIPv6, null));
            foreach (var address in member.Addresses)
                _reserved.TryAdd(address, new Holder($"the mesh address of Node {member.Node!.Name}", member.Node.Name));

            member.AllowedIps.AddRange(member.Addresses);
        }
    }

    private void KeepAddresses(Member member, ImmutableArray<Prefix> addresses)
    {
        foreach (var address in addresses)
        {
            if (!_allocator.TryKeep(address))
            {
                member.Lose($"address {address} was given twice; it gets another");
                continue;
            }

            member.Addresses.Add(address);
            if (!_allocator.IsInPool(address))
                _conflicts.Add($"{member.Title} keeps its address {address}, which lies in no address pool any more.");
        }
    }

    private void GiveAddresses(Member member, Func<bool, Prefix?> give)
    {
        foreach (var isIPv6 in (ReadOnlySpan<bool>)[false, true])
        {
            if (!_allocator.Serves(isIPv6) || member.Addresses.Any(address => address.IsIPv6 == isIPv6))
                continue;

            if (give(isIPv6) is { } address)
            {
                member.Addresses.Add(address);
            }
            else
            {
                var family = isIPv6 ? "IPv6" : "IPv4";
                var pools = string.Join(" and ", _cluster.Mesh.AddressPools.Where(pool => pool.IsIPv6 == isIPv6));
                member.Lose($"there is no free {family} address left in {pools}: widen spec.addressPools of WireGuardMesh default");
            }
        }
    }

    /// <summary>Takes away what overlaps the cluster's own prefixes; what two external peers ask for is decided later.</summary>
    private void CheckClaims()
    {
        foreach (var member in _nodes.Concat(_external).Where(member => !member.IsRefused && member.Peer is not null))
        {
            foreach (var prefix in member.Peer!.AllowedIps)
            {
                if (!_reserved.TryFindOverlap(prefix, out var held, out var holder))
                    member.Claims.Add(prefix);
                else if (member.Node is null || !member.AllowedIps.Any(own => own.Overlaps(prefix) && own.Length <= prefix.Length))
                    Lose(member, $"allowed IP {prefix}", held, holder);
            }
        }
    }

    private void AddressExternalPeers()
    {
        var claims = new PrefixTable<string>();
        foreach (var member in _nodes.Concat(_external))
        {
            foreach (var prefix in member.Claims)
                claims.TryAdd(prefix, member.Name);
        }

        foreach (var member in _external)
        {
            if (!member.IsRefused && member.Peer!.AllowedIps.IsEmpty)
                GiveAddresses(member, isIPv6 => _allocator.Give(isIPv6, claims));

            foreach (var address in member.Addresses)
                _granted.TryAdd(address, member);

            if (!member.IsRefused && member.Peer!.AllowedIps.IsEmpty)
                member.AllowedIps.AddRange(member.Addresses);
        }
    }

    private void GrantClaims()
    {
        foreach (var member in _nodes.Concat(_external))
        {
            foreach (var prefix in member.Claims)
            {
                if (_granted.TryAdd(prefix, member) || (_granted.TryGetOwner(prefix, out var owner) && owner == member))
                {
                    member.AllowedIps.Add(prefix);
                    continue;
                }

                var why = owner!.Addresses.Contains(prefix) ? "was given to"
                    : owner.Kind == member.Kind ? "belongs to the older"
                    : "belongs to";
                member.Lose($"allowed IP {prefix} {why} {owner.Title}");
                _conflicts.Add($"{member.Title} does not get allowed IP {prefix}: it {why} {owner.Title}.");
            }
        }
    }

    private MeshPlan Build()
    {
        var members = _nodes.Concat(_external)
            .OrderBy(member => member.Name, StringComparer.Ordinal).ThenBy(member => member.Kind).ToList();
        foreach (var member in members)
            member.AllowedIps.Sort(PrefixOrder.Instance);

        var served = members.Where(member => member.IsServed).ToList();
        var links = new LinkVersions(_cluster.Mesh, [.. served.Where(member => member.Node is not null).Select(member => member.Versions)]);
        _conflicts.AddRange(links.Conflicts([.. served.Select(member => (member.Title, member.Node is not null, member.Versions))]));

        var meshCidrs = Texts(Prefixes.Minimize(
            _cluster.Mesh.PodCidrs
                .Concat(_cluster.Mesh.AddressPools)
                .Concat(_cluster.Nodes.SelectMany(node => node.PodCidrs))
                .Concat(members.SelectMany(member => member.Addresses))));

        return new MeshPlan
        {
            PeersFor = PeersFor(served, links),
            Protocol = links.Progress,
            Nodes = _nodes.ToImmutableSortedDictionary(
                member => member.Node!.Name, member => PlanOf(member, meshCidrs), StringComparer.Ordinal),
            Outcomes = [.. members.Select(OutcomeOf)],
            Conflicts = [.. _conflicts.Order(StringComparer.Ordinal)],
            Addresses = new AddressBook(
                BookOf(_nodes, member => member.Node!.Name),
                BookOf(_external, member => member.Name)),
        };
    }

    private ImmutableDictionary<VersionSet, ImmutableArray<PeerConfig>> PeersFor(List<Member> served, LinkVersions links)
    {
        var configs = new Dictionary<(Member, uint), PeerConfig>();
        return _nodes.Select(node => node.Versions).Append(VersionSet.One).Distinct().ToImmutableDictionary(
            own => own, own => served.Select(member => Config(member, links.Of(own, member.Versions))).ToImmutableArray());

        PeerConfig Config(Member member, uint version) =>
            configs.TryGetValue((member, version), out var config) ? config : configs[(member, version)] = ConfigOf(member, version);
    }

    private PeerConfig ConfigOf(Member member, uint version)
    {
        var config = new PeerConfig
        {
            Name = member.Name,
            Kind = member.Kind,
            PublicKey = ByteString.CopyFrom(member.PublicKey!.Value.ToArray()),
            Endpoint = member.Peer?.Endpoint ?? (member.Node is null ? "" : EndpointOf(member)),
            PersistentKeepalive = member.Peer?.PersistentKeepalive ?? _cluster.Mesh.PersistentKeepalive,
            PresharedKey = member.PresharedKey is { } secret ? ByteString.CopyFrom(secret.Bytes) : ByteString.Empty,
            ProtocolVersion = version,
        };
        config.AllowedIps.AddRange(Texts(member.AllowedIps));
        return config;
    }

    /// <summary>What the agent was told to announce, because people know better there; else the address that the cluster has for the node.</summary>
    private string EndpointOf(Member member)
    {
        if (member.Announcement?.Endpoints is [var announced, ..])
            return announced;
        if (member.Node!.Address is not { } address)
            return "";

        var port = _cluster.Mesh.ListenPort;
        return address.Contains(':', StringComparison.Ordinal) ? $"[{address}]:{port}" : $"{address}:{port}";
    }

    private NodePlan PlanOf(Member member, ImmutableArray<string> meshCidrs)
    {
        var settings = new NodeSettings
        {
            Node = member.Node!.Name,
            ListenPort = _cluster.Mesh.ListenPort,
            Mtu = (uint)(_cluster.Mesh.Mtu ?? 0),
            FailurePolicy = _cluster.Mesh.FailurePolicy == Crds.FailurePolicy.Open ? FailurePolicy.Open : FailurePolicy.Closed,
        };
        settings.Addresses.AddRange(Texts(member.Addresses));
        settings.PodCidrs.AddRange(Texts(member.Node.PodCidrs.Where(member.AllowedIps.Contains)));
        settings.MeshCidrs.AddRange(meshCidrs);
        return new NodePlan(settings, member.Name, member.PublicKey, member.Peer?.Name, member.IsServed, member.Versions);
    }

    private static PeerOutcome OutcomeOf(Member member) => new()
    {
        Name = member.Name,
        Kind = member.Kind,
        Node = member.Node?.Name,
        Admission = member.IsRefused ? PeerAdmission.Refused
            : member.PublicKey is null ? PeerAdmission.Waiting
            : member.Messages.Count > 0 ? PeerAdmission.PartlyAccepted
            : PeerAdmission.Accepted,
        Addresses = Texts(member.Node is not null || member.Peer!.AllowedIps.IsEmpty
            ? member.Addresses
            : member.AllowedIps.Where(prefix => prefix.Length == prefix.Bits)),
        AllowedIps = member.IsRefused ? [] : Texts(member.AllowedIps),
        Messages = [.. member.Messages],
        Versions = member.PublicKey is null ? default : member.Versions,
    };

    private static ImmutableSortedDictionary<string, ImmutableArray<Prefix>> BookOf(
        IEnumerable<Member> members, Func<Member, string> name) =>
        members.Where(member => member.Addresses.Count > 0)
            .ToImmutableSortedDictionary(name, member => member.Addresses.ToImmutableArray(), StringComparer.Ordinal);

    private static ImmutableArray<string> Texts(IEnumerable<Prefix> prefixes) => [.. prefixes.Select(prefix => prefix.ToString())];

    private void Lose(Member member, string what, Prefix held, Holder holder)
    {
        member.Lose($"{what} is refused: it overlaps {held}, {holder.What}");
        _conflicts.Add($"{member.Title} does not get {what}: it overlaps {held}, {holder.What}.");
    }

    private static void Refuse(Member member, string message)
    {
        member.IsRefused = true;
        member.Messages.Add(message);
    }

    /// <summary>A node or an external peer while the plan is made.</summary>
    private sealed class Member(string name, PeerKind kind)
    {
        public string Name { get; set; } = name;
        public PeerKind Kind { get; } = kind;
        public NodeRecord? Node { get; init; }
        public Announcement? Announcement { get; init; }
        public PeerRecord? Peer { get; set; }
        public PublicKey? PublicKey { get; set; }
        public DateTimeOffset KeySince { get; set; }
        public SecretKey? PresharedKey { get; set; }

        public VersionSet Versions => Node is null ? Peer!.Versions : Announcement?.Versions ?? VersionSet.One;

        public List<Prefix> Addresses { get; } = [];
        public List<Prefix> Claims { get; } = [];      // declared and not the cluster's
        public List<Prefix> AllowedIps { get; } = [];
        public List<string> Messages { get; } = [];

        [MemberNotNullWhen(true, nameof(PublicKey))]
        public bool IsServed => !IsRefused && PublicKey is not null;

        public bool IsRefused { get; set; }

        public string Title => Node is null ? $"WireGuardPeer {Name}" : $"Node {Node.Name}";

        public void Lose(string message) => Messages.Add(message);
    }
}
