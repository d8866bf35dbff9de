using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.DataPlane;

public sealed class PodNetworkMappingTests
{
    [Fact]
    public void The_mesh_of_a_pod_is_all_that_is_reached_through_the_mesh_and_the_node_itself()
    {
        var config = CheckedConfig.From(
            Config(1, Node("b"), External("site", "", "192.168.7.0/24")).With(c => c.Settings.PodCidrs.Add("fd00:244:1::/64")), "a", null, [1], out var errors)!;
        Assert.Empty(errors);

        var state = PodNetworkMapping.From(DesiredState.From(config, _ => [], []), "wg0", 1420);

        Assert.Equal(["10.244.1.0/24", "fd00:244:1::/64"], state.PodCidrs.Select(p => p.ToString()));
        Assert.Equal(
            ["10.244.0.0/16", "10.90.0.0/24", "10.244.2.0/24", "10.90.0.2/32", "192.168.7.0/24", "10.244.1.0/24", "fd00:244:1::/64"],
            state.MeshPrefixes.Select(p => p.ToString()));
        Assert.Equal(["10.96.0.0/16"], state.ServiceCidrs.Select(p => p.ToString()));
        Assert.Equal(["10.90.0.1/32", "fd90::1/128"], state.Addresses.Select(p => p.ToString()));
        Assert.Equal(("wg0", 1420), (state.Interface, state.Mtu));
    }
}
