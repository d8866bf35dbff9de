using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoNatTests(WireGuardGoPeers peers) : NatTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class KernelNatTests(KernelPeers peers) : NatTests(peers), IClassFixture<KernelPeers>;

/// <summary>One side behind a router that translates addresses and soon forgets who talked to whom.</summary>
[Trait("needs", "system")]
public abstract class NatTests(Peers peers) : IDisposable
{
    private const int RouterNumber = 254;

    private readonly NetNamespace _router = new();

    public void Dispose()
    {
        _router.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Persistent_keepalives_keep_the_way_in_open(bool weAreInside)
    {
        var insideLan = new Lan(peers.Wire);
        var outsideLan = new Lan(peers.Wire);
        Route(insideLan, outsideLan);
        using var theirs = peers.Start(weAreInside ? outsideLan : insideLan, 2);
        using var ours = NamespaceHost.StartWgMesh(weAreInside ? insideLan : outsideLan, 1);
        var (inside, outside) = weAreInside ? (ours, theirs) : (theirs, (WireGuardHost)ours);
        inside.Ip($"route add default via {insideLan.Address(RouterNumber, false)}");
        inside.AddPeer(outside, knowsEndpoint: true);
        outside.AddPeer(inside, knowsEndpoint: false);

        inside.Ping(outside);
        outside.Ping(inside);
        Assert.StartsWith($"{outsideLan.Address(RouterNumber, false)}:", outside.PeerEndpoint(), StringComparison.Ordinal);

        // Without them the way closes. (Not for good: what was received has to be answered with a keepalive after 10 s.)
        Wait.Until(
            () =>
            {
                Wait.Until(() => !_router.Exec("conntrack", "-L", "-p", "udp").Contains($" dport={outside.Port} ", StringComparison.Ordinal), "the router to forget");
                return !outside.TryPing(inside, seconds: 1);
            },
            "the way in to close");

        inside.SetPeer(outside, "persistent-keepalive", "1");
        const int keepalive = 32;
        var received = outside.Received();
        // many times as long as the router remembers anything
        Wait.Until(() => outside.Received() >= received + (20 * keepalive), "20 keepalives");
        outside.Ping(inside);
    }

    private void Route(Lan inside, Lan outside)
    {
        inside.Wire.Plug(_router, "inside");
        outside.Wire.Plug(_router, "outside");
        _router.Ip($"addr add {inside.Prefix(RouterNumber, false)} dev inside");
        _router.Ip($"addr add {outside.Prefix(RouterNumber, false)} dev outside");
        _router.Exec("nft", "add table ip nat");
        _router.Exec("nft", "add chain ip nat out { type nat hook postrouting priority 100 ; }");
        _router.Exec("nft", "add rule ip nat out oifname outside masquerade");
        _router.Exec(
            "sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
            "net.netfilter.nf_conntrack_udp_timeout=4", "net.netfilter.nf_conntrack_udp_timeout_stream=4");
    }
}
