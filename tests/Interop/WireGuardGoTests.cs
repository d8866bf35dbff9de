using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace WgMesh.Interop.Tests;

/// <summary>A tunnel between <c>wgmesh-agent device</c> and wireguard-go, both set up with <c>wg</c>.</summary>
[Trait("needs", "system")]
public sealed class WireGuardGoTests : IDisposable
{
    private readonly WireGuardHost _ours = new(1);
    private readonly WireGuardHost _theirs = new(2);

    public WireGuardGoTests()
    {
        WireGuardHost.Join(_ours, _theirs);
        _ours.StartWgMesh();
        _theirs.StartWireGuardGo();
    }

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Ping_and_TCP_cross_both_ways_whoever_initiates_over_either_family(bool weInitiate, bool outerIPv6)
    {
        _ours.AddPeer(_theirs, knowsEndpoint: weInitiate, outerIPv6);
        _theirs.AddPeer(_ours, knowsEndpoint: !weInitiate, outerIPv6);
        var (initiator, responder) = weInitiate ? (_ours, _theirs) : (_theirs, _ours);

        foreach (var innerIPv6 in new[] { false, true })
        {
            initiator.Ping(responder, innerIPv6);
            responder.Ping(initiator, innerIPv6);
            await Transfer(initiator, responder, innerIPv6);
            await Transfer(responder, initiator, innerIPv6);
        }

        Assert.NotEqual(0, _ours.LatestHandshake());
        Assert.NotEqual(0, _theirs.LatestHandshake());
    }

    [Fact]
    public void A_preshared_key_is_required_by_both_or_neither()
    {
        var key = Path.GetTempFileName();
        try
        {
            File.WriteAllText(key, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
            _theirs.AddPeer(_ours, knowsEndpoint: false, ipv6: false, "preshared-key", key);
            _ours.AddPeer(_theirs, knowsEndpoint: true, ipv6: false, "preshared-key", key);
            _ours.Ping(_theirs, ipv6: false);

            File.WriteAllText(key, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
            _ours.Namespace.Exec("wg", "set", _ours.Interface, "peer", _theirs.PublicKey, "remove");
            _ours.AddPeer(_theirs, knowsEndpoint: true, ipv6: false, "preshared-key", key);
            Assert.Throws<InvalidOperationException>(() => _ours.Namespace.Exec("ping", "-n", "-c", "1", "-W", "2", _theirs.Overlay(false)));
        }
        finally
        {
            File.Delete(key);
        }
    }

    /// <summary>Sends 4 MiB over TCP and compares what arrives.</summary>
    private static async Task Transfer(WireGuardHost from, WireGuardHost to, bool ipv6)
    {
        var address = IPAddress.Parse(to.Overlay(ipv6));
        var data = RandomNumberGenerator.GetBytes(4 << 20);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        using var listener = to.Namespace.Run(() =>
        {
            var listener = new TcpListener(address, 0);
            listener.Start();
            return listener;
        });
        // made in there, and bound, so that connecting happens in there as well
        using var client = from.Namespace.Run(() =>
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(from.Overlay(ipv6)), 0));
            return socket;
        });
        var accepting = listener.AcceptSocketAsync(limit.Token);
        await client.ConnectAsync(new IPEndPoint(address, ((IPEndPoint)listener.LocalEndpoint).Port), limit.Token);
        using var server = await accepting;
        var received = new byte[data.Length];
        var receiving = Task.Run(async () =>
        {
            for (var done = 0; done < received.Length;)
            {
                var count = await server.ReceiveAsync(received.AsMemory(done), limit.Token);
                Assert.NotEqual(0, count);
                done += count;
            }
        });
        for (var done = 0; done < data.Length;)
        {
            done += await client.SendAsync(data.AsMemory(done), limit.Token);
        }

        await receiving;
        Assert.True(data.AsSpan().SequenceEqual(received));
    }
}
