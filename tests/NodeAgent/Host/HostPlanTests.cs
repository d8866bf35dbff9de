using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.Host;
using Route = WgMesh.Engine.Linux.Netlink.Route;

namespace WgMesh.NodeAgent.Tests.Host;

public sealed class HostPlanTests
{
    private static readonly Link Tun = new() { Index = 7, Name = "wg0", Mtu = 1500, Kind = "tun", HasAutomaticIPv6Address = true };
    private static readonly HostActual Fresh = new(Tun, [], []);

    private static readonly HostState Desired = new()
    {
        Interface = "wg0",
        Addresses = [P("10.90.0.1/32"), P("fd90::1/128")],
        Mtu = 1420,
        Routes = [P("10.244.2.0/24"), P("fd00:244:2::/64")],
        Blackholes = [P("10.244.0.0/16"), P("fd00:244::/48")],
        SourceIPv4 = P("10.90.0.1/32"),
        SourceIPv6 = P("fd90::1/128"),
    };

    private static readonly HostActual Done = new(
        Tun with { Mtu = 1420, IsUp = true, HasAutomaticIPv6Address = false },
        [Address("10.90.0.1/32"), Address("fd90::1/128")],
        [
            Through("10.244.2.0/24", "10.90.0.1"), Through("fd00:244:2::/64", "fd90::1"),
            Blackhole("10.244.0.0/16"), Blackhole("fd00:244::/48"),
        ]);

    [Fact]
    public void What_closes_comes_first_and_what_leads_in_comes_last() => Assert.Equal<HostOperation>(
        [
            new HostOperation.AddRoute(Blackhole("10.244.0.0/16")),
            new HostOperation.AddRoute(Blackhole("fd00:244::/48")),
            new HostOperation.DisableAutomaticIPv6Address(7),
            new HostOperation.SetMtu(7, 1420),
            new HostOperation.SetUp(7),
            new HostOperation.AddAddress(Address("10.90.0.1/32")),
            new HostOperation.AddAddress(Address("fd90::1/128")),
            new HostOperation.AddRoute(Through("10.244.2.0/24", "10.90.0.1")),
            new HostOperation.AddRoute(Through("fd00:244:2::/64", "fd90::1")),
        ],
        HostPlan.Compute(Desired, Fresh));

    [Fact]
    public void What_is_right_is_left_alone() => Assert.Empty(HostPlan.Compute(Desired, Done));

    [Fact]
    public void What_is_named_twice_is_done_once()
    {
        var twice = Desired with { Routes = [.. Desired.Routes, .. Desired.Routes], Addresses = [.. Desired.Addresses, .. Desired.Addresses], Blackholes = [.. Desired.Blackholes, .. Desired.Blackholes] };
        Assert.Equal<HostOperation>(HostPlan.Compute(Desired, Fresh), HostPlan.Compute(twice, Fresh));
        Assert.Empty(HostPlan.Compute(twice, Done));
    }

    [Fact]
    public void Without_an_interface_the_blackholes_are_there_already() => Assert.Equal<HostOperation>(
        [new HostOperation.AddRoute(Blackhole("10.244.0.0/16")), new HostOperation.AddRoute(Blackhole("fd00:244::/48"))],
        HostPlan.Compute(Desired, new HostActual(null, [], [])));

    [Fact]
    public void What_is_no_longer_wanted_goes_after_its_successors_came_and_blackholes_go_last()
    {
        var moved = Desired with
        {
            Addresses = [P("10.90.0.2/32"), P("fd90::1/128")],
            SourceIPv4 = P("10.90.0.2/32"),
            Routes = [P("10.244.2.0/24"), P("10.244.3.0/24")],
            Blackholes = [P("10.0.0.0/8")],
        };
        Assert.Equal<HostOperation>(
            [
                new HostOperation.AddRoute(Blackhole("10.0.0.0/8")),
                new HostOperation.AddAddress(Address("10.90.0.2/32")),
                new HostOperation.ReplaceRoute(Through("10.244.2.0/24", "10.90.0.2")),
                new HostOperation.AddRoute(Through("10.244.3.0/24", "10.90.0.2")),
                new HostOperation.DeleteRoute(Through("fd00:244:2::/64", "fd90::1")),
                new HostOperation.DeleteAddress(Address("10.90.0.1/32")),
                new HostOperation.DeleteRoute(Blackhole("10.244.0.0/16")),
                new HostOperation.DeleteRoute(Blackhole("fd00:244::/48")),
            ],
            HostPlan.Compute(moved, Done));
    }

    [Fact]
    public void A_route_that_leads_elsewhere_is_replaced_in_one_step()
    {
        var astray = Through("10.244.2.0/24", "10.90.0.1") with { LinkIndex = 3, Source = null };
        var actual = Done with { Routes = [.. Done.Routes.Skip(1), astray] };
        Assert.Equal<HostOperation>([new HostOperation.ReplaceRoute(Through("10.244.2.0/24", "10.90.0.1"))], HostPlan.Compute(Desired, actual));
    }

    [Fact]
    public void Our_routes_in_other_tables_and_with_other_metrics_are_stale()
    {
        var old = Through("10.244.2.0/24", "10.90.0.1") with { Metric = 5 };
        var other = Through("10.244.2.0/24", "10.90.0.1") with { Table = 77 };
        Assert.Equal<HostOperation>(
            [new HostOperation.DeleteRoute(old), new HostOperation.DeleteRoute(other)],
            HostPlan.Compute(Desired, Done with { Routes = [.. Done.Routes, old, other] }));
    }

    [Fact]
    public void Reset_keeps_the_way_closed_until_the_interface_is_gone() => Assert.Equal<HostOperation>(
        [
            new HostOperation.DeleteRoute(Through("10.244.2.0/24", "10.90.0.1")),
            new HostOperation.DeleteRoute(Through("fd00:244:2::/64", "fd90::1")),
            new HostOperation.DeleteLink(7),
            new HostOperation.DeleteRoute(Blackhole("10.244.0.0/16")),
            new HostOperation.DeleteRoute(Blackhole("fd00:244::/48")),
        ],
        HostPlan.ComputeReset(Done));

    [Fact]
    public void A_prefix_is_no_address()
    {
        var e = Assert.Throws<ArgumentException>(() => HostPlan.Compute(Desired with { Addresses = [P("10.90.0.0/24")] }, Fresh));
        Assert.Equal("addresses: 10.90.0.0/24 is a prefix, not an address, which has the length 32.", e.Message);
    }

    private static Prefix P(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text);

    private static LinkAddress Address(string text) => new(7, P(text).Address, P(text).Length, P(text).IsIPv6);

    private static Route Through(string destination, string source) =>
        new() { Destination = P(destination), LinkIndex = 7, Source = P(source).Address, Metric = HostPlan.TunnelMetric };

    private static Route Blackhole(string destination) =>
        new() { Destination = P(destination), Type = RouteType.Blackhole, Metric = HostPlan.BlackholeMetric };
}
