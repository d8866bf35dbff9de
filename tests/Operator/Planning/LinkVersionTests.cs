using System.Collections.Immutable;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

/// <summary>S14: which protocol version a link has, and when it moves to another.</summary>
public class LinkVersionTests
{
    // what the ends speak; version asked for (0: none), at which generation (0: at once); the link's
    [Theory]
    // two versions side by side: the newest that both speak
    [InlineData("1", "1", 0, 0, 1)]
    [InlineData("1,2", "1", 0, 0, 1)]
    [InlineData("1,2", "1,2", 0, 0, 2)]
    [InlineData("1,2,3", "2,3,4", 0, 0, 3)]
    [InlineData("63", "1,63", 0, 0, 63)]
    // asked for at once: nothing newer, and what is older where it is not spoken
    [InlineData("1,2", "1,2", 1, 0, 1)]
    [InlineData("1,2", "1,2", 2, 0, 2)]
    [InlineData("1,2,3", "1,2,3", 2, 0, 2)]
    [InlineData("1,2,3", "1,3", 2, 0, 1)]
    [InlineData("1", "1,2", 2, 0, 1)]
    // nothing but a newer one in common
    [InlineData("2,3", "2,3", 1, 0, 3)]
    // from a generation on; the mesh is at 5
    [InlineData("1,2", "1,2", 2, 6, 1)]
    [InlineData("1,2", "1,2", 2, 5, 2)]
    [InlineData("1,2", "1,2", 2, 4, 2)]
    [InlineData("1,2", "1", 2, 5, 1)]
    [InlineData("1,2,3", "1,2,3", 3, 6, 2)]
    [InlineData("1,3", "1,3", 2, 6, 1)]
    [InlineData("2", "2", 2, 6, 2)] // there is no older one
    public void A_link_has_what_its_ends_speak_and_the_settings_ask_for(string a, string b, int version, int at, uint expected)
    {
        var links = Links(version, at);
        Assert.Equal(expected, links.Of(Speaks(a), Speaks(b)));
        Assert.Equal(expected, links.Of(Speaks(b), Speaks(a)));
    }

    [Fact]
    public void Ends_without_a_version_in_common_are_each_given_one_that_they_speak()
    {
        var links = Links(2, 0);
        Assert.Equal(1u, links.Of(Speaks("1"), Speaks("2,3")));
        Assert.Equal(3u, links.Of(Speaks("2,3"), Speaks("1")));
    }

    [Fact]
    public void Each_node_gets_its_own_version_of_a_link_and_equal_ones_are_one_message()
    {
        var plan = Speaking("1,2", "1,2", "1").Plan();

        Assert.Equal((2u, 1u), (VersionOf(plan, "a", "b"), VersionOf(plan, "a", "c")));
        Assert.Equal((2u, 1u), (VersionOf(plan, "b", "a"), VersionOf(plan, "b", "c")));
        Assert.Equal((1u, 1u), (VersionOf(plan, "c", "a"), VersionOf(plan, "c", "b")));
        Assert.Equal(PeerOf(plan, "a", "c"), PeerOf(plan, "b", "c"));
        Assert.Empty(plan.Conflicts); // nobody asked for anything
        Assert.Null(plan.Protocol);
    }

    [Fact]
    public void A_node_that_comes_to_speak_more_moves_its_own_links_alone()
    {
        var before = Speaking("1,2", "1,2", "1").Plan();
        var after = Speaking("1,2", "1,2", "1,2").Plan(before);

        Assert.Equal([("c", 2u)], Changes("a"));
        Assert.Equal([("c", 2u)], Changes("b"));
        Assert.Equal([("a", 2u), ("b", 2u)], Changes("c"));
        Assert.Equal(PeerOf(before, "a", "b"), PeerOf(after, "a", "b"));

        IEnumerable<(string, uint)> Changes(string node)
        {
            var delta = after.DeltaFrom(before, 1, node, 2)!;
            Assert.True(delta.Settings is null && delta.Removed.Count == 0);
            return delta.Upserts.Select(peer => (peer.Name, peer.ProtocolVersion));
        }
    }

    [Fact]
    public void A_node_that_speaks_less_again_takes_its_links_back()
    {
        var before = Speaking("1,2", "1,2", "1,2").Plan();
        var after = Speaking("1,2", "1,2", "1").Plan(before);
        Assert.False(after.SameAs(before));
        Assert.Equal((2u, 1u, 1u), (VersionOf(after, "a", "b"), VersionOf(after, "a", "c"), VersionOf(after, "c", "a")));
    }

    [Fact]
    public void An_external_device_speaks_version_1_unless_it_is_said_to_speak_more()
    {
        var plan = Speaking("1,2", "1,2", "1").With(Peer("laptop", 8), Peer("phone", 9) with { Versions = Speaks("1,2") }).Plan();

        Assert.Equal((1u, 2u), (VersionOf(plan, "a", "laptop"), VersionOf(plan, "a", "phone")));
        Assert.Equal((1u, 1u), (VersionOf(plan, "c", "laptop"), VersionOf(plan, "c", "phone")));
    }

    [Fact]
    public void Of_a_node_the_agents_word_counts_and_without_one_what_pins_its_key()
    {
        var pin = Peer("a", 77) with { NodeName = "a", Versions = Speaks("1,2,3") };
        Assert.Equal(2u, VersionOf(Speaking("1,2", "1,2,3", "1").With(pin).Plan(), "b", "a"));
        Assert.Equal(3u, VersionOf(Speaking("", "1,2,3", "1").With(pin).Plan(), "b", "a")); // on Kubernetes nothing of it is kept
    }

    [Fact]
    public void A_version_that_a_node_does_not_speak_is_told_once_and_its_links_stay_up()
    {
        var plan = (Speaking("1,2", "1,2", "1").With(Peer("laptop", 8)) with { Mesh = Asking(2) }).Plan();

        Assert.Equal("WireGuardMesh default: protocol version 2 is not spoken by Node c: links there use the newest version that both ends speak.",
            Assert.Single(plan.Conflicts));
        Assert.Equal((2u, 1u, 1u), (VersionOf(plan, "a", "b"), VersionOf(plan, "a", "c"), VersionOf(plan, "a", "laptop")));
        Assert.Equal(new ProtocolProgress(2, null, 5, 3, 2), plan.Protocol);
    }

    [Fact]
    public void Of_many_nodes_that_are_behind_a_few_are_named()
    {
        var nodes = Enumerable.Range(0, 9).Aggregate(ClusterState.Empty, (cluster, i) => cluster.With(Node($"n{i}")).Announcing($"n{i}", i + 1));
        Assert.Contains("Node n0, Node n1, Node n2, Node n3, Node n4 and 4 more", Assert.Single((nodes with { Mesh = Asking(2) }).Plan().Conflicts),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Before_its_generation_a_version_is_no_conflict_and_its_progress_is_told()
    {
        var plan = (Speaking("1,2", "1,2", "1") with { Mesh = Asking(2, at: 6) }).Plan();
        Assert.Empty(plan.Conflicts);
        Assert.Equal(1u, VersionOf(plan, "a", "b"));
        Assert.Equal(new ProtocolProgress(2, 6, 5, 3, 2), plan.Protocol);
    }

    [Fact]
    public void The_generation_moves_every_link_whose_ends_speak_the_version()
    {
        var before = (Speaking("1,2", "1,2", "1") with { Mesh = Asking(2, at: 6) }).Plan();
        var after = (Speaking("1,2", "1,2", "1") with { Mesh = Asking(2, at: 6) with { Generation = 6 } }).Plan(before);
        Assert.Equal([("b", 2u)], after.DeltaFrom(before, 1, "a", 2)!.Upserts.Select(peer => (peer.Name, peer.ProtocolVersion)));
        Assert.Equal([("a", 2u)], after.DeltaFrom(before, 1, "b", 2)!.Upserts.Select(peer => (peer.Name, peer.ProtocolVersion)));
        Assert.Null(after.DeltaFrom(before, 1, "c", 2));
    }

    [Fact]
    public void Members_without_a_version_in_common_are_told_and_stay_in_each_others_configuration()
    {
        var plan = Speaking("2", "1,2", "1").With(Peer("laptop", 8, 0, "192.168.7.0/24")).Plan();

        Assert.Equal("No link is possible, for want of a common protocol version, between what speaks 2 (Node a) "
            + "and what speaks 1 (Node c, WireGuardPeer laptop).", Assert.Single(plan.Conflicts));
        Assert.Equal((2u, 1u), (VersionOf(plan, "a", "c"), VersionOf(plan, "c", "a")));
        Assert.Contains("192.168.7.0/24", PeerOf(plan, "a", "laptop").AllowedIps); // routed into the tunnel, which drops it
    }

    [Fact]
    public void External_devices_need_no_version_in_common() =>
        Assert.Empty(Speaking("1,2", "1,2", "1,2").With(Peer("laptop", 8) with { Versions = Speaks("1") }, Peer("phone", 9) with { Versions = Speaks("2") })
            .Plan().Conflicts);

    [Fact]
    public void A_node_without_a_key_is_not_waited_for()
    {
        var plan = (Speaking("1,2", "1,2", "1,2").With(Node("d")) with { Mesh = Asking(2) }).Plan();
        Assert.Empty(plan.Conflicts);
        Assert.Equal((3, 3), (plan.Protocol!.Nodes, plan.Protocol.ReadyNodes));
        Assert.True(plan.Outcome("d").Versions.IsEmpty);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("1", 1)]
    [InlineData("1,5,63", 3)]
    public void A_set_has_what_was_put_into_it(string numbers, int count)
    {
        var set = Speaks(numbers);
        Assert.Equal(numbers.Replace(",", ", ", StringComparison.Ordinal), set.ToString());
        Assert.Equal(count, set.Numbers.Count());
        Assert.All(Enumerable.Range(0, 70), n => Assert.Equal(set.Numbers.Contains((uint)n), set.Contains((uint)n)));
        Assert.All(Enumerable.Range(0, 70), n => Assert.Equal(set.Numbers.Where(m => m <= n), set.UpTo((uint)n).Numbers));
    }

    private static VersionSet Speaks(string numbers) =>
        VersionSet.Of(numbers.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse));

    private static MeshRecord Asking(uint version, long? at = null) =>
        MeshRecord.Default with { Protocol = version == 0 ? null : new ProtocolRecord(version, at), Generation = 5 };

    private static LinkVersions Links(int version, int at) => new(Asking((uint)version, at == 0 ? null : at), []);

    /// <summary>The nodes a, b and c; one that speaks nothing has announced nothing.</summary>
    private static ClusterState Speaking(params string[] versions) => Three with
    {
        Announcements = Three.Announcements.Zip(versions)
            .Where(pair => pair.Second.Length > 0)
            .ToImmutableSortedDictionary(pair => pair.First.Key, pair => pair.First.Value with { Versions = Speaks(pair.Second) }, StringComparer.Ordinal),
    };

    private static PeerConfig PeerOf(MeshPlan plan, string node, string peer) => plan.ForNode(node, 1)!.Peers.Single(config => config.Name == peer);

    private static uint VersionOf(MeshPlan plan, string node, string peer) => PeerOf(plan, node, peer).ProtocolVersion;
}
