using System.Collections.Concurrent;
using System.Collections.Immutable;
using Google.Protobuf;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>
/// What every node is to do, and what became of every peer. A value: equal states make equal plans. The messages in it
/// are shared by all nodes, and by the plans before and after as far as nothing changes; they are not to be changed.
/// </summary>
internal sealed class MeshPlan
{
    private readonly ConcurrentDictionary<(PeerView Before, PeerView After), ViewDelta> _deltas = new();

    /// <summary>Every peer that is served, ordered by name: with what it owns, and as a node has it that speaks version 1 alone.</summary>
    public ImmutableArray<PeerConfig> Peers => PeerList.Peers;

    /// <summary>By node name.</summary>
    public required ImmutableSortedDictionary<string, NodePlan> Nodes { get; init; }

    /// <summary>What became of each peer, refused ones too, ordered by name.</summary>
    public required ImmutableArray<PeerOutcome> Outcomes { get; init; }

    /// <summary>Who lost what to whom, one sentence each, in order.</summary>
    public required ImmutableArray<string> Conflicts { get; init; }

    /// <summary>How far the mesh is with the protocol version that its settings ask for; null: they ask for none.</summary>
    public required ProtocolProgress? Protocol { get; init; }

    /// <summary>What the settings of all nodes have in common.</summary>
    public required MeshSettings Settings { get; init; }

    internal required PeerList PeerList { get; init; }

    /// <summary>What the nodes of each kind have. That of nodes that speak version 1 alone and admit what all do is always there.</summary>
    internal required IReadOnlyDictionary<ViewKey, PeerView> Views { get; init; }

    /// <summary>What the next plan is made of if it stays as it is.</summary>
    internal required PlanParts Parts { get; init; }

    /// <summary>Whether nodes have a peer of this name.</summary>
    public bool HasPeer(string name) => PeerList.IndexOf(name) >= 0;

    /// <summary>The complete configuration of a node, or null if there is no such node.</summary>
    public NodeMessage? ConfigFor(string node, ulong revision)
    {
        if (!Nodes.TryGetValue(node, out var plan))
            return null;

        var message = new MessageParts();
        message.Add(new NodeConfig { Revision = revision }.ToByteArray());
        message.AddField(NodeConfig.SettingsFieldNumber, plan.OwnSettings(), Settings.Serialized);
        ViewOf(plan).AddTo(message, plan.PeerName);
        message.WrapInto(OperatorMessage.FullFieldNumber);
        return new NodeMessage(message.ToSequence(), 0, 0);
    }

    /// <summary>What changes for a node from <paramref name="earlier"/> to this plan; null if nothing does. Both know the node.</summary>
    public NodeMessage? ChangeFor(MeshPlan earlier, ulong earlierRevision, string node, ulong revision)
    {
        var (before, after) = (earlier.Nodes[node], Nodes[node]);
        var (viewBefore, viewAfter) = (earlier.ViewOf(before), ViewOf(after));
        var haveSettingsChanged = !(Settings.Equals(earlier.Settings) && after.HasSameSettings(before));
        if (!haveSettingsChanged && ReferenceEquals(viewBefore, viewAfter) && before.PeerName == after.PeerName)
            return null;

        var message = new MessageParts();
        message.Add(new NodeConfigDelta { BaseRevision = earlierRevision, Revision = revision }.ToByteArray());
        if (haveSettingsChanged)
            message.AddField(NodeConfigDelta.SettingsFieldNumber, after.OwnSettings(), Settings.Serialized);

        // the same for all nodes of a kind, but for a node's own peer, which its configuration never has
        var delta = _deltas.GetOrAdd((viewBefore, viewAfter), static views => ViewDelta.Between(views.Before, views.After));
        var upserts = delta.AddUpserts(message, before.PeerName, after.PeerName);
        if (before.PeerName != after.PeerName && viewAfter.Find(before.PeerName) is { } another)
        {
            message.Add(new NodeConfigDelta { Upserts = { another } }.ToByteArray());
            upserts++;
        }

        var removals = delta.AddRemovals(message, before.PeerName, after.PeerName);
        if (before.PeerName != after.PeerName && viewBefore.Find(after.PeerName) is not null)
        {
            message.Add(new NodeConfigDelta { Removed = { after.PeerName } }.ToByteArray());
            removals++;
        }

        if (!haveSettingsChanged && upserts == 0 && removals == 0)
            return null;

        message.WrapInto(OperatorMessage.DeltaFieldNumber);
        return new NodeMessage(message.ToSequence(), upserts, removals);
    }

    /// <summary>Whether the two say the same in every part.</summary>
    public bool SameAs(MeshPlan other) =>
        PeerList.SameAs(other.PeerList)
        && Views.Count == other.Views.Count
        && Views.All(entry => other.Views.TryGetValue(entry.Key, out var view) && entry.Value.SameAs(view))
        && (ReferenceEquals(Nodes, other.Nodes) || Nodes.Values.SequenceEqual(other.Nodes.Values))
        && Outcomes.AsSpan().SequenceEqual(other.Outcomes.AsSpan())
        && Conflicts.SequenceEqual(other.Conflicts, StringComparer.Ordinal)
        && Protocol == other.Protocol
        && Settings.Equals(other.Settings);

    // a node whose key was refused shares that key with another: if both spoke, each would take over the other's links
    private PeerView ViewOf(NodePlan plan) => plan.IsServed ? Views[new ViewKey(plan.Versions, plan.Admits)] : PeerView.None;
}
