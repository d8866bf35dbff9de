using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>Who holds a prefix that is not to be given away.</summary>
/// <param name="What">For people, e.g. "a pod CIDR of Node a".</param>
internal sealed record Holder(string What);

/// <summary>
/// The first half of what is decided about a cluster: who is a member, what belongs to the cluster, and which stored addresses each
/// member has. The same for the same state in whatever order its parts come. Addresses and plans are made from it.
/// </summary>
internal sealed class Membership
{
    private readonly ClusterState _cluster;
    private readonly PrefixTable<Holder> _reserved = new();

    private Membership(ClusterState cluster)
    {
        _cluster = cluster;
        Allocator = new AddressAllocator(cluster.Mesh.AddressPools, _reserved);
    }

    /// <summary>Older first.</summary>
    public List<Member> Nodes { get; } = [];

    /// <summary>What people declared, but for what pins the key of a node. Older first.</summary>
    public List<Member> External { get; } = [];

    /// <summary>Nodes, then the others.</summary>
    public IEnumerable<Member> All => Nodes.Concat(External);

    /// <summary>Nodes that are no members, in the order of their names.</summary>
    private IEnumerable<NodeRecord> Outside => _cluster.Outside.OrderBy(node => node.Name, StringComparer.Ordinal);

    /// <summary>Who lost what to whom, one sentence each.</summary>
    public List<string> Conflicts { get; } = [];

    /// <summary>Knows the stored addresses, and keeps clear of what is the cluster's.</summary>
    public AddressAllocator Allocator { get; }

    public static Membership Of(ClusterState cluster)
    {
        var membership = new Membership(cluster);
        membership.AdmitNodes();
        membership.AdmitDeclaredPeers();
        membership.RefuseSharedKeys();
        membership.ReserveClusterPrefixes();
        membership.KeepAddresses();
        return membership;
    }

    /// <summary>From here on the nodes' addresses are the cluster's, too.</summary>
    public void ReserveNodeAddresses()
    {
        foreach (var member in Nodes)
        {
            if (member.Addresses.Count == 0)
                continue;

            var holder = new Holder($"the mesh address of Node {member.Node!.Name}");
            foreach (var address in member.Addresses)
                _reserved.TryAdd(address, holder);

            member.AllowedIps.AddRange(member.Addresses);
        }
    }

    /// <summary>Takes away what overlaps the cluster's own prefixes; what two external peers ask for is decided later.</summary>
    public void CheckClaims()
    {
        foreach (var member in All.Where(member => !member.IsRefused && member.Peer is not null))
        {
            foreach (var prefix in member.Peer!.AllowedIps)
            {
                if (!_reserved.TryFindOverlap(prefix, out var held, out var holder))
                    member.Claims.Add(prefix);
                else if (member.Node is null || !member.AllowedIps.Any(own => own.Overlaps(prefix) && own.Length <= prefix.Length))
                    Lose(member, PeerReason.AllowedIPsConflict, $"allowed IP {prefix}", held, holder);
            }
        }
    }

    private void AdmitNodes()
    {
        foreach (var node in _cluster.Nodes)
        {
            var announcement = _cluster.Announcements.GetValueOrDefault(node.Name);
            Nodes.Add(new Member(node.Name, PeerKind.Node)
            {
                Created = node.Created,
                Node = node,
                Announcement = announcement,
                Generation = announcement?.Generation ?? 0,
                PublicKey = announcement?.PublicKey,
                KeySince = announcement?.Since ?? DateTimeOffset.MaxValue,
            });
        }

        Nodes.Sort(OlderFirst);
    }

    private void AdmitDeclaredPeers()
    {
        foreach (var peer in _cluster.Peers)
        {
            External.Add(new Member(peer.Name, PeerKind.External)
            {
                Created = peer.Created,
                Peer = peer,
                Generation = peer.Generation,
                PublicKey = peer.PublicKey,
                KeySince = peer.Created,
            });
        }

        foreach (var peer in _cluster.Unusable)
        {
            var member = new Member(peer.Name, PeerKind.External) { Created = peer.Created, Generation = peer.Generation };
            var problems = string.Join("; ", peer.Problems);
            member.Refuse(PeerReason.Invalid, problems);
            Conflicts.Add($"{member.Title} is refused: {problems}.");
            External.Add(member);
        }

        External.Sort(OlderFirst);
        var nodes = Nodes.ToDictionary(node => node.Name, StringComparer.Ordinal);
        External.RemoveAll(member => member.Peer is not null && IsPin(member, member.Peer, nodes));
    }

    /// <summary>Admits or refuses what people declared; true: it pins the key of a node and is none by itself.</summary>
    private bool IsPin(Member member, PeerRecord peer, Dictionary<string, Member> nodes)
    {
        if (peer.NodeName != peer.Name && nodes.ContainsKey(peer.Name))
        {
            member.Refuse(PeerReason.NameTaken,
                $"metadata.name: the peer of Node {peer.Name} has this name; choose another, or set spec.nodeName to pin its key");
        }
        else if (peer.NodeName is { } name)
        {
            if (!nodes.TryGetValue(name, out var node))
            {
                member.Refuse(PeerReason.UnknownNode, _cluster.Outside.Any(outside => outside.Name == name)
                    ? $"spec.nodeName: Node {name} is not in the mesh, for its label {Records.SystemLabel} says that it does not run Linux"
                    : $"spec.nodeName: there is no Node {name}");
            }
            else if (!peer.HasKey)
            {
                // served, it would have every agent refuse its configuration as a whole
                member.Refuse(PeerReason.Invalid,
                    $"spec.publicKey: is missing; write the key that Node {name} is to have, or remove the object: the operator makes the peers of nodes itself");
            }
            else if (node.Peer is { } pin)
            {
                member.Refuse(PeerReason.PinnedTwice,
                    $"spec.nodeName: the key of Node {name} is pinned by WireGuardPeer {pin.Name} already, which is older");
            }
            else if (peer.PresharedKey is not null)
            {
                member.Refuse(PeerReason.Invalid,
                    "spec.presharedKeySecretRef: a node's peer has none: a preshared key belongs to one pair of peers; remove it");
            }
            else
            {
                (node.Peer, node.Name, node.PublicKey, node.KeySince) = (peer, peer.Name, peer.PublicKey, peer.Created);
                node.Generation = peer.Generation;
                return true;
            }
        }
        else if (!peer.HasKey)
        {
            member.Refuse(PeerReason.Invalid, "spec.publicKey: is missing; write what `wg pubkey` prints on the device");
        }
        else if (peer.PresharedKey is { } reference)
        {
            // without it the link would work, but weaker than was asked for
            if (_cluster.PresharedKeys.TryGetValue(reference, out var secret))
                member.PresharedKey = secret;
            else
                member.Refuse(PeerReason.PresharedKeyMissing,
                    $"spec.presharedKeySecretRef: there is no preshared key (32 bytes in base64) in {reference}");
        }

        return false;
    }

    private void RefuseSharedKeys()
    {
        var owners = new Dictionary<PublicKey, Member>();
        var nodes = Nodes.OrderBy(node => node.KeySince).ThenBy(node => node.Name, StringComparer.Ordinal);
        foreach (var member in nodes.Concat(External))
        {
            if (member.IsRefused || member.PublicKey is not { } key || owners.TryAdd(key, member))
                continue;

            var owner = owners[key];
            var why = owner.Kind == member.Kind ? ", which is older" : "";
            member.Refuse(PeerReason.DuplicatePublicKey,
                $"spec.publicKey: {key} belongs to {owner.Title} already{why}; every peer needs a key of its own");
            Conflicts.Add($"{member.Title} is refused: its public key {key} belongs to {owner.Title}{why}.");
        }
    }

    private void ReserveClusterPrefixes()
    {
        foreach (var prefix in _cluster.Mesh.ServiceCidrs)
            _reserved.TryAdd(prefix, new Holder("a service CIDR of the mesh"));

        ReservePodCidrs();
        ReserveHostAddresses();

        // after the nodes' own, which lie within
        foreach (var prefix in _cluster.Mesh.PodCidrs)
            _reserved.TryAdd(prefix, new Holder("a pod CIDR of the mesh"));

        foreach (var pool in _cluster.Mesh.AddressPools.Order(PrefixOrder.Instance))
        {
            if (_reserved.TryFindOverlap(pool, out var held, out var holder))
                Conflicts.Add($"WireGuardMesh default: address pool {pool} overlaps {held}, {holder.What}: no address comes from there.");
        }
    }

    private void ReservePodCidrs()
    {
        var refused = new List<(Prefix, Holder)>();
        foreach (var node in Nodes)
        {
            if (node.Node!.PodCidrs.IsEmpty)
                continue;

            var holder = new Holder($"a pod CIDR of Node {node.Node.Name}");
            foreach (var prefix in node.Node.PodCidrs)
            {
                if (_reserved.TryFindOverlap(prefix, out var held, out var other))
                {
                    Lose(node, PeerReason.PodCIDRConflict, $"pod CIDR {prefix}", held, other);
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

        foreach (var node in Outside)
        {
            var holder = new Holder($"a pod CIDR of Node {node.Name}");
            foreach (var prefix in node.PodCidrs)
                _reserved.TryAdd(prefix, holder);
        }
    }

    /// <summary>
    /// What covers a machine's address on the underlay would take the tunnels' own datagrams into a tunnel. A pod CIDR keeps its
    /// prefix even so, for machines tell their addresses themselves: no node may take away another's pods by what it says.
    /// </summary>
    private void ReserveHostAddresses()
    {
        foreach (var node in Nodes.Select(node => node.Node!).Concat(Outside))
        {
            if (node.HostAddresses.IsEmpty)
                continue;

            var holder = new Holder($"an underlay address of Node {node.Name}");
            foreach (var address in node.HostAddresses)
            {
                if (_reserved.TryFindCover(address, out var held, out var other) && held != address)
                    Conflicts.Add($"Node {node.Name} has the underlay address {address}, which lies in {held}, {other.What}.");

                _reserved.TryAdd(address, holder);
            }
        }
    }

    private void KeepAddresses()
    {
        foreach (var member in Nodes)
            Keep(member, _cluster.Addresses.Nodes.GetValueOrDefault(member.Node!.Name, []));

        foreach (var member in External)
            Keep(member, _cluster.Addresses.Peers.GetValueOrDefault(member.Name, []));

        void Keep(Member member, IEnumerable<Prefix> addresses)
        {
            foreach (var address in addresses)
            {
                if (!Allocator.TryKeep(address))
                {
                    member.Lose(PeerReason.AddressConflict, $"address {address} was given twice; it gets another");
                    continue;
                }

                member.Addresses.Add(address);
                if (!Allocator.IsInPool(address))
                    Conflicts.Add($"{member.Title} keeps its address {address}, which lies in no address pool any more.");
            }
        }
    }

    private void Lose(Member member, string reason, string what, Prefix held, Holder holder)
    {
        member.Lose(reason, $"{what} is refused: it overlaps {held}, {holder.What}");
        Conflicts.Add($"{member.Title} does not get {what}: it overlaps {held}, {holder.What}.");
    }

    private static int OlderFirst(Member left, Member right) =>
        left.Created != right.Created ? left.Created.CompareTo(right.Created) : string.CompareOrdinal(left.Name, right.Name);
}
