using System.Collections.Immutable;
using System.Net;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using WgMesh.Rpc;
using WgMesh.NodeAgent.Tests.Sync;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.DataPlane;

public sealed class HostMappingTests
{
    [Fact]
    public void The_host_gets_the_nodes_addresses_the_peers_routes_and_the_blackholes()
    {
        var state = HostMapping.From(Desired(Config(1, Node("b"))), "wgmesh0", 1500);

        Assert.Equal("wgmesh0", state.Interface);
        Assert.Equal(["10.90.0.1/32", "fd90::1/128"], state.Addresses.Select(a => a.ToString()));
        Assert.Equal(["10.244.2.0/24", "10.90.0.2/32"], state.Routes.Select(r => r.ToString()));
        Assert.Equal(["10.244.0.0/16", "10.90.0.0/24"], state.Blackholes.Select(b => b.ToString()));
        Assert.Equal("10.90.0.1/32", state.SourceIPv4.ToString());
        Assert.Equal("fd90::1/128", state.SourceIPv6.ToString());
    }

    [Theory]
    [InlineData(0, 1500, 1420)] // automatic
    [InlineData(0, 9001, 8921)]
    [InlineData(0, 1300, 1280)] // IPv6 needs 1280, and fragments below carry it
    [InlineData(0, null, 1420)] // no way to any peer yet
    [InlineData(1380, 1500, 1380)] // as configured
    public void The_MTU_is_the_configured_one_or_the_underlays_less_80(uint configured, int? underlay, int mtu) =>
        Assert.Equal(mtu, HostMapping.From(Desired(Config(1).With(c => c.Settings.Mtu = configured)), "wgmesh0", underlay).Mtu);

    [Fact]
    public void A_family_without_an_address_has_no_source()
    {
        var state = HostMapping.From(Desired(Config(1).With(c => c.Settings.Addresses.RemoveAt(1))), "wgmesh0", 1500);

        Assert.Null(state.SourceIPv6);
    }

    [Fact]
    public void An_open_mesh_has_no_blackholes() =>
        Assert.Empty(HostMapping.From(Desired(Config(1).With(c => c.Settings.FailurePolicy = FailurePolicy.Open)), "wgmesh0", 1500).Blackholes);

    private static DesiredState Desired(NodeConfig config) =>
        DesiredState.From(CheckedConfig.From(config, "a", Key("own"), [1], out _)!, _ => ImmutableArray<IPAddress>.Empty, []);
}
