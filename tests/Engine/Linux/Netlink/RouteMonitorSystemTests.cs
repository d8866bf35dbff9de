using System.Diagnostics;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux.Netlink;

[Trait("needs", "system")]
public sealed class RouteMonitorSystemTests : IDisposable
{
    private readonly NetNamespace _space = new();
    private readonly RouteMonitor _monitor;

    public RouteMonitorSystemTests()
    {
        _space.Ip("link add eth0 type veth peer name eth1");
        _space.Ip("link set eth0 up");
        _space.Ip("link set eth1 up");
        _space.Ip("addr add 192.0.2.1/24 dev eth0");
        _space.Ip("addr add 2001:db8::1/64 dev eth0 nodad");
        _monitor = _space.Run(RouteMonitor.Open);
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _space.Dispose();
    }

    [Theory]
    [InlineData("198.51.100.0/24", "via 192.0.2.9")]
    [InlineData("0.0.0.0/0", "via 192.0.2.9")]
    [InlineData("2001:db8:1::/48", "via 2001:db8::9")]
    [InlineData("::/0", "via 2001:db8::9")]
    public void A_route_that_comes_or_goes_is_heard_with_its_prefix(string prefix, string way)
    {
        _space.Ip($"route add {prefix} {way}");
        WaitFor(prefix);
        _space.Ip($"route del {prefix} {way}");
        WaitFor(prefix);
    }

    [Theory]
    [InlineData("192.0.2.77", 24, 32)]
    [InlineData("2001:db8::77", 64, 128)]
    public void An_address_that_comes_or_goes_is_heard(string address, int length, int bits)
    {
        _space.Ip($"addr add {address}/{length} dev eth0{(bits == 128 ? " nodad" : "")}");
        WaitFor($"{address}/{bits}");
        _space.Ip($"addr del {address}/{length} dev eth0");
        WaitFor($"{address}/{bits}");
    }

    [Fact]
    public void A_rule_and_an_interface_switched_off_may_change_every_way()
    {
        _space.Ip("rule add to 198.51.100.0/24 table 77");
        WaitFor("0.0.0.0/0");
        _space.Ip("link set eth0 down");
        WaitFor("0.0.0.0/0", "::/0");
    }

    [Fact]
    public void A_containers_veth_that_goes_changes_nothing_but_its_own_routes()
    {
        using var container = new NetNamespace();
        _space.Ip($"link add pod0 type veth peer name eth0 netns {container.Name}");
        _space.Ip("link set pod0 up");
        container.Ip("link set eth0 up");
        _space.Ip("route add 10.244.0.7/32 dev pod0");
        WaitFor("10.244.0.7/32");
        _space.Ip("link del pod0");
        _space.Ip("route add 198.51.100.0/24 via 192.0.2.9");
        var heard = WaitFor("198.51.100.0/24");
        Assert.DoesNotContain(heard, prefix => prefix.Length == 0);
    }

    [Fact]
    public void A_veth_that_is_switched_off_may_change_every_way()
    {
        using var router = new NetNamespace();
        _space.Ip($"link add uplink type veth peer name eth0 netns {router.Name}");
        _space.Ip("link set uplink up");
        _space.Ip("link set uplink down");
        WaitFor("0.0.0.0/0", "::/0");
    }

    [Fact]
    public void Addresses_that_are_renewed_and_other_news_of_interfaces_change_no_way()
    {
        while (_monitor.Read())
        {
        }

        _space.Ip("link set eth0 mtu 1400");
        _space.Ip("addr change 192.0.2.1/24 dev eth0 valid_lft 1000 preferred_lft 1000"); // a lease
        _space.Ip("addr change 2001:db8::1/64 dev eth0 valid_lft 1000 preferred_lft 1000"); // a router's advertisement
        _space.Ip("route add 198.51.100.0/24 via 192.0.2.9");
        var heard = WaitFor("198.51.100.0/24");
        Assert.DoesNotContain(heard, prefix => prefix.Length == 0);
        Assert.Single(heard, prefix => !prefix.IsIPv6); // of IPv6 there is always some news after a start
    }

    [Fact]
    public void When_reports_were_lost_everything_may_have_changed()
    {
        var batch = System.IO.Path.GetTempFileName();
        try
        {
            File.WriteAllLines(batch, Enumerable.Range(0, 30_000).Select(i => $"route {(i % 2 == 0 ? "add" : "del")} blackhole 10.0.0.0/8"));
            _space.Ip($"-batch {batch}");
        }
        finally
        {
            File.Delete(batch);
        }

        WaitFor("0.0.0.0/0", "::/0");
        while (_monitor.Read())
        {
        }

        _space.Ip("route add 198.51.100.0/24 via 192.0.2.9");
        WaitFor("198.51.100.0/24");
    }

    [Fact]
    public void After_dispose_nothing_is_heard()
    {
        _monitor.Dispose();
        Assert.False(_monitor.Read());
    }

    private List<Prefix> WaitFor(params string[] texts)
    {
        var wanted = texts.Select(text => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text)).ToList();
        var begin = Stopwatch.GetTimestamp();
        var heard = new List<Prefix>();
        while (!wanted.TrueForAll(heard.Contains))
        {
            Assert.True(Stopwatch.GetElapsedTime(begin) < Datagrams.Patience, $"not heard; but: {string.Join("; ", heard)}");
            Poll.Wait([_monitor.Descriptor], Datagrams.Patience);
            var before = heard.Count;
            Assert.Equal(_monitor.Read(heard), heard.Count > before);
        }

        return heard;
    }
}
