using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

/// <summary>Devices that some nodes admit, and that the others reach through one of those.</summary>
public class GatewayTests
{
    [Fact]
    public void A_device_is_a_peer_of_its_gateways_and_the_others_reach_it_through_one()
    {
        var plan = Edges("a", "b").With(Behind("camera", 9, "edge", "192.168.7.0/24")).Plan();

        Assert.Equal(["b", "c", "camera"], Names(plan, "a"));
        Assert.Equal(["a", "c", "camera"], Names(plan, "b"));
        Assert.Equal(["a", "b"], Names(plan, "c"));
        Assert.Equal("camera", OwnerOf(plan, "a", "192.168.7.0/24"));
        Assert.Equal("camera", OwnerOf(plan, "b", "192.168.7.0/24"));
        Assert.Equal("a", OwnerOf(plan, "c", "192.168.7.0/24"));
        var outcome = plan.Outcome("camera");
        Assert.Equal((PeerAdmission.Accepted, PeerReason.Accepted, "a"), (outcome.Admission, outcome.Reason, outcome.Gateway));
        Assert.Equal(["a", "b"], outcome.GatewayNodes.AsEnumerable());
        Assert.Equal(["192.168.7.0/24"], outcome.AllowedIps.AsEnumerable());
        Assert.True(plan.HasPeer("camera"));
        Assert.DoesNotContain("192.168.7.0/24", plan.Outcome("a").AllowedIps); // it is the device's, whatever way it takes
    }

    [Fact]
    public void An_address_from_the_pools_is_reached_through_the_gateway_too()
    {
        var plan = Edges("b").With(Behind("camera", 9, "edge")).Plan();
        Assert.Equal("b", OwnerOf(plan, "a", "10.90.0.4/32"));
        Assert.Equal("b", OwnerOf(plan, "c", "fd90:90::4/128"));
        Assert.Equal("camera", OwnerOf(plan, "b", "10.90.0.4/32"));
    }

    [Theory]
    [InlineData(null, "a")]
    [InlineData("b", "b")]   // as it is stored
    [InlineData("c", "a")]   // it has the label no more
    [InlineData("x", "a")]   // there is no such node
    public void The_stored_gateway_stays_as_long_as_it_is_one(string? stored, string expected)
    {
        var cluster = Edges("a", "b").With(Behind("camera", 9, "edge", "192.168.7.0/24"));
        if (stored is not null)
            cluster = cluster with { Gateways = cluster.Gateways.Add("camera", stored) };

        Assert.Equal(expected, cluster.Plan().Outcome("camera").Gateway);
        Assert.Equal(expected, OwnerOf(cluster.Plan(), "c", "192.168.7.0/24"));
    }

    [Fact]
    public void A_node_without_a_key_is_no_gateway()
    {
        var cluster = Edges("a", "b").With(Behind("camera", 9, "edge")) with { Gateways = ClusterState.Empty.Gateways.Add("camera", "a") };
        var plan = (cluster with { Announcements = cluster.Announcements.Remove("a") }).Plan();

        Assert.Equal("b", plan.Outcome("camera").Gateway);
        Assert.Equal(["b"], plan.Outcome("camera").GatewayNodes.AsEnumerable());
        Assert.Empty(Names(plan, "a"));
    }

    [Fact]
    public void A_move_to_another_gateway_changes_the_two_gateways_in_the_other_nodes_alone()
    {
        var cluster = Edges("a", "b").With(Behind("camera", 9, "edge", "192.168.7.0/24"));
        var before = cluster.Plan();
        var after = (cluster with { Gateways = cluster.Gateways.Add("camera", "b") }).Plan(before);

        Assert.False(after.SameAs(before));
        Assert.Equal(["a", "b"], after.DeltaFrom(before, 1, "c", 2)!.Upserts.Select(peer => peer.Name));
        Assert.Null(after.DeltaFrom(before, 1, "a", 2)); // it has the device itself
        Assert.Null(after.DeltaFrom(before, 1, "b", 2));
        Assert.Equal("b", OwnerOf(after, "c", "192.168.7.0/24"));
    }

    [Fact]
    public void All_labels_of_a_selector_count()
    {
        var cluster = Three with
        {
            Nodes = [Three.Nodes[0] with { Labels = Labels("edge=yes") }, Three.Nodes[1] with { Labels = Labels("edge=yes", "zone=1") },
                Three.Nodes[2] with { Labels = Labels("zone=1") }],
        };
        var plan = cluster.With(Peer("camera", 9) with { GatewaySelector = Labels("edge=yes", "zone=1") }).Plan();
        Assert.Equal(["b"], plan.Outcome("camera").GatewayNodes.AsEnumerable());
    }

    [Fact]
    public void Without_a_gateway_a_device_is_told_so_keeps_its_prefixes_and_nothing_for_it_leaves_in_the_clear()
    {
        var plan = Edges().With(Behind("camera", 9, "edge", "192.168.7.0/24"), Peer("other", 10, 0, "192.168.7.0/24")).Plan();

        var outcome = plan.Outcome("camera");
        Assert.Equal((PeerAdmission.Refused, PeerReason.NoGateway, null), (outcome.Admission, outcome.Reason, outcome.Gateway));
        Assert.Equal("spec.gateways.nodeSelector: no node of the mesh that has a key has the labels edge=yes", plan.Message("camera"));
        Assert.False(plan.HasPeer("camera"));
        Assert.Empty(plan.AllowedIps("other")); // or the device would lose it when its gateways are away
        Assert.All(["a", "b", "c"], node => Assert.DoesNotContain("camera", Names(plan, node)));
        Assert.Contains("192.168.7.0/24", plan.ForNode("a", 1)!.Settings.MeshCidrs);
    }

    [Fact]
    public void Devices_behind_different_gateways_cross_each_other()
    {
        var cluster = Three with
        {
            Nodes = [Three.Nodes[0] with { Labels = Labels("one=yes") }, Three.Nodes[1] with { Labels = Labels("one=yes", "two=yes") }, Three.Nodes[2]],
        };
        var plan = cluster.With(
            Peer("x", 8, 0, "192.168.1.0/24") with { GatewaySelector = Labels("one=yes") },
            Peer("y", 9, 0, "192.168.2.0/24") with { GatewaySelector = Labels("two=yes") },
            Peer("z", 10, 0, "192.168.3.0/24") with { GatewaySelector = Labels("two=yes") }).Plan();

        Assert.Equal(("x", "b", "b"), (OwnerOf(plan, "a", "192.168.1.0/24"), OwnerOf(plan, "a", "192.168.2.0/24"), OwnerOf(plan, "a", "192.168.3.0/24")));
        Assert.Equal(("x", "y", "z"), (OwnerOf(plan, "b", "192.168.1.0/24"), OwnerOf(plan, "b", "192.168.2.0/24"), OwnerOf(plan, "b", "192.168.3.0/24")));
        Assert.Equal(("a", "b", "b"), (OwnerOf(plan, "c", "192.168.1.0/24"), OwnerOf(plan, "c", "192.168.2.0/24"), OwnerOf(plan, "c", "192.168.3.0/24")));
    }

    [Fact]
    public void A_gateway_carries_to_another_gateway_only_what_that_does_not_admit_itself()
    {
        var cluster = Three with
        {
            Nodes = [Three.Nodes[0] with { Labels = Labels("one=yes") }, Three.Nodes[1] with { Labels = Labels("one=yes", "two=yes") }, Three.Nodes[2]],
            Gateways = ClusterState.Empty.Gateways.Add("x", "b").Add("y", "b"),
        };
        var plan = cluster.With(
            Peer("x", 8, 0, "192.168.1.0/24") with { GatewaySelector = Labels("one=yes") },
            Peer("y", 9, 0, "192.168.2.0/24") with { GatewaySelector = Labels("two=yes") }).Plan();

        Assert.Equal(("x", "b"), (OwnerOf(plan, "a", "192.168.1.0/24"), OwnerOf(plan, "a", "192.168.2.0/24")));
        Assert.Equal(("b", "b"), (OwnerOf(plan, "c", "192.168.1.0/24"), OwnerOf(plan, "c", "192.168.2.0/24")));
    }

    [Fact]
    public void A_gateways_peer_that_has_another_name_than_its_node_carries_the_device()
    {
        var plan = Edges("a").With(Peer("pin", 77) with { NodeName = "a" }, Behind("camera", 9, "edge", "192.168.7.0/24")).Plan();
        Assert.Equal("a", plan.Outcome("camera").Gateway);
        Assert.Equal("pin", OwnerOf(plan, "b", "192.168.7.0/24"));
        Assert.Equal(["b", "c", "camera"], Names(plan, "a"));
    }

    [Fact]
    public void The_text_for_a_device_lists_its_gateways_and_the_chosen_one_carries_the_rest_of_the_mesh()
    {
        var cluster = Edges("a", "b").With(Behind("camera", 9, "edge")).With(Peer("pin", 77, 0, "172.30.0.0/16") with { NodeName = "c" });
        var plan = (cluster with { Mesh = MeshRecord.Default with { PodCidrs = Cidrs("10.244.0.0/16") } }).Plan();
        var text = PeerConfigText.Write(plan, plan.Outcome("camera"));

        Assert.Equal(["a, through which the nodes that are not listed are reached", "b"],
            text.Split("[Peer]\n# ")[1..].Select(part => part[..part.IndexOf('\n', StringComparison.Ordinal)]));
        var allowed = text.Split('\n').Where(line => line.StartsWith("AllowedIPs", StringComparison.Ordinal)).ToList();
        Assert.Equal("AllowedIPs = 10.90.0.1/32, 10.244.1.0/24, fd00:244:1::/64, fd90:90::1/128, "
            + "10.90.0.0/16, 10.244.0.0/16, fd00:244:3::/64, fd90:90::/64, 172.30.0.0/16", allowed[0]);
        Assert.Equal("AllowedIPs = 10.90.0.2/32, 10.244.2.0/24, fd00:244:2::/64, fd90:90::2/128", allowed[1]); // more specific: they stay its own
    }

    [Fact]
    public void The_text_for_a_device_that_all_nodes_admit_says_nothing_of_what_is_behind_gateways()
    {
        var plan = Edges("a").With(Behind("camera", 9, "edge", "192.168.7.0/24"), Peer("laptop", 10)).Plan();
        Assert.DoesNotContain("192.168.7.0", PeerConfigText.Write(plan, plan.Outcome("laptop")), StringComparison.Ordinal);
    }

    /// <summary>The nodes a, b and c, of which these have the label edge=yes.</summary>
    private static ClusterState Edges(params string[] nodes) => Three with
    {
        Nodes = [.. Three.Nodes.Select(node => nodes.Contains(node.Name) ? node with { Labels = Labels("edge=yes") } : node)],
    };

    private static PeerRecord Behind(string name, int key, string label, params string[] allowedIps) =>
        Peer(name, key, 0, allowedIps) with { GatewaySelector = Labels($"{label}=yes") };

    private static IEnumerable<string> Names(MeshPlan plan, string node) => plan.ForNode(node, 1)!.Peers.Select(peer => peer.Name);

    /// <summary>The peer that a node sends to for this prefix.</summary>
    private static string OwnerOf(MeshPlan plan, string node, string prefix) =>
        plan.ForNode(node, 1)!.Peers.Single(peer => peer.AllowedIps.Contains(prefix)).Name;
}
