namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoOffloadTests(WireGuardGoPeers peers) : OffloadTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class WgMeshOffloadTests(WgMeshPeers peers) : OffloadTests(peers), IClassFixture<WgMeshPeers>;

public sealed class KernelOffloadTests(KernelPeers peers) : OffloadTests(peers), IClassFixture<KernelPeers>;

/// <summary>
/// Two of our hosts with some of the kernel's help switched off, and between them a host of another implementation that forwards: what one
/// of ours sends, the other implementation opens and seals again.
/// </summary>
[Trait("needs", "system")]
public abstract class OffloadTests(Peers peers)
{
    // fills the tunnel's MTU of 1,420 in either family
    private const int FullDatagram4 = 1420 - 20 - 8, FullDatagram6 = 1420 - 40 - 8;

    [Theory]
    [InlineData("")]
    [InlineData("tun-tso")]
    [InlineData("tun-uso")]
    [InlineData("udp-gso")]
    [InlineData("udp-gro")]
    [InlineData("tun-tso,tun-uso,udp-gso,udp-gro")]
    public async Task Ping_TCP_and_UDP_cross_both_ways_in_both_families_whichever_offload_is_off(string disabled)
    {
        var lan = new Lan(peers.Wire);
        using var hub = peers.Start(lan, 2);
        using var left = NamespaceHost.StartWgMesh(lan, 1, disabled);
        using var right = NamespaceHost.StartWgMesh(lan, 3, disabled);
        hub.Forward();
        foreach (var ours in new[] { left, right })
        {
            hub.AddPeer(ours, knowsEndpoint: false);
            ours.SetPeer(hub, "allowed-ips", "10.0.0.0/24,fd00::/64", "endpoint", hub.Endpoint(ipv6: false));
            ours.Ping(hub); // from here on the hub knows where each of them is
        }

        foreach (var (from, to) in new[] { (left, right), (right, left) })
        {
            foreach (var ipv6 in new[] { false, true })
            {
                from.Ping(to, ipv6);
                await TcpStreams.CarryAsync(from, to, ipv6, 2 << 20);
                // a full one ends no run, a short one takes no padding to the MTU
                foreach (var size in new[] { ipv6 ? FullDatagram6 : FullDatagram4, 100 })
                {
                    Assert.Distinct(NumberedDatagrams.Carry(from, to, ipv6, 512, size, forgiven: ipv6 ? peers.MissingOverIPv6 : 0));
                }
            }
        }

        // and with the hub itself, whose own packets come from another place in its kernel
        await left.TransferAsync(hub, 1 << 20, ipv6: false);
        await hub.TransferAsync(left, 1 << 20, ipv6: true);
    }
}
