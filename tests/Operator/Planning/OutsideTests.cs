using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

/// <summary>Nodes on which no agent runs.</summary>
public class OutsideTests
{
    private static readonly ClusterState WithOutside = Three with
    {
        Outside = [Node("win", 9, "192.0.2.9", "10.244.9.0/24", "10.245.0.0/24") with { HostAddresses = Cidrs("192.0.2.9") }],
    };

    [Fact]
    public void A_node_outside_is_none_of_the_mesh_and_takes_nothing_from_one_within()
    {
        var plan = (WithOutside with { Outside = [.. WithOutside.Outside, Node("robber", 99, null, "10.244.1.0/24")] }).Announcing("win", 4).Plan();
        Assert.Equal(["a", "b", "c"], plan.Nodes.Keys);
        Assert.Equal(["a", "b", "c"], plan.Outcomes.Select(outcome => outcome.Name));
        Assert.Contains("10.244.1.0/24", plan.AllowedIps("a"));
        Assert.Empty(plan.Conflicts);
    }

    [Fact]
    public void Nobody_is_given_what_belongs_to_a_node_outside()
    {
        var plan = (WithOutside with { Mesh = MeshRecord.Default with { AddressPools = Cidrs("10.244.9.0/28", "10.90.0.0/24") } })
            .With(Peer("greedy", 9, 0, "10.244.9.0/25", "10.245.0.7/32", "192.0.2.9/32"))
            .Plan();
        Assert.Empty(plan.AllowedIps("greedy"));
        Assert.Contains("overlaps 10.244.9.0/24, a pod CIDR of Node win", plan.Message("greedy"), StringComparison.Ordinal);
        Assert.Contains("overlaps 192.0.2.9/32, an underlay address of Node win", plan.Message("greedy"), StringComparison.Ordinal);
        Assert.All(plan.Nodes.Values, node => Assert.StartsWith("10.90.0.", Assert.Single(node.Addresses), StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_for_pods_outside_does_not_leave_in_the_clear() =>
        Assert.Contains("10.245.0.0/24", WithOutside.Plan().ForNode("a", 1)!.Settings.MeshCidrs);

    [Fact]
    public void A_peer_that_pins_the_key_of_a_node_outside_is_told_why_it_cannot() => Assert.Equal(
        "spec.nodeName: Node win is not in the mesh, for its label kubernetes.io/os says that it does not run Linux",
        WithOutside.With(Peer("pin", 9) with { NodeName = "win" }).Plan().Message("pin"));
}
