using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>The objects of an API server at one moment, and what they come to.</summary>
internal sealed record ClusterView
{
    public static readonly ClusterView Empty = new();

    /// <summary>What is planned from. The same object as long as nothing in it changes.</summary>
    public ClusterState State { get; init; } = new(); // and not ClusterState.Empty, which stands for one that was not read yet

    /// <summary>
    /// By name, without those outside of the mesh (<see cref="Records.IsOutside"/>); of one that cannot be read the metadata alone, for it is there all
    /// the same.
    /// </summary>
    public ImmutableDictionary<string, Node> Nodes { get; init; } = ImmutableDictionary.Create<string, Node>(StringComparer.Ordinal);

    /// <summary>By name: those that people made, and those that the operator made.</summary>
    public ImmutableDictionary<string, StoredPeer> Peers { get; init; } =
        ImmutableDictionary.Create<string, StoredPeer>(StringComparer.Ordinal);

    /// <summary>The settings; null: there are none.</summary>
    public StoredResource? Mesh { get; init; }

    /// <summary>What of the settings cannot be used, and what would be right.</summary>
    public ImmutableArray<string> MeshProblems { get; init; } = [];

    /// <summary>The peer that the operator made for a node as it is now; null: there is none.</summary>
    public StoredPeer? OwnPeerOf(string node) =>
        Nodes.TryGetValue(node, out var item) && Peers.TryGetValue(node, out var peer) && peer.IsOf(item) ? peer : null;
}

/// <summary>
/// Makes a <see cref="ClusterView"/> from what an API server has, and keeps it up to date: a change costs what changed, and not what there is.
/// Not thread-safe.
/// </summary>
/// <param name="space">The operator's namespace.</param>
internal sealed class ClusterComposer(string space)
{
    private static readonly ImmutableSortedDictionary<string, ImmutableArray<string>> NoProblems =
        ImmutableSortedDictionary.Create<string, ImmutableArray<string>>(StringComparer.Ordinal);

    private readonly Dictionary<string, NodeRecord> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, NodeRecord> _outside = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _pins = new(StringComparer.Ordinal); // peers of people, by the node that they name
    private ImmutableSortedDictionary<string, ImmutableArray<string>> _problems = NoProblems; // by kind and name
    private ImmutableArray<string> _keyProblems = [];
    private StoredResource? _mesh;                                                            // as it was read last
    private bool _hasReadMesh;
    private StoredResource? _goodMesh;

    /// <summary>The newest view. Also an empty cluster is another than none.</summary>
    public ClusterView Current { get; private set; } = ClusterView.Empty with { State = ClusterState.Empty with { } };

    /// <summary>Takes up what changed.</summary>
    /// <param name="changedNodes">Names of nodes that came, changed or went.</param>
    /// <param name="changedPeers">Names of peers that did.</param>
    public ClusterView Update(
        InformerStore<Node> nodes,
        InformerStore<StoredResource> peers,
        InformerStore<StoredResource> meshes,
        PresharedKeySet keys,
        IReadOnlyCollection<string> changedNodes,
        IReadOnlyCollection<string> changedPeers)
    {
        var before = Current;
        var problems = _problems;
        var affected = new HashSet<string>(StringComparer.Ordinal); // names of nodes
        Current = ReadMesh(meshes, before);
        Current = Current with { Nodes = ReadNodes(nodes, changedNodes, affected, out var haveNodesChanged, out var hasOutsideChanged) };
        Current = Current with { Peers = ReadPeers(peers, changedPeers, affected, out var havePeersChanged) };

        var state = Current.State with
        {
            Announcements = Announcements(affected),
            Addresses = Addresses(affected, changedPeers),
            Gateways = Gateways(changedPeers),
            PresharedKeys = keys.Values,
        };
        if (haveNodesChanged)
            state = state with { Nodes = [.. _nodes.Values] };
        if (hasOutsideChanged)
            state = state with { Outside = [.. _outside.Values] };
        if (havePeersChanged)
        {
            state = state with
            {
                Peers = [.. Current.Peers.Values.Select(peer => peer.Record).OfType<PeerRecord>()],
                Unusable = [.. Current.Peers.Values.Select(peer => peer.Unusable).OfType<UnusablePeer>()],
            };
        }

        if (_problems != problems || keys.Problems != _keyProblems)
            state = state with { Problems = [.. _problems.Values.SelectMany(texts => texts), .. keys.Problems] };
        _keyProblems = keys.Problems;

        return Current = Current with { State = IsSame(state, before.State) ? before.State : state };
    }

    private ClusterView ReadMesh(InformerStore<StoredResource> meshes, ClusterView before)
    {
        var mesh = meshes.Items.GetValueOrDefault(WireGuardMesh.DefaultName);
        if (_hasReadMesh && ReferenceEquals(mesh, _mesh))
            return before;

        (_hasReadMesh, _mesh) = (true, mesh);
        if (mesh is null)
        {
            Note("WireGuardMesh/default", []);
            return before with { Mesh = null, MeshProblems = [], State = before.State with { Mesh = MeshRecord.Default } };
        }

        var wrong = new List<string>();
        var spec = mesh.ReadMesh(_goodMesh?.Spec, (field, message) => wrong.Add($"{field}: {message}"));
        if (wrong.Count == 0)
            _goodMesh = mesh;
        Note("WireGuardMesh/default", [.. wrong.Select(text => $"WireGuardMesh/default: {text}; the field stays as it was, or has its default")]);
        var record = MeshRecord.From(spec, mesh.Metadata.Generation ?? 0);
        return before with
        {
            Mesh = mesh,
            MeshProblems = [.. wrong],
            State = before.State with { Mesh = IsSame(record, before.State.Mesh) ? before.State.Mesh : record },
        };
    }

    private ImmutableDictionary<string, Node> ReadNodes(
        InformerStore<Node> nodes, IReadOnlyCollection<string> changed, HashSet<string> affected, out bool haveChanged, out bool hasOutsideChanged)
    {
        (haveChanged, hasOutsideChanged) = (false, false);
        var items = Current.Nodes.ToBuilder();
        foreach (var name in changed)
        {
            affected.Add(name);
            var wrong = new List<string>();
            if (nodes.Unreadable.TryGetValue(name, out var unreadable))
                wrong.Add($"Node/{name}: {unreadable.Problem}");

            // what cannot be read is there nevertheless: its peer is not to go
            var node = nodes.Items.GetValueOrDefault(name) ?? (unreadable is null ? null : new Node { Metadata = unreadable.Metadata });
            if (node is null)
            {
                items.Remove(name);
                haveChanged |= _nodes.Remove(name);
                hasOutsideChanged |= _outside.Remove(name);
                Note($"Node/{name}", []);
                continue;
            }

            var record = Records.From(node, node.Metadata.CreationTimestamp ?? default, wrong.Add);
            Note($"Node/{name}", wrong);
            if (node.IsOutside())
            {
                items.Remove(name);
                haveChanged |= _nodes.Remove(name);
                hasOutsideChanged |= Set(_outside, record);
            }
            else
            {
                items[name] = node;
                hasOutsideChanged |= _outside.Remove(name);
                haveChanged |= Set(_nodes, record);
            }
        }

        return items.ToImmutable();

        static bool Set(Dictionary<string, NodeRecord> records, NodeRecord record)
        {
            if (records.TryGetValue(record.Name, out var known) && known.SameAs(record))
                return false;
            records[record.Name] = record;
            return true;
        }
    }

    private ImmutableDictionary<string, StoredPeer> ReadPeers(
        InformerStore<StoredResource> peers, IReadOnlyCollection<string> changed, HashSet<string> affected, out bool haveChanged)
    {
        haveChanged = false;
        var items = Current.Peers.ToBuilder();
        foreach (var name in changed)
        {
            items.TryGetValue(name, out var before);
            var after = peers.Items.TryGetValue(name, out var stored) ? StoredPeer.Read(stored, before, space)
                : peers.Unreadable.TryGetValue(name, out var unreadable) ? StoredPeer.Unreadable(unreadable)
                : null;
            if (after is null)
                items.Remove(name);
            else
                items[name] = after;

            affected.Add(name);
            if (!ReferenceEquals(before?.Record, after?.Record) || !ReferenceEquals(before?.Unusable, after?.Unusable))
                haveChanged = true;
            if (before?.Record?.NodeName is { } named && _pins.TryGetValue(named, out var pins))
            {
                affected.Add(named);
                pins.Remove(name);
                if (pins.Count == 0)
                    _pins.Remove(named);
            }

            if (after?.Record?.NodeName is not { } names)
                continue;
            affected.Add(names);
            if (!_pins.TryGetValue(names, out pins))
                _pins[names] = pins = new(StringComparer.Ordinal);
            pins.Add(name);
        }

        return items.ToImmutable();
    }

    private ImmutableSortedDictionary<string, Announcement> Announcements(HashSet<string> affected)
    {
        var announcements = Current.State.Announcements.ToBuilder();
        foreach (var node in affected)
        {
            var announcement = Current.OwnPeerOf(node)?.Announcement;
            if (announcement is null)
                announcements.Remove(node);
            else if (!announcement.Equals(announcements.GetValueOrDefault(node)))
                announcements[node] = announcement;
        }

        return announcements.ToImmutable();
    }

    /// <summary>A node's addresses are with its own peer, or with one that pins its key: the operator moves them before it deletes the former.</summary>
    private AddressBook Addresses(HashSet<string> affected, IReadOnlyCollection<string> changedPeers)
    {
        var (nodes, peers) = (Current.State.Addresses.Nodes.ToBuilder(), Current.State.Addresses.Peers.ToBuilder());
        var pins = new List<StoredPeer>();
        foreach (var node in affected)
        {
            pins.Clear();
            if (_pins.TryGetValue(node, out var names))
                pins.AddRange(names.Select(name => Current.Peers[name]).OrderBy(pin => pin.Created).ThenBy(pin => pin.Name, StringComparer.Ordinal));
            var given = Current.OwnPeerOf(node)?.Allocated ?? [];
            if (given.IsEmpty && pins.Find(pin => !pin.Allocated.IsEmpty) is { } pin)
                given = pin.Allocated;
            Set(nodes, node, Current.Nodes.ContainsKey(node) ? given : []);

            // what another one that names the node has is given as well, and must not be given again
            foreach (var other in pins)
                Set(peers, other.Name, other.Allocated.SequenceEqual(given) && Current.Nodes.ContainsKey(node) ? [] : other.Allocated);
        }

        foreach (var name in changedPeers)
        {
            if (Current.Peers.GetValueOrDefault(name) is not { Owner: null } peer)
                Set(peers, name, []);
            else if (peer.Record?.NodeName is null)
                Set(peers, name, peer.Allocated);
        }

        var (newNodes, newPeers) = (nodes.ToImmutable(), peers.ToImmutable());
        return newNodes == Current.State.Addresses.Nodes && newPeers == Current.State.Addresses.Peers
            ? Current.State.Addresses
            : new AddressBook(newNodes, newPeers);

        static void Set(ImmutableSortedDictionary<string, ImmutableArray<Prefix>>.Builder book, string name, ImmutableArray<Prefix> addresses)
        {
            if (addresses.IsEmpty)
                book.Remove(name);
            else if (!book.TryGetValue(name, out var before) || !before.SequenceEqual(addresses))
                book[name] = addresses;
        }
    }

    private ImmutableSortedDictionary<string, string> Gateways(IReadOnlyCollection<string> changedPeers)
    {
        var gateways = Current.State.Gateways.ToBuilder();
        foreach (var name in changedPeers)
        {
            if (Current.Peers.GetValueOrDefault(name) is not { Record.GatewaySelector: not null, Status.Gateway: { Length: > 0 } gateway })
                gateways.Remove(name);
            else if (gateways.GetValueOrDefault(name) != gateway)
                gateways[name] = gateway;
        }

        return gateways.ToImmutable();
    }

    private void Note(string about, IReadOnlyCollection<string> problems)
    {
        if (problems.Count == 0)
            _problems = _problems.Remove(about);
        else if (!_problems.TryGetValue(about, out var before) || !before.SequenceEqual(problems, StringComparer.Ordinal))
            _problems = _problems.SetItem(about, [.. problems]);
    }

    // every part is the one that was there before if it says the same
    private static bool IsSame(ClusterState left, ClusterState right) =>
        ReferenceEquals(left.Mesh, right.Mesh) && left.Nodes == right.Nodes && left.Outside == right.Outside && left.Peers == right.Peers && left.Unusable == right.Unusable
        && left.Announcements == right.Announcements && ReferenceEquals(left.Addresses, right.Addresses) && left.Gateways == right.Gateways
        && left.PresharedKeys == right.PresharedKeys && left.Problems == right.Problems;

    private static bool IsSame(MeshRecord left, MeshRecord right) =>
        left with { AddressPools = [], PodCidrs = [], ServiceCidrs = [] } == right with { AddressPools = [], PodCidrs = [], ServiceCidrs = [] }
        && left.AddressPools.SequenceEqual(right.AddressPools)
        && left.PodCidrs.SequenceEqual(right.PodCidrs)
        && left.ServiceCidrs.SequenceEqual(right.ServiceCidrs);
}
