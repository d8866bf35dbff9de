using System.Diagnostics;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux.Netlink;

[Trait("needs", "system")]
public sealed class LinkMonitorSystemTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly NetNamespace _space = new();
    private readonly LinkMonitor _monitor;

    public LinkMonitorSystemTests()
    {
        _space.Ip("tuntap add wg0 mode tun");
        _monitor = _space.Run(LinkMonitor.Open);
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _space.Dispose();
    }

    [Fact]
    public void A_change_of_MTU_is_seen()
    {
        _space.Ip("link set wg0 mtu 1380");
        WaitFor(e => e is LinkEvent.LinkChanged { Link: { Name: "wg0", Mtu: 1380 } });
    }

    [Fact]
    public void Up_and_down_and_a_new_name_are_seen()
    {
        _space.Ip("link set wg0 up");
        WaitFor(e => e is LinkEvent.LinkChanged { Link: { Name: "wg0", IsUp: true } });
        _space.Ip("link set wg0 down");
        WaitFor(e => e is LinkEvent.LinkChanged { Link: { Name: "wg0", IsUp: false } });
        _space.Ip("link set wg0 name mesh0");
        WaitFor(e => e is LinkEvent.LinkChanged { Link.Name: "mesh0" });
    }

    [Fact]
    public void A_deleted_link_is_seen_also_when_it_only_moved_away()
    {
        _space.Ip("link del wg0");
        WaitFor(e => e is LinkEvent.LinkGone { Link.Name: "wg0" });

        using var other = new NetNamespace();
        _space.Ip("tuntap add wg1 mode tun");
        _space.Ip($"link set wg1 netns {other.Name}");
        WaitFor(e => e is LinkEvent.LinkGone { Link.Name: "wg1" });
    }

    [Fact]
    public void Leaving_a_bridge_is_not_being_deleted()
    {
        _space.Ip("link add br0 type bridge");
        _space.Ip("link add port type veth peer name other");
        _space.Ip("link set port master br0");
        _space.Ip("link set port nomaster");
        _space.Ip("link set wg0 mtu 1300");
        var seen = WaitFor(e => e is LinkEvent.LinkChanged { Link.Mtu: 1300 });
        Assert.DoesNotContain(seen, e => e is LinkEvent.LinkGone);
    }

    [Theory]
    [InlineData("10.0.0.1/32", "10.9.0.0/16")]
    [InlineData("fd00::1/128", "fd09::/64")]
    public void Addresses_and_routes_are_seen_coming_and_going(string addressText, string destination)
    {
        Assert.True(Prefix.TryParse(addressText, out var address));
        Assert.True(Prefix.TryParse(destination, out var prefix));
        _space.Ip("link set wg0 up");
        _space.Ip($"addr add {addressText} dev wg0");
        WaitFor(e => e is LinkEvent.AddressChanged { Address: var a } && a.Address == address.Address);
        _space.Ip($"route add {destination} dev wg0 proto 107");
        WaitFor(e => e is LinkEvent.RouteChanged { Route: var r } && r.Destination == prefix && r.Protocol == Route.WgMeshProtocol);
        _space.Ip($"route del {destination} dev wg0");
        WaitFor(e => e is LinkEvent.RouteGone { Route: var r } && r.Destination == prefix);
        _space.Ip($"addr del {addressText} dev wg0");
        WaitFor(e => e is LinkEvent.AddressGone { Address: var a } && a.Address == address.Address);
    }

    [Fact]
    public void Lost_events_are_reported_and_later_ones_still_arrive()
    {
        // some 500 bytes of socket memory for each event, 8 MiB at most: written by one `ip` reading its commands from a file
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

        var seen = WaitFor(e => e is LinkEvent.Resync);
        Assert.Contains(seen, e => e is LinkEvent.RouteChanged);
        _space.Ip("link set wg0 mtu 1300");
        WaitFor(e => e is LinkEvent.LinkChanged { Link.Mtu: 1300 });
    }

    [Fact]
    public void A_waiting_thread_is_woken_by_an_event_and_by_its_stop_signal()
    {
        using var stop = new EventFd();
        Assert.Equal(0u, Poll.Wait([_monitor.Descriptor, stop.Descriptor], TimeSpan.Zero));
        _space.Ip("link set wg0 mtu 1300");
        Assert.Equal(1u, Poll.Wait([_monitor.Descriptor, stop.Descriptor], Patience));
        Assert.True(_monitor.Read([]));
        stop.Signal();
        Assert.Equal(2u, Poll.Wait([_monitor.Descriptor, stop.Descriptor], Patience));
        _monitor.Dispose();
        Assert.False(_monitor.Read([]));
    }

    [Fact]
    public void A_TUN_is_followed_into_another_namespace()
    {
        using var other = new NetNamespace();
        using var tun = _space.Run(() => TunDevice.Open("wg1"));
        using var here = LinkMonitor.Open(tun);
        _space.Ip("link set wg1 mtu 1400");
        WaitFor(here, e => e is LinkEvent.LinkChanged { Link: { Name: "wg1", Mtu: 1400 } });
        _space.Ip($"link set wg1 netns {other.Name}");
        WaitFor(here, e => e is LinkEvent.LinkGone { Link.Name: "wg1" });
        using var there = LinkMonitor.Open(tun);
        other.Ip("link set wg1 mtu 1300");
        WaitFor(there, e => e is LinkEvent.LinkChanged { Link: { Name: "wg1", Mtu: 1300 } });
        Assert.Equal(1300, tun.GetMtu());
        other.Ip("link del wg1");
        WaitFor(there, e => e is LinkEvent.LinkGone { Link.Name: "wg1" });
        Assert.Equal(Errno.EBADFD, Assert.Throws<LinuxException>(() => LinkMonitor.Open(tun)).Errno);
    }

    private List<LinkEvent> WaitFor(Predicate<LinkEvent> wanted) => WaitFor(_monitor, wanted);

    private static List<LinkEvent> WaitFor(LinkMonitor monitor, Predicate<LinkEvent> wanted)
    {
        var start = Stopwatch.GetTimestamp();
        var events = new List<LinkEvent>();
        while (!events.Exists(wanted))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"not seen; but: {string.Join("; ", events)}");
            Poll.Wait([monitor.Descriptor], Patience);
            Assert.True(monitor.Read(events));
        }

        return events;
    }
}
