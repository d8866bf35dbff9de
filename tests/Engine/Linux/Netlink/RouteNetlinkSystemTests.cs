using System.Text.Json;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux.Netlink;

/// <summary>What is done here is looked at with <c>ip</c>, and the other way round.</summary>
[Trait("needs", "system")]
public sealed class RouteNetlinkSystemTests : IDisposable
{
    private readonly NetNamespace _space = new();
    private readonly RouteNetlink _netlink;

    public RouteNetlinkSystemTests()
    {
        _netlink = _space.Run(RouteNetlink.Open);
        _space.Ip("tuntap add wg0 mode tun");
    }

    private Link Wg0 => _netlink.FindLink("wg0")!;

    public void Dispose()
    {
        _netlink.Dispose();
        _space.Dispose();
    }

    [Fact]
    public void Links_are_found_by_name_and_index_and_listed()
    {
        var link = Wg0;
        Assert.Equal(("wg0", 1500, false, "tun", false), (link.Name, link.Mtu, link.IsUp, link.Kind, link.IsLoopback));
        Assert.Equal(Ip("-j link show wg0")[0].GetProperty("ifindex").GetInt32(), link.Index);
        Assert.Equal(link, _netlink.FindLink(link.Index));
        Assert.Contains(link, _netlink.GetLinks());
        Assert.Contains(_netlink.GetLinks(), l => l is { Name: "lo", IsLoopback: true });
        Assert.Null(_netlink.FindLink("nobody"));
        Assert.Null(_netlink.FindLink(4711));
    }

    [Fact]
    public void A_link_is_set_up_resized_renamed_and_deleted()
    {
        var index = Wg0.Index;
        _netlink.SetLinkMtu(index, 1420);
        _netlink.SetLinkUp(index, true);
        var shown = Ip("-j link show wg0")[0];
        Assert.Equal(1420, shown.GetProperty("mtu").GetInt32());
        Assert.Contains(shown.GetProperty("flags").EnumerateArray(), f => f.GetString() == "UP");
        Assert.True(Wg0.IsUp);

        _netlink.SetLinkUp(index, false);
        Assert.False(Wg0.IsUp);
        _netlink.RenameLink(index, "mesh0");
        Assert.Equal(index, _netlink.FindLink("mesh0")!.Index);
        _netlink.DeleteLink(index);
        Assert.Null(_netlink.FindLink(index));
    }

    [Fact]
    public void Automatic_IPv6_addresses_are_switched_off_before_the_link_comes_up()
    {
        Assert.True(Wg0.HasAutomaticIPv6Address);
        _netlink.DisableAutomaticIPv6Address(Wg0.Index);
        Assert.False(Wg0.HasAutomaticIPv6Address);
        _netlink.SetLinkUp(Wg0.Index, true);
        Assert.DoesNotContain(_netlink.GetAddresses(), a => a.LinkIndex == Wg0.Index);
    }

    [Theory]
    [InlineData("10.244.1.1/32")]
    [InlineData("fd00:244:1::1/128")]
    public void An_address_is_added_usable_at_once_and_deleted(string text)
    {
        var prefix = ToPrefix(text);
        var address = new LinkAddress(Wg0.Index, prefix.Address, prefix.Length, prefix.IsIPv6) { NoPrefixRoute = true };
        _netlink.SetLinkUp(Wg0.Index, true);
        _netlink.AddAddress(address);
        Assert.Contains(address, _netlink.GetAddresses());
        var shown = Ip("-j addr show dev wg0")[0].GetProperty("addr_info").EnumerateArray().Single(a => $"{a.GetProperty("local")}/{a.GetProperty("prefixlen")}" == text);
        Assert.True(shown.GetProperty("noprefixroute").GetBoolean());
        Assert.False(shown.TryGetProperty("tentative", out _));

        Assert.Equal(Errno.EEXIST, Assert.Throws<LinkException>(() => _netlink.AddAddress(address)).Errno);
        _netlink.DeleteAddress(address);
        Assert.DoesNotContain(address, _netlink.GetAddresses());
        Assert.Equal(Errno.EADDRNOTAVAIL, Assert.Throws<LinkException>(() => _netlink.DeleteAddress(address)).Errno);
    }

    [Theory]
    [InlineData("10.244.2.0/24", "10.244.1.1")]
    [InlineData("fd00:244:2::/64", "fd00:244:1::1")]
    public void A_route_is_added_replaced_and_deleted(string destination, string source)
    {
        _netlink.SetLinkUp(Wg0.Index, true);
        _netlink.AddAddress(new LinkAddress(Wg0.Index, ToPrefix(source).Address, (byte)ToPrefix(source).Bits, ToPrefix(source).IsIPv6));
        var family = ToPrefix(destination).IsIPv6 ? "-6" : "-4";
        var route = new Route { Destination = ToPrefix(destination), LinkIndex = Wg0.Index, Metric = 5 };

        _netlink.AddRoute(route);
        Assert.Equal(Errno.EEXIST, Assert.Throws<LinkException>(() => _netlink.AddRoute(route)).Errno);
        Assert.Equal([route], _netlink.GetRoutes(Route.MainTable, Route.WgMeshProtocol));

        var replaced = route with { Source = ToPrefix(source).Address };
        _netlink.ReplaceRoute(replaced);
        Assert.Equal([replaced], _netlink.GetRoutes(protocol: Route.WgMeshProtocol));
        var shown = Assert.Single(Ip($"-j {family} route show proto 107").EnumerateArray());
        Assert.Equal((destination, "wg0", source, 5), (Text(shown, "dst"), Text(shown, "dev"), Text(shown, "prefsrc"), shown.GetProperty("metric").GetInt32()));

        _netlink.DeleteRoute(replaced);
        Assert.Empty(_netlink.GetRoutes(protocol: Route.WgMeshProtocol));
        Assert.Equal(Errno.ESRCH, Assert.Throws<LinkException>(() => _netlink.DeleteRoute(replaced)).Errno);
    }

    [Theory]
    [InlineData("10.244.0.0/16", RouteType.Blackhole)]
    [InlineData("10.244.0.0/16", RouteType.Unreachable)]
    [InlineData("fd00:244::/48", RouteType.Blackhole)]
    [InlineData("fd00:244::/48", RouteType.Unreachable)]
    public void A_route_to_nowhere_is_added_read_back_and_deleted(string destination, RouteType type)
    {
        var route = new Route { Destination = ToPrefix(destination), Type = type, Metric = 4_000_000_000 };
        _netlink.AddRoute(route);
        Assert.Equal([route], _netlink.GetRoutes(protocol: Route.WgMeshProtocol));
        var shown = Assert.Single(Ip($"-j {(route.Destination.IsIPv6 ? "-6" : "-4")} route show proto 107").EnumerateArray());
        Assert.Equal((type.ToString().ToLowerInvariant(), destination), (Text(shown, "type"), Text(shown, "dst")));
        _netlink.DeleteRoute(route);
        Assert.Empty(_netlink.GetRoutes(protocol: Route.WgMeshProtocol));
    }

    [Fact]
    public void A_route_by_a_gateway_in_a_table_of_its_own_is_listed_by_table_and_looked_up_by_rule()
    {
        _space.Ip("addr add 192.0.2.1/24 dev wg0");
        _netlink.SetLinkUp(Wg0.Index, true);
        Assert.Empty(_netlink.GetRoutes(51820));
        var route = new Route { Destination = ToPrefix("0.0.0.0/0"), LinkIndex = Wg0.Index, Gateway = 0xc00002fe, Table = 51820 };
        _netlink.AddRoute(route);
        Assert.Equal([route], _netlink.GetRoutes(51820));

        var somewhere = new Endpoint(0xc6336401, 1, false);
        Assert.Null(_netlink.FindRoute(somewhere));
        var rule = new Rule { IsIPv6 = false, Priority = 1000, Table = 51820, Mark = 7 };
        _netlink.AddRule(rule);
        Assert.Contains(rule, _netlink.GetRules());
        Assert.Contains("fwmark 0x7 lookup 51820", _space.Ip("rule"), StringComparison.Ordinal);
        Assert.Null(_netlink.FindRoute(somewhere));
        Assert.Equal((Wg0.Index, (UInt128?)0xc00002fe), (_netlink.FindRoute(somewhere, mark: 7)!.LinkIndex, _netlink.FindRoute(somewhere, mark: 7)!.Gateway));

        _netlink.DeleteRule(rule);
        Assert.DoesNotContain(rule, _netlink.GetRules());
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinkException>(() => _netlink.DeleteRule(rule)).Errno);
    }

    [Fact]
    public void Rules_of_wg_quick_are_read_as_they_were_written()
    {
        Rule[] rules =
        [
            new() { IsIPv6 = true, Priority = 10, Table = 51820, Mark = 51820, Invert = true },
            new() { IsIPv6 = true, Priority = 11, Table = 254, SuppressPrefixLength = 0 },
            new() { IsIPv6 = true, Priority = 12, Table = 254, Source = ToPrefix("fd00::/8"), InputInterface = "wg0" },
        ];
        Array.ForEach(rules, _netlink.AddRule);
        Assert.Equal(rules, _netlink.GetRules().Where(r => r.Protocol == Route.WgMeshProtocol));
        Array.ForEach(rules, _netlink.DeleteRule);
    }

    [Fact]
    public void A_foreign_route_is_read_with_its_own_protocol()
    {
        _netlink.SetLinkUp(Wg0.Index, true);
        _space.Ip("route add 10.0.0.0/8 dev wg0 proto static mtu 1280");
        var route = Assert.Single(_netlink.GetRoutes(Route.MainTable), r => r.Destination == ToPrefix("10.0.0.0/8"));
        Assert.Equal((4, 1280, Wg0.Index), (route.Protocol, route.Mtu, route.LinkIndex));
        Assert.Empty(_netlink.GetRoutes(Route.MainTable, Route.WgMeshProtocol));
    }

    [Fact]
    public void An_error_carries_the_operation_the_errno_and_the_kernels_words()
    {
        var index = Wg0.Index;
        var e = Assert.Throws<LinkException>(() => _netlink.SetLinkMtu(index, 20));
        Assert.Equal(Errno.EINVAL, e.Errno);
        Assert.Contains("set the MTU of interface", e.Message, StringComparison.Ordinal);
        Assert.Equal("mtu less than device minimum", e.KernelMessage);
        Assert.Contains("mtu less than device minimum", e.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.ENODEV, Assert.Throws<LinkException>(() => _netlink.SetLinkUp(4711, true)).Errno);
    }

    [Fact]
    public void A_dump_longer_than_one_datagram_is_complete_and_each_route_is_in_it_once()
    {
        _netlink.SetLinkUp(Wg0.Index, true);
        var routes = Enumerable.Range(0, 3000).Select(i => new Route { Destination = Prefix.Create(0x0a000000u + ((uint)i << 8), 24, false), LinkIndex = Wg0.Index, Metric = 1 }).ToArray();
        Array.ForEach(routes, _netlink.AddRoute);
        Assert.Equal(routes, _netlink.GetRoutes(Route.MainTable, Route.WgMeshProtocol));
    }

    [Fact]
    public void Without_IPv6_in_the_namespace_everything_else_works()
    {
        _space.Exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1");
        _netlink.SetLinkUp(Wg0.Index, true);
        _netlink.AddAddress(new LinkAddress(Wg0.Index, 0x0a000001, 32, false));
        Assert.Single(_netlink.GetAddresses(), a => a.LinkIndex == Wg0.Index);
        Assert.Null(_netlink.FindRoute(new Endpoint(((UInt128)0x2001_0db8 << 96) | 1, 1, true)));
        var e = Assert.Throws<LinkException>(() => _netlink.AddAddress(new LinkAddress(Wg0.Index, ((UInt128)0xfd00 << 112) | 1, 128, true)));
        Assert.Contains("IPv6 is disabled", e.KernelMessage, StringComparison.Ordinal);
    }

    private JsonElement Ip(string arguments) => JsonDocument.Parse(_space.Ip(arguments)).RootElement;

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static Prefix ToPrefix(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text);
}
