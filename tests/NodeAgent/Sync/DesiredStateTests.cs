using System.Collections.Immutable;
using System.Net;
using WgMesh.NodeAgent.Sync;
using WgMesh.Rpc;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class DesiredStateTests
{
    private readonly Dictionary<string, string[]> _names = [];

    [Fact]
    public void Other_nodes_prefixes_become_routes_and_this_nodes_own_do_not()
    {
        var state = State(Config(1, Node("b"), Node("c"), External("laptop", "", "10.99.0.2/32")));

        Assert.Equal(
            ["10.244.2.0/24", "10.90.0.2/32", "10.244.3.0/24", "10.90.0.3/32", "10.99.0.2/32"],
            state.Routes.Select(r => r.ToString()));
        Assert.Empty(state.Errors);
    }

    [Theory]
    [InlineData("10.244.1.0/24", "10.244.1.0/24")] // the pod CIDR itself
    [InlineData("10.244.1.77/32", "10.244.1.0/24")] // a pod
    [InlineData("10.90.0.1/32", "own address")]
    public void An_allowed_IP_of_this_nodes_own_is_left_out_with_an_error(string prefix, string why)
    {
        var state = State(Config(1, External("thief", "", prefix, "10.99.0.0/24")));

        Assert.Equal(["10.99.0.0/24"], state.Routes.Select(r => r.ToString()));
        Assert.Equal(["10.99.0.0/24"], state.Peers[0].AllowedIps.Select(r => r.ToString()));
        Assert.Contains("thief", Assert.Single(state.Errors), StringComparison.Ordinal);
        Assert.Contains(why, state.Errors[0], StringComparison.Ordinal);
    }

    [Fact]
    public void An_allowed_IP_around_this_nodes_own_is_less_specific_and_harmless() =>
        Assert.Empty(State(Config(1, External("site", "", "10.244.0.0/16"))).Errors);

    [Theory]
    [InlineData("198.51.100.0/24")]
    [InlineData("198.51.100.10/32")]
    [InlineData("0.0.0.0/0")]
    public void A_route_never_covers_the_operator(string prefix)
    {
        var state = State(Config(1, External("exit", "", prefix)), "198.51.100.10");

        Assert.Empty(state.Routes);
        Assert.Contains("operator", Assert.Single(state.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_route_never_covers_any_address_of_an_operator_that_has_a_name()
    {
        _names["op.example.net"] = ["203.0.113.1", "198.51.100.10"];

        Assert.Empty(State(Config(1, External("exit", "", "198.51.100.0/24")), "op.example.net").Routes);
    }

    [Theory]
    [InlineData("192.0.2.0/24")]
    [InlineData("192.0.2.2/32")]
    public void A_route_never_covers_a_peers_endpoint(string prefix)
    {
        var state = State(Config(1, Node("b"), External("exit", "", prefix, "10.99.0.2/32")));

        Assert.Equal(["10.244.2.0/24", "10.90.0.2/32", "10.99.0.2/32"], state.Routes.Select(r => r.ToString()));
        Assert.NotNull(state.Peers[0].Endpoint);
        var error = Assert.Single(state.Errors);
        Assert.Contains("'exit'", error, StringComparison.Ordinal);
        Assert.Contains("192.0.2.2 of peer 'b'", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_route_never_covers_its_own_peers_endpoint()
    {
        var state = State(Config(1, External("site", "[2001:db8::5]:51820", "2001:db8::/32", "fd50::/48")));

        Assert.Equal(["fd50::/48"], state.Routes.Select(r => r.ToString()));
        Assert.Single(state.Errors);
    }

    [Fact]
    public void A_route_just_beside_an_endpoint_is_kept() =>
        Assert.Empty(State(Config(1, Node("b"), Node("c"), External("site", "", "192.0.2.4/30", "192.0.2.0/31"))).Errors);

    [Fact]
    public void An_external_peers_endpoint_does_not_take_a_nodes_pods_away()
    {
        _names["evil.example.net"] = ["10.244.2.9"];
        var state = State(Config(1, Node("b"), External("evil", "evil.example.net:1", "10.99.0.2/32")));

        Assert.Contains("10.244.2.0/24", state.Routes.Select(r => r.ToString()));
        Assert.Null(state.Peers[1].Endpoint);
        Assert.Contains("'evil': endpoint 10.244.2.9", Assert.Single(state.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_not_known_yet_costs_its_peer_the_endpoint_and_nobody_else_anything()
    {
        var state = State(Config(1, External("site", "gw.example.net:1", "10.50.0.0/16"), Node("b")));

        Assert.Null(state.Peers[0].Endpoint);
        Assert.Equal(["10.50.0.0/16"], state.Peers[0].AllowedIps.Select(r => r.ToString()));
        Assert.Equal("192.0.2.2:51820", state.Peers[1].Endpoint.ToString());
    }

    [Fact]
    public void A_name_is_resolved_to_its_first_address()
    {
        _names["gw.example.net"] = ["2001:db8::7", "203.0.113.7"];

        Assert.Equal("[2001:db8::7]:4500", State(Config(1, External("site", "gw.example.net:4500"))).Peers[0].Endpoint.ToString());
    }

    [Fact]
    public void A_closed_mesh_blackholes_its_CIDRs_and_an_open_one_does_not()
    {
        Assert.Equal(["10.244.0.0/16", "10.90.0.0/24"], State(Config(1)).Blackholes.Select(b => b.ToString()));
        Assert.Empty(State(Config(1).With(c => c.Settings.FailurePolicy = FailurePolicy.Open)).Blackholes);
    }

    [Fact]
    public void What_lies_behind_external_peers_is_closed_too_once()
    {
        var state = State(Config(1, Node("b"), External("site", "", "10.50.0.0/16", "fd50::/48")));

        Assert.Equal(["10.244.0.0/16", "10.90.0.0/24", "10.50.0.0/16", "fd50::/48"], state.Blackholes.Select(b => b.ToString()));
    }

    [Fact]
    public void A_blackhole_never_covers_the_way_to_another_node()
    {
        var state = State(Config(1, Node("b")).With(c => c.Settings.MeshCidrs.Add("192.0.2.0/24"))); // b is at 192.0.2.2

        Assert.DoesNotContain("192.0.2.0/24", state.Blackholes.Select(b => b.ToString()));
        Assert.Contains("node 'b'", Assert.Single(state.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_blackhole_never_covers_the_operator()
    {
        var state = State(Config(1), "10.244.7.7");

        Assert.Equal(["10.90.0.0/24"], state.Blackholes.Select(b => b.ToString()));
        Assert.Contains("not closed", Assert.Single(state.Errors), StringComparison.Ordinal);
    }

    private DesiredState State(NodeConfig config, params string[] operators) => DesiredState.From(
        CheckedConfig.From(config, "a", Key("own"), [1], out _)!,
        name => _names.TryGetValue(name, out var addresses) ? [.. addresses.Select(IPAddress.Parse)] : ImmutableArray<IPAddress>.Empty,
        operators);
}
