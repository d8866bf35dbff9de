using System.Security.Cryptography;

namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoTunnelTests(WireGuardGoPeers peers) : TunnelTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class WgMeshTunnelTests(WgMeshPeers peers) : TunnelTests(peers), IClassFixture<WgMeshPeers>;

public sealed class KernelTunnelTests(KernelPeers peers) : TunnelTests(peers), IClassFixture<KernelPeers>;

/// <summary>A tunnel between <c>wgmesh-agent device</c> and another implementation or another of its kind, both set up with <c>wg</c>.</summary>
[Trait("needs", "system")]
public abstract class TunnelTests : IDisposable
{
    private readonly Peers _peers;
    private readonly NamespaceHost _ours;
    private readonly WireGuardHost _theirs;

    protected TunnelTests(Peers peers)
    {
        ArgumentNullException.ThrowIfNull(peers);
        _peers = peers;
        var lan = new Lan(peers.Wire);
        _theirs = peers.Start(lan, 2);
        _ours = NamespaceHost.StartWgMesh(lan, 1);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Ping_and_TCP_cross_both_ways_whoever_initiates_over_either_family(bool weInitiate, bool outerIPv6)
    {
        var (initiator, responder) = Introduce(weInitiate, outerIPv6);
        foreach (var innerIPv6 in new[] { false, true })
        {
            initiator.Ping(responder, innerIPv6);
            responder.Ping(initiator, innerIPv6);
            await initiator.TransferAsync(responder, 2 << 20, innerIPv6);
            await responder.TransferAsync(initiator, 2 << 20, innerIPv6);
        }

        Assert.NotEqual(0, _ours.LatestHandshake());
        Assert.NotEqual(0, _theirs.LatestHandshake());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_preshared_key_is_required_by_both_or_neither(bool weInitiate)
    {
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        var other = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

        var (initiator, responder) = Introduce(weInitiate);
        _ours.SetPresharedKey(_theirs, key);
        _theirs.SetPresharedKey(_ours, key);
        initiator.Ping(responder);

        foreach (var differs in new[] { _ours, _theirs })
        {
            Forget();
            Introduce(weInitiate);
            _ours.SetPresharedKey(_theirs, differs == _ours ? other : key);
            _theirs.SetPresharedKey(_ours, differs == _theirs ? other : key);
            Assert.False(initiator.TryPing(responder, seconds: 2));
        }

        Forget();
        Introduce(weInitiate);
        (weInitiate ? (WireGuardHost)_ours : _theirs).SetPresharedKey(weInitiate ? _theirs : _ours, key);
        Assert.False(initiator.TryPing(responder, seconds: 2));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void Whoever_moves_to_another_address_and_port_is_followed(bool weMove, bool ipv6)
    {
        Introduce(weInitiate: true, ipv6);
        _ours.Ping(_theirs);
        var (mover, follower) = weMove ? (_ours, _theirs) : (_theirs, (WireGuardHost)_ours);
        Assert.Equal(mover.Endpoint(ipv6), follower.PeerEndpoint());

        mover.MoveTo(77, ipv6);
        mover.Ping(follower);
        var address = mover.Lan.Address(77, ipv6);
        Assert.Equal(ipv6 ? $"[{address}]:{mover.Port}" : $"{address}:{mover.Port}", follower.PeerEndpoint());
        follower.Ping(mover);

        mover.Exec("wg", "set", mover.Interface, "listen-port", "40077");
        mover.Ping(follower);
        Assert.Equal(ipv6 ? $"[{address}]:40077" : $"{address}:40077", follower.PeerEndpoint());
        follower.Ping(mover);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whoever_moves_to_the_other_family_is_followed(bool weMove)
    {
        Introduce(weInitiate: true);
        _ours.Ping(_theirs);
        var (mover, follower) = weMove ? (_ours, _theirs) : (_theirs, (WireGuardHost)_ours);
        foreach (var ipv6 in new[] { true, false })
        {
            mover.SetPeer(follower, "endpoint", follower.Endpoint(ipv6));
            Reach(mover, follower);
            Assert.Equal(mover.Endpoint(ipv6), follower.PeerEndpoint());
            Reach(follower, mover);
        }

        void Reach(WireGuardHost from, WireGuardHost to)
        {
            if (_peers.TruncatesAddresses)
            {
                Wait.Until(() => from.TryPing(to, seconds: 1), "a ping to be answered");
            }
            else
            {
                from.Ping(to);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Outer_packets_that_are_longer_than_the_path_takes_are_fragmented(bool outerIPv6)
    {
        _ours.SetMtu(ethernet: 1280, tunnel: 1420);
        _theirs.SetMtu(ethernet: 1280, tunnel: 1420);
        Introduce(weInitiate: true, outerIPv6);
        await FullPacketsCross(1420, theyStream: !_peers.LosesRunsOnShortPaths);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Jumbo_frames_are_filled_and_not_fragmented(bool outerIPv6)
    {
        _ours.SetMtu(ethernet: 9000, tunnel: 8920);
        _theirs.SetMtu(ethernet: 9000, tunnel: 8920);
        Introduce(weInitiate: true, outerIPv6);
        await FullPacketsCross(8920);
        var fragments = _ours.Exec("nstat", "-asz", outerIPv6 ? "Ip6FragCreates" : "IpFragCreates");
        Assert.Matches(@"FragCreates +0 ", fragments);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Packets_of_34_kilobytes_cross(bool outerIPv6)
    {
        _ours.SetMtu(KernelGuest.LargestMtu, tunnel: 34_000);
        _theirs.SetMtu(KernelGuest.LargestMtu, tunnel: 34_000);
        Introduce(weInitiate: true, outerIPv6);
        await FullPacketsCross(34_000);
    }

    private (WireGuardHost Initiator, WireGuardHost Responder) Introduce(bool weInitiate, bool outerIPv6 = false)
    {
        _ours.AddPeer(_theirs, knowsEndpoint: weInitiate, outerIPv6);
        _theirs.AddPeer(_ours, knowsEndpoint: !weInitiate, outerIPv6);
        return weInitiate ? (_ours, _theirs) : (_theirs, _ours);
    }

    private void Forget()
    {
        _ours.RemovePeer(_theirs);
        _theirs.RemovePeer(_ours);
    }

    private async Task FullPacketsCross(int mtu, bool theyStream = true)
    {
        foreach (var (from, to) in new[] { ((WireGuardHost)_ours, _theirs), (_theirs, _ours) })
        {
            foreach (var ipv6 in new[] { false, true })
            {
                // the ICMP header has 8 bytes in both families
                var size = mtu - (ipv6 ? 40 : 20) - 8;
                from.Ping(to, ipv6, "-M", "do", "-s", $"{size}");
                if (from == _ours || theyStream)
                {
                    await from.TransferAsync(to, 2 << 20, ipv6);
                }
            }
        }
    }
}
