using System.Net;
using System.Net.Sockets;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Device;

/// <summary>Real devices, each with a TUN and sockets in a network namespace of its own.</summary>
[Trait("needs", "system")]
public sealed class WireGuardDeviceTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DevicePair _pair = new();

    private NetNamespace LeftHost => _pair.LeftHost;

    private NetNamespace RightHost => _pair.RightHost;

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData("192.0.2.2")]
    [InlineData("2001:db8::2")]
    public void Two_devices_carry_both_families_over_either(string endpoint)
    {
        var (left, right) = Pair(endpoint);
        LeftHost.Exec("ping", "-c", "3", "-i", "0.1", "-W", "60", "10.0.0.2");
        RightHost.Exec("ping", "-c", "3", "-i", "0.1", "-W", "60", "fd00::1");

        var seen = Assert.Single(right.Snapshot().Peers);
        Assert.NotNull(seen.LastHandshake);
        Assert.InRange(seen.ReceivedPackets, 6u, 20u);
        Assert.Equal(endpoint.Contains(':', StringComparison.Ordinal), seen.Endpoint.IsIPv6);
        Assert.Equal(left.Snapshot().ListenPort, seen.Endpoint.Port);
    }

    [Fact]
    public void A_changed_port_is_bound_and_the_peer_follows()
    {
        var (left, right) = Pair("192.0.2.2");
        LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
        Assert.Null(left.Apply(new DeviceUpdate { ListenPort = 40404 }));
        Assert.Equal(40404, left.Snapshot().ListenPort);
        LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
        Assert.Equal(40404, right.Snapshot().Peers[0].Endpoint.Port);
    }

    [Fact]
    public void A_port_that_is_taken_leaves_everything_as_it_was()
    {
        var (left, _) = Pair("192.0.2.2");
        var before = left.Snapshot();
        using var other = LeftHost.Run(() => new UdpClient(new IPEndPoint(IPAddress.Any, 0)));
        var taken = (ushort)((IPEndPoint)other.Client.LocalEndPoint!).Port;

        var error = left.Apply(new DeviceUpdate { ListenPort = taken, ReplacePeers = true });
        Assert.Equal(DeviceError.AddressInUse, error!.Errno);
        Assert.Equal(before.ListenPort, left.Snapshot().ListenPort);
        Assert.Single(left.Snapshot().Peers);
        LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
    }

    [Fact]
    public void A_version_that_is_not_spoken_leaves_everything_as_it_was()
    {
        var (left, _) = Pair("192.0.2.2");
        var peer = left.Snapshot().Peers[0].PublicKey;
        var error = left.Apply(new DeviceUpdate { ListenPort = 1, Peers = [new PeerUpdate { PublicKey = peer, Remove = true, ProtocolVersion = 2 }] });
        Assert.Equal(DeviceError.InvalidArgument, error!.Errno);
        Assert.Contains("protocol_version 2", error.Message, StringComparison.Ordinal);
        Assert.Single(left.Snapshot().Peers);
        Assert.NotEqual(1, left.Snapshot().ListenPort);
    }

    [Fact]
    public async Task A_deleted_interface_ends_the_device()
    {
        var (left, _) = Pair("192.0.2.2");
        LeftHost.Ip($"link del {left.Name}");
        await left.Ended.WaitAsync(Patience);
    }

    [Fact]
    public void The_mtu_of_the_interface_is_followed()
    {
        var (left, _) = Pair("192.0.2.2");
        LeftHost.Ip($"link set {left.Name} mtu 1333");
        Assert.True(SpinWait.SpinUntil(() => left.Snapshot().Mtu == 1333, Patience));
    }

    [Fact]
    public void A_flood_of_garbage_is_counted_and_stops_nothing()
    {
        var (left, right) = Pair("192.0.2.2");
        RightHost.Run(() =>
        {
            using var socket = new UdpClient();
            var random = new Random(1);
            var bytes = new byte[300];
            for (var i = 0; i < 5000; i++)
            {
                random.NextBytes(bytes);
                bytes[0] = (byte)(i % 6);
                bytes.AsSpan(1, 3).Clear();
                var length = (i % 7) switch { 0 => Messages.InitiationLength, 1 => Messages.ResponseLength, 2 => Messages.CookieReplyLength, var n => n * 40 };
                socket.Send(bytes, length, "192.0.2.1", left.Snapshot().ListenPort);
            }
        });
        LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
        Assert.Single(right.Snapshot().Peers);
        Assert.True(left.Drops(DropReason.Malformed) > 0);
        Assert.True(left.Drops(DropReason.InvalidMac1) > 0);
        Assert.True(left.Drops(DropReason.UnknownIndex) > 0);
    }

    [Fact]
    public async Task Configuration_and_the_end_do_not_wait_for_the_end_of_a_flood()
    {
        var (left, _) = Pair("192.0.2.2");
        var port = left.Snapshot().ListenPort;
        using var stop = new CancellationTokenSource();
        var flooders = Enumerable.Range(0, 3).Select(seed => Task.Factory.StartNew(() => LeftHost.Run(() => Flood(port, seed, stop.Token)), TaskCreationOptions.LongRunning)).ToArray();
        try
        {
            Assert.True(SpinWait.SpinUntil(() => left.Drops(DropReason.InvalidMac1) > 1000, Patience));
            Assert.Null(await Task.Run(() => left.Apply(new DeviceUpdate { ListenPort = 40405 })).WaitAsync(Patience));
            Assert.Null(await Task.Run(() => left.Apply(new DeviceUpdate { ListenPort = port })).WaitAsync(Patience));
            await Task.Run(left.Dispose).WaitAsync(Patience);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(flooders);
        }
    }

    // initiations by their type and length, each of which costs the device a look at its mac1
    private static void Flood(int port, int seed, CancellationToken stop)
    {
        using var socket = new UdpClient();
        var message = new byte[Messages.InitiationLength];
        new Random(seed).NextBytes(message);
        message[0] = (byte)MessageType.Initiation;
        message.AsSpan(1, 3).Clear();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                socket.Send(message, message.Length, "127.0.0.1", port);
            }
            catch (SocketException)
            {
                // between two ports nobody listens
            }
        }
    }

    private (WireGuardDevice Left, WireGuardDevice Right) Pair(string rightEndpoint)
    {
        _pair.Start(rightEndpoint);
        return (_pair.Left, _pair.Right);
    }
}
