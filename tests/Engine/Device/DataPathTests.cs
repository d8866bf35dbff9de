using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Device;

/// <summary>What the lanes owe the packets that they carry, whatever the kernel does for many of them at once.</summary>
[Trait("needs", "system")]
public sealed class DataPathTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DevicePair _pair = new();

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData(Offloads.None, 1)]
    [InlineData(Offloads.None, 2)]
    [InlineData(Offloads.TunTso, 1)]
    [InlineData(Offloads.TunUso, 1)]
    [InlineData(Offloads.UdpGso, 1)]
    [InlineData(Offloads.UdpGro, 1)]
    [InlineData(Offloads.All, 2)]
    public async Task Streams_arrive_whole_in_both_families_with_any_offloads_off(Offloads disabled, int lanes)
    {
        _pair.Start(disabled: disabled, lanes: lanes);
        await Transfer("10.0.0.2", 4 << 20);
        await Transfer("fd00::2", 4 << 20);
        Assert.Equal(Offloads.All & ~disabled, _pair.Left.OffloadsInUse);
    }

    [Theory]
    [InlineData(34_000)]
    [InlineData(1280)]
    public async Task Streams_arrive_whole_at_any_mtu(int mtu)
    {
        _pair.LeftHost.Ip("link set eth0 mtu 35000");
        _pair.RightHost.Ip("link set eth0 mtu 35000");
        _pair.Start(mtu: mtu);
        await Transfer("10.0.0.2", 4 << 20);
        await Transfer("fd00::2", 4 << 20);
    }

    [Theory]
    [InlineData(Offloads.None)]
    [InlineData(Offloads.All)]
    public async Task Datagrams_arrive_whole_and_in_order_whatever_their_sizes(Offloads disabled)
    {
        _pair.Start(disabled: disabled);
        _pair.PingRight();
        using var receiver = _pair.RightHost.Run(() => new UdpClient(new IPEndPoint(IPAddress.Parse("10.0.0.2"), 0)));
        using var sender = _pair.LeftHost.Run(() => new UdpClient(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 0)));
        sender.Connect((IPEndPoint)receiver.Client.LocalEndPoint!);

        // bursts of one size, so that they are coalesced, small enough for the sockets' buffers
        foreach (var size in new[] { 0, 1, 15, 16, 17, 500, 1391, 1392, 1393, 4000 })
        {
            for (var i = 0; i < 20; i++)
            {
                await sender.SendAsync(Enumerable.Repeat((byte)(size + i), size).ToArray());
            }

            for (var i = 0; i < 20; i++)
            {
                using var limit = new CancellationTokenSource(Patience);
                var got = await receiver.ReceiveAsync(limit.Token);
                Assert.Equal(Enumerable.Repeat((byte)(size + i), size), got.Buffer);
            }
        }
    }

    [Theory]
    [InlineData("192.0.2.2")]
    [InlineData("2001:db8::2")]
    public async Task A_path_mtu_below_the_tunnels_costs_runs_to_that_peer_and_no_packets(string endpoint)
    {
        _pair.Start(endpoint);
        _pair.PingRight();
        _pair.LeftHost.Ip($"route add {endpoint} dev eth0 mtu 1280");
        await Transfer("10.0.0.2", 2 << 20);
        Assert.True(_pair.Left.OffloadRefusals(Offloads.UdpGso) > 0);
        Assert.Equal(Offloads.All, _pair.Left.OffloadsInUse); // other peers' paths are as they were
        Assert.Equal(0, _pair.Left.PeerDrops(DropReason.SendFailed));
    }

    [Theory]
    [InlineData("192.0.2.11", "192.0.2.1")]
    [InlineData("2001:db8::11", "2001:db8::1")]
    public void A_peer_is_answered_from_the_address_that_it_called(string called, string other)
    {
        var (inner, length) = called.Contains(':', StringComparison.Ordinal) ? ("fd00::1", 64) : ("10.0.0.1", 24);
        // "other" is what the kernel would choose
        _pair.LeftHost.Ip($"addr add {called}/{length} dev eth0{(length == 64 ? " nodad preferred_lft 0" : "")}");
        _pair.Start();
        Assert.Null(_pair.Left.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = RightKey, Remove = true }] }));
        DevicePair.Configure(_pair.Left, _pair.Right, null, "10.0.0.2/32", "fd00::2/128");
        DevicePair.Configure(_pair.Right, _pair.Left, called);
        _pair.RightHost.Exec("ping", "-c", "3", "-i", "0.1", "-W", "60", inner);
        Assert.Equal(called, SeenByRight);

        // the address goes, and the tunnel does not
        _pair.LeftHost.Ip($"addr del {called}/{length} dev eth0");
        _pair.LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
        Assert.Equal(other, SeenByRight);
    }

    [Theory]
    [InlineData("192.0.2.11", "192.0.2.1", "10.0.0.2", "192.0.2.2/32 dev eth0")]
    [InlineData("2001:db8::11", "2001:db8::1", "fd00::2", "2001:db8::2/128 dev eth0")]
    public void A_changed_route_lets_the_kernel_choose_the_address_again(string called, string other, string inner, string route)
    {
        _pair.LeftHost.Ip(called.Contains(':', StringComparison.Ordinal) ? $"addr add {called}/64 dev eth0 nodad preferred_lft 0" : $"addr add {called}/24 dev eth0");
        _pair.Start();
        DevicePair.Configure(_pair.Right, _pair.Left, called);
        _pair.RightHost.Exec("ping", "-c", "1", "-W", "60", called.Contains(':', StringComparison.Ordinal) ? "fd00::1" : "10.0.0.1");
        _pair.LeftHost.Ip($"route add {route}");
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                _pair.LeftHost.Exec("ping", "-c", "1", "-W", "60", inner);
                return SeenByRight == other;
            },
            Patience));
    }

    [Theory]
    [InlineData("10.0.0.77", "Destination Host Unreachable")]
    [InlineData("fd00::77", "Address unreachable")]
    public void Who_sends_to_nobodys_address_is_told(string address, string answer)
    {
        _pair.Start();
        Assert.Contains(answer, Refusal(_pair.LeftHost, address), StringComparison.OrdinalIgnoreCase);
        _pair.PingRight();
    }

    [Theory]
    [InlineData("10.0.0.1", "Destination Host Unreachable")]
    [InlineData("fd00::1", "Address unreachable")]
    public void Who_sends_to_a_peer_that_was_never_heard_is_told(string address, string answer)
    {
        _pair.Start();
        Assert.Contains(answer, Refusal(_pair.RightHost, address), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("192.0.2.2")]
    [InlineData("2001:db8::2")]
    public void Congestion_marks_go_out_and_come_back_in(string endpoint)
    {
        const byte NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3;
        _pair.Start(endpoint);
        _pair.PingRight();
        using var sender = _pair.LeftHost.Run(() => UdpSocket.Bind(false, 0));
        using var receiver = _pair.RightHost.Run(() => UdpSocket.Bind(false, 0));
        var to = new UdpPath(Endpoint.From(new IPEndPoint(IPAddress.Parse("10.0.0.2"), receiver.Port)));

        Assert.Equal(NotEct, Carry(NotEct));
        Assert.Equal(Ect0, Carry(Ect0));
        Assert.Equal(Ect1, Carry(Ect1));
        Assert.Equal(Ce, Carry(Ce));

        // a router on the way that is congested marks what takes part in that
        var family = endpoint.Contains(':', StringComparison.Ordinal) ? "ip6" : "ip";
        _pair.RightHost.Exec("nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }; "
            + $"add rule inet t c iifname eth0 {family} ecn != not-ect {family} ecn set ce");
        Assert.Equal(Ce, Carry(Ect0));
        Assert.Equal(Ce, Carry(Ect1));
        Assert.Equal(NotEct, Carry(NotEct)); // was sent as such, so it could not be marked

        // one that marks what does not take part breaks the rules, and what it marks is lost as it would be without ECN
        _pair.RightHost.Exec("nft", $"add rule inet t c iifname eth0 {family} ecn set ce");
        Send(NotEct);
        Assert.True(SpinWait.SpinUntil(() => _pair.Right.PeerDrops(DropReason.IllegalCongestionMark) > 0, Patience));

        byte Carry(byte mark)
        {
            Send(mark);
            var batch = new UdpReceiveBatch();
            Assert.NotEqual(0u, Poll.Wait([receiver.Descriptor], Patience));
            Assert.Equal(1, receiver.Receive(batch, out _));
            return (byte)(batch.TrafficClass(0) & 3);
        }

        void Send(byte mark) => Assert.Equal(1, sender.Send([1, 2, 3], [new UdpRun(0, 3, 3, to, mark)], new UdpSendBatch(), out _));
    }

    private PublicKey RightKey => _pair.Right.Snapshot().PublicKey!.Value;

    private string SeenByRight => _pair.Right.Snapshot().Peers.Single().Endpoint.ToIPAddress().ToString();

    private static string Refusal(WgMesh.Tests.Shared.NetNamespace host, string address)
    {
        // ping ends with 1 when nothing answers, and says why
        var error = Assert.Throws<InvalidOperationException>(() => host.Exec("ping", "-c", "1", "-W", "60", address));
        return error.Message;
    }

    private async Task Transfer(string address, int length)
    {
        var right = IPAddress.Parse(address);
        using var listener = _pair.RightHost.Run(() => new TcpListener(right, 0));
        _pair.RightHost.Run(listener.Start);
        using var client = _pair.LeftHost.Run(() => new TcpClient(right.AddressFamily));
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint).WaitAsync(Patience);
        using var server = await listener.AcceptTcpClientAsync().WaitAsync(Patience);

        var there = RandomNumberGenerator.GetBytes(length);
        var back = RandomNumberGenerator.GetBytes(length);
        await Task.WhenAll(
            client.GetStream().WriteAsync(there).AsTask(), Receive(server, there), server.GetStream().WriteAsync(back).AsTask(), Receive(client, back)).WaitAsync(Patience);
    }

    private static async Task Receive(TcpClient client, byte[] expected)
    {
        var got = new byte[expected.Length];
        await client.GetStream().ReadExactlyAsync(got);
        Assert.True(got.AsSpan().SequenceEqual(expected), "bytes were changed on the way");
    }
}
