using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Tests.Linux;

public sealed class UdpSocketPairTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void All_lanes_of_both_families_are_on_one_port(int lanes)
    {
        using var pair = UdpSocketPair.Bind(0, lanes: lanes);
        Assert.NotEqual(0, pair.Port);
        Assert.Equal(lanes, pair.Lanes);
        Assert.Equal(lanes, pair.IPv4!.Count);
        Assert.Equal(lanes, pair.IPv6!.Count);
        Assert.Equal([.. pair.IPv4, .. pair.IPv6], pair.All);
        Assert.All(pair.All, socket => Assert.Equal(pair.Port, socket.Port));
    }

    [Theory]
    [InlineData(AddressFamily.InterNetwork, 1)]
    [InlineData(AddressFamily.InterNetwork, 2)]
    [InlineData(AddressFamily.InterNetworkV6, 1)]
    [InlineData(AddressFamily.InterNetworkV6, 2)]
    public void A_port_taken_in_one_family_is_told_apart_from_other_errors(AddressFamily family, int lanes)
    {
        using var other = Open(family, reusePort: true);
        other.Bind(new IPEndPoint(Any(family), 0));
        var port = (ushort)((IPEndPoint)other.LocalEndPoint!).Port;

        var e = Assert.Throws<LinuxException>(() => UdpSocketPair.Bind(port, lanes: lanes));
        Assert.Equal(Errno.EADDRINUSE, e.Errno);
        Assert.Contains($"bind UDP port {port}", e.Message, StringComparison.Ordinal);

        // and what it had bound before is free again
        other.Dispose();
        using var pair = BindWhenFree(port, lanes);
        Assert.Equal(port, pair.Port);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Nobody_else_can_join_the_port_not_even_by_asking_to_share_it(int lanes)
    {
        using var pair = UdpSocketPair.Bind(0, lanes: lanes);
        foreach (var (family, address, dualMode) in new[]
        {
            (AddressFamily.InterNetwork, IPAddress.Any, false),
            (AddressFamily.InterNetwork, IPAddress.Loopback, false),
            (AddressFamily.InterNetworkV6, IPAddress.IPv6Any, false),
            (AddressFamily.InterNetworkV6, IPAddress.IPv6Any, true),
            (AddressFamily.InterNetworkV6, IPAddress.IPv6Loopback, false),
        })
        {
            foreach (var reusePort in new[] { false, true })
            {
                using var other = Open(family, reusePort, dualMode);
                var e = Assert.Throws<SocketException>(() => other.Bind(new IPEndPoint(address, pair.Port)));
                Assert.Equal(SocketError.AddressAlreadyInUse, e.SocketErrorCode);
            }
        }
    }

    [Fact]
    public void A_port_that_lanes_shared_is_free_when_they_are_closed()
    {
        ushort port;
        using (var pair = UdpSocketPair.Bind(0, lanes: 4))
        {
            port = pair.Port;
        }

        using var next = BindWhenFree(port, 4);
        Assert.Equal(port, next.Port);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Each_flow_stays_on_one_lane_and_the_flows_are_shared_out(string address)
    {
        const int Flows = 64, Rounds = 5;
        using var pair = UdpSocketPair.Bind(0, lanes: 2);
        var to = Datagrams.At(address, pair.Port);
        var lanes = (to.IsIPv6 ? pair.IPv6 : pair.IPv4)!;
        var senders = Enumerable.Range(0, Flows).Select(_ => UdpSocket.Bind(to.IsIPv6, 0)).ToArray();
        try
        {
            for (var round = 0; round < Rounds; round++)
            {
                foreach (var sender in senders)
                {
                    Assert.Equal(Errno.None, sender.Send([(byte)round], to));
                }
            }

            var received = Array.ConvertAll([.. lanes], _ => new List<Datagrams.Message>());
            while (received.Sum(lane => lane.Count) < Flows * Rounds)
            {
                Assert.NotEqual(0u, Poll.Wait([.. lanes.Select(lane => lane.Descriptor)], Datagrams.Patience));
                foreach (var (lane, messages) in lanes.Zip(received))
                {
                    messages.AddRange(lane.ReceiveAll());
                }
            }

            var flows = received.Select(lane => lane.ToLookup(message => message.From.Remote, message => (int)message.Bytes[0])).ToArray();
            Assert.Equal(Flows, flows.Sum(lane => lane.Count));
            Assert.All(flows, lane => Assert.NotEmpty(lane));
            Assert.All(flows.SelectMany(lane => lane), flow => Assert.Equal(Enumerable.Range(0, Rounds), flow));
        }
        finally
        {
            Array.ForEach(senders, sender => sender.Dispose());
        }
    }

    [Fact]
    public void Every_lane_sends_from_the_port()
    {
        using var pair = UdpSocketPair.Bind(0, lanes: 3);
        using var receiver = UdpSocketPair.Bind(0);
        foreach (var lane in pair.All)
        {
            var address = lane.IsIPv6 ? "::1" : "127.0.0.1";
            Assert.Equal(Errno.None, lane.Send("x"u8, Datagrams.At(address, receiver.Port)));
            Assert.Equal(Datagrams.At(address, pair.Port), (lane.IsIPv6 ? receiver.IPv6 : receiver.IPv4)![0].ReceiveOne().From.Remote);
        }
    }

    // a program that another test starts has our descriptors for a moment, until it becomes itself
    private static UdpSocketPair BindWhenFree(ushort port, int lanes)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return UdpSocketPair.Bind(port, lanes: lanes);
            }
            catch (LinuxException e) when (e.Errno == Errno.EADDRINUSE && Stopwatch.GetElapsedTime(start) < Datagrams.Patience)
            {
                Thread.Yield();
            }
        }
    }

    private static Socket Open(AddressFamily family, bool reusePort, bool dualMode = false)
    {
        var socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        if (family == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = dualMode;
        }

        if (reusePort)
        {
            socket.SetRawSocketOption(SysSocket.SocketLevel, SysSocket.ReusePort, BitConverter.GetBytes(1));
        }

        return socket;
    }

    private static IPAddress Any(AddressFamily family) => family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
}
