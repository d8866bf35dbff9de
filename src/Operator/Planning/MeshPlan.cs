using System.Collections.Immutable;
using WgMesh.Engine;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>
/// What every node is to do, and what became of every peer. A value: equal states make equal plans. The messages in it
/// are shared by all nodes and are not to be changed.
/// </summary>
internal sealed class MeshPlan
{
    /// <summary>
    /// The peers that are served, ordered by name, for each kind of node by what it speaks: they differ in the protocol version of the link,
    /// and those that do not are the same message. A node's config is all of its kind's but its own. <see cref="VersionSet.One"/> is always there.
    /// </summary>
    public required ImmutableDictionary<VersionSet, ImmutableArray<PeerConfig>> PeersFor { get; init; }

    /// <summary>The peers that are served, ordered by name, as a node has them that speaks version 1 alone.</summary>
    public ImmutableArray<PeerConfig> Peers => PeersFor[VersionSet.One];

    /// <summary>Whether a peer of this name is served.</summary>
    public bool HasPeer(string name)
    {
        var (low, high) = (0, Peers.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            var order = string.CompareOrdinal(Peers[middle].Name, name);
            if (order == 0)
                return true;

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle);
        }

        return false;
    }

    /// <summary>By node name.</summary>
    public required ImmutableSortedDictionary<string, NodePlan> Nodes { get; init; }

    /// <summary>What became of each peer, refused ones too, ordered by name.</summary>
    public required ImmutableArray<PeerOutcome> Outcomes { get; init; }

    /// <summary>Who lost what to whom, one sentence each, in order.</summary>
    public required ImmutableArray<string> Conflicts { get; init; }

    /// <summary>How far the mesh is with the protocol version that its settings ask for; null: they ask for none.</summary>
    public required ProtocolProgress? Protocol { get; init; }

    /// <summary>The addresses of all that still exist: to be kept before the plan is handed out.</summary>
    public required AddressBook Addresses { get; init; }

    /// <summary>The complete configuration of a node, or null if there is no such node.</summary>
    public NodeConfig? ForNode(string node, ulong revision)
    {
        if (!Nodes.TryGetValue(node, out var plan))
            return null;

        var config = new NodeConfig { Revision = revision, Settings = plan.Settings };
        config.Peers.AddRange(PeersOf(plan));
        return config;
    }

    /// <summary>What changes for a node from <paramref name="earlier"/> to this plan; null if nothing does. Both know the node.</summary>
    public NodeConfigDelta? DeltaFrom(MeshPlan earlier, ulong earlierRevision, string node, ulong revision)
    {
        var (before, after) = (earlier.Nodes[node], Nodes[node]);
        var delta = new NodeConfigDelta { BaseRevision = earlierRevision, Revision = revision };
        if (!after.Settings.Equals(before.Settings))
            delta.Settings = after.Settings;

        // both are ordered by name: one merge finds all differences
        using var old = earlier.PeersOf(before).GetEnumerator();
        using var current = PeersOf(after).GetEnumerator();
        bool hasOld = old.MoveNext(), hasCurrent = current.MoveNext();
        while (hasOld || hasCurrent)
        {
            var order = !hasOld ? 1 : !hasCurrent ? -1 : string.CompareOrdinal(old.Current.Name, current.Current.Name);
            if (order < 0)
                delta.Removed.Add(old.Current.Name);
            else if (order > 0 || !(ReferenceEquals(old.Current, current.Current) || old.Current.Equals(current.Current)))
                delta.Upserts.Add(current.Current);

            if (order <= 0)
                hasOld = old.MoveNext();
            if (order >= 0)
                hasCurrent = current.MoveNext();
        }

        return delta.Settings is null && delta.Upserts.Count == 0 && delta.Removed.Count == 0 ? null : delta;
    }

    /// <summary>The same plan with an earlier one's messages where they are equal, so that later comparisons are by reference.</summary>
    public MeshPlan Sharing(MeshPlan earlier)
    {
        var known = new Dictionary<(string Name, uint Version), PeerConfig>();
        foreach (var peer in earlier.PeersFor.Values.SelectMany(peers => peers))
            known.TryAdd((peer.Name, peer.ProtocolVersion), peer);

        return new MeshPlan
        {
            PeersFor = PeersFor.ToImmutableDictionary(entry => entry.Key, entry => entry.Value
                .Select(peer => known.TryGetValue((peer.Name, peer.ProtocolVersion), out var old) && old.Equals(peer) ? old : peer)
                .ToImmutableArray()),
            Nodes = Nodes,
            Outcomes = Outcomes,
            Conflicts = Conflicts,
            Protocol = Protocol,
            Addresses = Addresses,
        };
    }

    /// <summary>Whether the two say the same in every part.</summary>
    public bool SameAs(MeshPlan other) =>
        PeersFor.Count == other.PeersFor.Count
        && PeersFor.All(entry => other.PeersFor.TryGetValue(entry.Key, out var peers) && entry.Value.SequenceEqual(peers))
        && Nodes.Count == other.Nodes.Count && Nodes.Values.SequenceEqual(other.Nodes.Values)
        && Outcomes.SequenceEqual(other.Outcomes)
        && Conflicts.SequenceEqual(other.Conflicts, StringComparer.Ordinal)
        && Protocol == other.Protocol
        && Addresses.Equals(other.Addresses);

    // a node whose key was refused shares that key with another: if both spoke, each would take over the other's links
    private IEnumerable<PeerConfig> PeersOf(NodePlan plan) =>
        plan.IsServed ? PeersFor[plan.Versions].Where(peer => !string.Equals(peer.Name, plan.PeerName, StringComparison.Ordinal)) : [];
}

/// <summary>One node's part of the plan.</summary>
/// <param name="Settings">Its settings.</param>
/// <param name="PeerName">The name of its own peer.</param>
/// <param name="PublicKey">The key it is expected to have; null while nothing is known.</param>
/// <param name="PinnedBy">The declared peer that fixes the key; null if the agent's word is taken.</param>
/// <param name="IsServed">Whether others have it as a peer, and it them.</param>
/// <param name="Versions">The protocol versions that it speaks.</param>
internal sealed record NodePlan(
    NodeSettings Settings, string PeerName, PublicKey? PublicKey, string? PinnedBy, bool IsServed, VersionSet Versions);

/// <summary>How a peer fared.</summary>
internal enum PeerAdmission
{
    /// <summary>As declared.</summary>
    Accepted,

    /// <summary>Served, without what its messages name.</summary>
    PartlyAccepted,

    /// <summary>Not served.</summary>
    Refused,

    /// <summary>A node whose agent has not announced a key yet.</summary>
    Waiting,
}

/// <summary>What became of one peer.</summary>
internal sealed record PeerOutcome
{
    public required string Name { get; init; }

    public required PeerKind Kind { get; init; }

    /// <summary>For a node's peer.</summary>
    public required string? Node { get; init; }

    public required PeerAdmission Admission { get; init; }
    public long Generation { get; init; }
    public string Reason { get; init; } = "Accepted";
    public string? Gateway { get; init; }
    public ImmutableArray<string> GatewayNodes { get; init; } = [];
    public bool IsServed => Admission is PeerAdmission.Accepted or PeerAdmission.PartlyAccepted;

    /// <summary>Its own addresses in the mesh, e.g. <c>10.90.0.7/32</c>.</summary>
    public required ImmutableArray<string> Addresses { get; init; }

    /// <summary>What is routed to it.</summary>
    public required ImmutableArray<string> AllowedIps { get; init; }

    /// <summary>Why it is not wholly accepted, one sentence each.</summary>
    public required ImmutableArray<string> Messages { get; init; }

    /// <summary>The protocol versions that it speaks; empty while nothing is known.</summary>
    public required VersionSet Versions { get; init; }

    public bool Equals(PeerOutcome? other) =>
        other is not null && Name == other.Name && Kind == other.Kind && Node == other.Node && Admission == other.Admission
        && Versions == other.Versions
        && Addresses.SequenceEqual(other.Addresses, StringComparer.Ordinal)
        && AllowedIps.SequenceEqual(other.AllowedIps, StringComparer.Ordinal)
        && Messages.SequenceEqual(other.Messages, StringComparer.Ordinal);

    public override int GetHashCode() => HashCode.Combine(Name, Admission, Messages.Length);
}
