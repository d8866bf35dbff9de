using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.Host;
using WgMesh.Tests.Shared;
using Endpoint = WgMesh.Engine.Endpoint;
using Route = WgMesh.Engine.Linux.Netlink.Route;

namespace WgMesh.NodeAgent.Tests.Host;

[Trait("needs", "system")]
public sealed class HostNetworkSystemTests : IDisposable
{
    private static readonly HostState Desired = new()
    {
        Interface = "wg0",
        Addresses = [P("10.90.0.1/32"), P("fd90::1/128")],
        Mtu = 1420,
        Routes = [P("10.90.0.2/32"), P("10.244.2.0/24"), P("fd00:244:2::/64")],
        Blackholes = [P("10.244.0.0/16"), P("10.90.0.0/24"), P("fd00:244::/48")],
        SourceIPv4 = P("10.90.0.1/32"),
        SourceIPv6 = P("fd90::1/128"),
    };

    private readonly NetNamespace _space = new();
    private readonly RouteNetlink _netlink;
    private readonly HostNetwork _host;

    public HostNetworkSystemTests()
    {
        _netlink = _space.Run(RouteNetlink.Open);
        _host = new HostNetwork(_netlink);
        _space.Ip("link add eth0 type veth peer name far");
        _space.Ip("addr add 192.0.2.1/24 dev eth0");
        _space.Ip("link set eth0 addrgenmode none");
        _space.Ip("link set eth0 up");
        _space.Ip("link set far up");
    }

    public void Dispose()
    {
        _netlink.Dispose();
        _space.Dispose();
    }

    [Fact]
    public void A_state_is_applied_and_applying_it_again_does_nothing()
    {
        using var tun = OpenTun();
        using var monitor = ApplyAndSettle();

        Assert.Equal(1420, tun.GetMtu());
        Assert.Equal(
            [
                "10.244.2.0/24 dev wg0 scope link src 10.90.0.1 metric 1",
                "10.90.0.2 dev wg0 scope link src 10.90.0.1 metric 1",
                "blackhole 10.244.0.0/16 metric 4000000000",
                "blackhole 10.90.0.0/24 metric 4000000000",
            ],
            Lines("-4 route show proto 107").Order(StringComparer.Ordinal));
        Assert.Contains(Lines("-6 route show proto 107"), l => l.StartsWith("fd00:244:2::/64 dev wg0 src fd90::1 metric 1 ", StringComparison.Ordinal));
        Assert.Contains(Lines("-6 route show proto 107"), l => l.StartsWith("blackhole fd00:244::/48 ", StringComparison.Ordinal));
        Assert.Equal(["10.90.0.1/32", "fd90::1/128"], Lines("-o addr show dev wg0").Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]));

        Assert.Empty(_host.Plan(Desired));
        Assert.Empty(_host.Apply(Desired));
        Assert.Empty(Read(monitor));
    }

    [Fact]
    public void A_change_touches_only_what_differs()
    {
        using var tun = OpenTun();
        using var monitor = ApplyAndSettle();
        Assert.Empty(_host.Apply(Desired with { Routes = [.. Desired.Routes.Take(2), P("fd00:244:3::/64")] }));

        var events = Read(monitor);
        Assert.Equal([P("fd00:244:3::/64")], events.OfType<LinkEvent.RouteChanged>().Select(e => e.Route.Destination));
        Assert.Equal([P("fd00:244:2::/64")], events.OfType<LinkEvent.RouteGone>().Select(e => e.Route.Destination));
        Assert.Equal(2, events.Count);
    }

    [Fact]
    public void An_address_may_change_under_its_routes()
    {
        using var tun = OpenTun();
        _host.Apply(Desired);
        var moved = Desired with { Addresses = [P("10.90.0.7/32"), P("fd90::7/128")], SourceIPv4 = P("10.90.0.7/32"), SourceIPv6 = P("fd90::7/128") };
        Assert.Empty(_host.Apply(moved));
        Assert.Empty(_host.Plan(moved));
    }

    [Fact]
    public void Routes_that_fall_with_the_last_address_come_back()
    {
        using var tun = OpenTun();
        _host.Apply(Desired);
        var bare = Desired with { Addresses = [], SourceIPv4 = null, SourceIPv6 = null };
        Assert.Empty(_host.Apply(bare));
        Assert.Empty(_host.Plan(bare));
        Assert.Equal(2, Lines("-4 route show proto 107 dev wg0").Length);
    }

    [Fact]
    public void Without_the_interface_the_mesh_is_closed_and_the_fault_says_why()
    {
        Assert.Equal<string>(["interface wg0 does not exist"], _host.Apply(Desired));
        Assert.Equal(3, Lines("-4 route show proto 107").Length + Lines("-6 route show proto 107").Length);
        _space.Ip("route add default via 192.0.2.254");
        Assert.Null(_netlink.FindRoute(new Endpoint(P("10.244.9.1").Address, 1, false)));
    }

    [Fact]
    public void The_mesh_stays_closed_when_the_interface_goes()
    {
        using (OpenTun())
        {
            _host.Apply(Desired);
        }

        _space.Ip("route add default via 192.0.2.254");
        Assert.Null(_netlink.FindRoute(new Endpoint(P("10.244.2.1").Address, 1, false)));
        Assert.NotNull(_netlink.FindRoute(new Endpoint(P("198.51.100.1").Address, 1, false)));

        using var again = OpenTun();
        Assert.Empty(_host.Apply(Desired));
        Assert.Equal(_netlink.FindLink("wg0")!.Index, _netlink.FindRoute(new Endpoint(P("10.244.2.1").Address, 1, false))!.LinkIndex);
    }

    [Fact]
    public void What_an_administrator_undid_is_put_right()
    {
        using var tun = OpenTun();
        _host.Apply(Desired);
        _space.Ip("link set wg0 down");
        _space.Ip("link set wg0 mtu 1300");
        _space.Ip("addr del 10.90.0.1/32 dev wg0");
        _space.Ip("addr add 203.0.113.1/24 dev wg0");
        Assert.Empty(_host.Apply(Desired));
        Assert.Empty(_host.Plan(Desired));
        Assert.Equal(1420, tun.GetMtu());
        Assert.DoesNotContain("203.0.113.1", _space.Ip("addr"), StringComparison.Ordinal);
    }

    [Fact]
    public void Foreign_routes_addresses_and_links_are_untouched_by_apply_and_reset()
    {
        using var tun = OpenTun();
        _space.Ip("link set wg0 up");
        _space.Ip("route add 10.244.0.0/16 via 192.0.2.254 metric 500 proto static");
        _space.Ip("route add 172.16.0.0/12 dev wg0 proto static");
        _space.Ip("route add blackhole 100.64.0.0/10 proto bgp");
        _space.Ip("-6 route add fd01::/64 dev eth0 proto static");
        var before = Foreign();
        Assert.Empty(_host.Apply(Desired));
        Assert.Equal(before, Foreign());
        Assert.Empty(_host.Apply(Desired with { Routes = [], Blackholes = [] }));
        Assert.Equal(before, Foreign());
        Assert.Empty(_host.Reset("wg0"));
        Assert.Equal(before.Where(l => !l.Contains("wg0", StringComparison.Ordinal)), Foreign());

        string[] Foreign() => [.. Lines("-d route show table main").Concat(Lines("-6 -d route show table main")).Concat(Lines("-o addr show dev eth0"))
            .Where(l => !l.Contains("proto 107", StringComparison.Ordinal) && !l.Contains("fe80", StringComparison.Ordinal))];
    }

    [Fact]
    public void A_foreign_route_in_the_way_is_a_fault_that_keeps_nothing_else_from_being_done()
    {
        using var tun = OpenTun();
        _space.Ip("route add 10.244.2.0/24 dev eth0 metric 1 proto static");
        var fault = Assert.Single(_host.Apply(Desired));
        Assert.Contains("10.244.2.0/24", fault, StringComparison.Ordinal);
        Assert.Contains("somebody else's route", fault, StringComparison.Ordinal);
        Assert.Equal(["10.244.2.0/24 dev eth0 proto static scope link metric 1"], Lines("route show 10.244.2.0/24"));
        Assert.Single(Lines("route show 10.90.0.2 proto 107"));
        Assert.NotEmpty(Lines("-6 route show proto 107 dev wg0"));
    }

    [Fact]
    public async Task An_interface_that_is_no_TUN_is_left_as_it_is()
    {
        await Wait.Until(() => _space.Ip("link show dev eth0").Contains("state UP", StringComparison.Ordinal)); // the kernel says so in its own time
        var before = _space.Ip("-d addr show dev eth0");
        Assert.Equal<string>(["interface eth0 is not a TUN, so it is not WgMesh's and is left as it is"], _host.Apply(Desired with { Interface = "eth0" }));
        Assert.Empty(_host.Reset("eth0"));
        Assert.Equal(before, _space.Ip("-d addr show dev eth0"));
    }

    [Fact]
    public void Reset_leaves_nothing_and_is_at_peace_with_nothing()
    {
        using var tun = OpenTun();
        tun.Persist(true);
        Assert.Empty(_host.Apply(Desired));
        Assert.Empty(_host.Reset("wg0"));
        var left = _space.Ip("addr") + _space.Ip("-d -4 route show table all") + _space.Ip("-d -6 route show table all");
        foreach (var trace in new[] { "wg0", "proto 107", "blackhole", "10.90.0.", "fd90::", "10.244.", "fd00:244:" })
        {
            Assert.DoesNotContain(trace, left, StringComparison.Ordinal);
        }

        Assert.Empty(_host.Reset("wg0"));
    }

    [Fact]
    public void The_kernel_gives_the_interface_no_address_of_its_own()
    {
        using var tun = OpenTun();
        _host.Apply(Desired);
        Assert.DoesNotContain("fe80", _space.Ip("addr show dev wg0"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_underlay_is_what_carries_the_endpoints_else_the_default_routes_and_never_the_tunnel()
    {
        using var tun = OpenTun();
        _host.Apply(Desired);
        _space.Ip("link set eth0 mtu 9000");
        _space.Ip("link set far mtu 9000");
        _space.Ip("link add eth1 mtu 1450 type veth peer name far1");
        _space.Ip("addr add 198.51.100.1/24 dev eth1");
        _space.Ip("link set eth1 up");
        _space.Ip("link set far1 up");
        Endpoint near = E("192.0.2.2:51820"), other = E("198.51.100.2:51820"), inside = E("10.244.2.1:51820"), self = E("192.0.2.1:51820"), far = E("203.0.113.1:51820");

        Assert.Null(UnderlayMtu.Find(_netlink, "wg0", []));
        Assert.Null(UnderlayMtu.Find(_netlink, "wg0", [inside, self, far, default]));
        Assert.Equal(9000, UnderlayMtu.Find(_netlink, "wg0", [near, inside]));
        Assert.Equal(1450, UnderlayMtu.Find(_netlink, "wg0", [near, other]));

        _space.Ip("route add default via 192.0.2.254 metric 100");
        _space.Ip("route add default via 198.51.100.254 metric 200");
        _space.Ip("route add default dev wg0 metric 50");
        Assert.Equal(9000, UnderlayMtu.Find(_netlink, "wg0", []));
        Assert.Equal(1450, UnderlayMtu.Find(_netlink, "wg0", [other]));
        _space.Ip("route add 203.0.113.0/24 via 192.0.2.254 mtu 1400");
        Assert.Equal(1400, UnderlayMtu.Find(_netlink, "wg0", [far]));
    }

    private TunDevice OpenTun() => _space.Run(() => TunDevice.Open("wg0"));

    // the kernel announces a new IPv6 address some time after it was added
    private LinkMonitor ApplyAndSettle()
    {
        var monitor = _space.Run(LinkMonitor.Open);
        Assert.Empty(_host.Apply(Desired));
        List<LinkEvent> events = [];
        while (!events.OfType<LinkEvent.AddressChanged>().Any(e => e.Address.Address == P("fd90::1").Address))
        {
            Assert.NotEqual(0u, Poll.Wait([monitor.Descriptor], TimeSpan.FromSeconds(60)));
            monitor.Read(events);
        }

        return monitor;
    }

    // what is ours or the tunnel's, for other interfaces are still coming up; and not the local table (255), where the kernel enters the address still later
    private List<LinkEvent> Read(LinkMonitor monitor)
    {
        List<LinkEvent> events = [];
        monitor.Read(events);
        var tun = _netlink.FindLink("wg0")!.Index;
        events.RemoveAll(e => e switch
        {
            LinkEvent.LinkChanged(var link) => link.Index != tun,
            LinkEvent.AddressChanged(var address) => address.LinkIndex != tun,
            LinkEvent.RouteChanged(var route) => route.Table == 255 || (route.LinkIndex != tun && route.Protocol != Route.WgMeshProtocol),
            _ => false,
        });
        return events;
    }

    private string[] Lines(string arguments) => _space.Ip(arguments).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static Prefix P(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text);

    private static Endpoint E(string text) => Endpoint.TryParse(text, out var endpoint) ? endpoint : throw new ArgumentException(text);
}
