using System.Collections.Immutable;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Planning;

/// <summary>Short ways to write down a cluster and to look into a plan.</summary>
internal static class Clusters
{
    public static readonly DateTimeOffset Day = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The seed repeated: equal seeds, equal keys.</summary>
    public static PublicKey Key(int seed)
    {
        var bytes = new byte[PublicKey.Length];
        for (var i = 0; i < bytes.Length; i += 4)
            BitConverter.TryWriteBytes(bytes.AsSpan(i), seed);
        return new PublicKey(bytes);
    }

    public static ImmutableArray<Prefix> Cidrs(params string[] texts) => Parsing.Prefixes(texts);

    /// <summary>Each "key=value".</summary>
    public static ImmutableSortedDictionary<string, string> Labels(params string[] labels) => labels.ToImmutableSortedDictionary(
        label => label[..label.IndexOf('=', StringComparison.Ordinal)], label => label[(label.IndexOf('=', StringComparison.Ordinal) + 1)..],
        StringComparer.Ordinal);

    public static NodeRecord Node(string name, int age = 0, string? address = null, params string[] podCidrs) =>
        new() { Name = name, Created = Day.AddHours(-age), Address = address, PodCidrs = Cidrs(podCidrs) };

    public static PeerRecord Peer(string name, int key, int age = 0, params string[] allowedIps) =>
        new() { Name = name, Created = Day.AddHours(-age), PublicKey = Key(key), AllowedIps = Cidrs(allowedIps) };

    public static ClusterState With(this ClusterState cluster, params NodeRecord[] nodes) =>
        cluster with { Nodes = [.. cluster.Nodes, .. nodes] };

    public static ClusterState With(this ClusterState cluster, params PeerRecord[] peers) =>
        cluster with { Peers = [.. cluster.Peers, .. peers] };

    public static ClusterState Announcing(this ClusterState cluster, string node, int key, VersionSet versions) =>
        cluster with { Announcements = cluster.Announcements.SetItem(node, new Announcement(Key(key), [], Day) { Versions = versions }) };

    public static ClusterState Announcing(this ClusterState cluster, string node, int key, int age = 0, params string[] endpoints) =>
        cluster with { Announcements = cluster.Announcements.SetItem(node,
            new Announcement(Key(key), [.. endpoints], Day.AddHours(-age))) };

    /// <summary>Nodes a, b and c, each with a pod CIDR and a key.</summary>
    public static ClusterState Three { get; } = ClusterState.Empty
        .With(
            Node("a", 3, "192.0.2.1", "10.244.1.0/24", "fd00:244:1::/64"),
            Node("b", 2, "192.0.2.2", "10.244.2.0/24", "fd00:244:2::/64"),
            Node("c", 1, "192.0.2.3", "10.244.3.0/24", "fd00:244:3::/64"))
        .Announcing("a", 1).Announcing("b", 2).Announcing("c", 3);

    /// <summary>As the operator does it: with the missing addresses given and stored.</summary>
    public static MeshPlan Plan(this ClusterState cluster, MeshPlan? earlier = null) => MeshPlanner.Plan(cluster.Settled(), earlier);

    /// <summary>With the addresses that are stored alone.</summary>
    public static MeshPlan PlanAsStored(this ClusterState cluster) => MeshPlanner.Plan(cluster);

    /// <summary>With the missing addresses given and stored.</summary>
    public static ClusterState Settled(this ClusterState cluster) => cluster with { Addresses = AddressPlanner.Give(cluster) };

    /// <summary>What an agent reads when it connects.</summary>
    public static NodeConfig? ForNode(this MeshPlan plan, string node, ulong revision) =>
        plan.ConfigFor(node, revision) is { } message ? OperatorMessage.Parser.ParseFrom(message.Bytes).Full : null;

    /// <summary>What an agent reads when the plan changed.</summary>
    public static NodeConfigDelta? DeltaFrom(this MeshPlan plan, MeshPlan earlier, ulong earlierRevision, string node, ulong revision)
    {
        if (plan.ChangeFor(earlier, earlierRevision, node, revision) is not { } message)
            return null;

        var delta = OperatorMessage.Parser.ParseFrom(message.Bytes).Delta;
        Assert.Equal((delta.Upserts.Count, delta.Removed.Count), (message.Upserts, message.Removals));
        return delta;
    }

    public static PeerOutcome Outcome(this MeshPlan plan, string peer, PeerKind? kind = null) =>
        plan.Outcomes.Single(outcome => outcome.Name == peer && (kind is null || outcome.Kind == kind));

    public static IEnumerable<string> AllowedIps(this MeshPlan plan, string peer) =>
        plan.Peers.SingleOrDefault(config => config.Name == peer)?.AllowedIps ?? Enumerable.Empty<string>();

    public static IEnumerable<string> AddressesOf(this MeshPlan plan, string peer) => plan.Outcome(peer).Addresses;

    public static string Message(this MeshPlan plan, string peer, PeerKind? kind = null) =>
        string.Join("; ", plan.Outcome(peer, kind).Messages);
}
