using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Tests.Linux;

public sealed class UdpSocketTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Datagrams_go_both_ways_and_name_their_sender(string address)
    {
        using var left = UdpSocketPair.Bind(0);
        using var right = UdpSocketPair.Bind(0);
        var (leftSocket, rightSocket) = address.Contains(':', StringComparison.Ordinal) ? (left.IPv6!, right.IPv6!) : (left.IPv4!, right.IPv4!);
        var toLeft = Endpoint.From(new IPEndPoint(IPAddress.Parse(address), left.Port));
        var toRight = Endpoint.From(new IPEndPoint(IPAddress.Parse(address), right.Port));

        Assert.Equal(3, left.Send("abc"u8, toRight, out _));
        Assert.Equal(("abc", toLeft), Receive(rightSocket));
        Assert.Equal(0, right.Send([], toLeft, out _));
        Assert.Equal(("", toRight), Receive(leftSocket));
    }

    [Fact]
    public void Both_families_are_on_one_port()
    {
        using var pair = UdpSocketPair.Bind(0);
        Assert.NotEqual(0, pair.Port);
        Assert.Equal(pair.Port, pair.IPv4!.Port);
        Assert.Equal(pair.Port, pair.IPv6!.Port);
    }

    [Theory]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    public void A_port_taken_in_one_family_is_told_apart_from_other_errors(AddressFamily family)
    {
        using var other = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        if (family == AddressFamily.InterNetworkV6)
        {
            other.DualMode = false;
        }

        other.Bind(new IPEndPoint(family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0));
        var port = (ushort)((IPEndPoint)other.LocalEndPoint!).Port;

        var e = Assert.Throws<LinuxException>(() => UdpSocketPair.Bind(port));
        Assert.Equal(Errno.EADDRINUSE, e.Errno);
        Assert.Contains($"bind UDP port {port}", e.Message, StringComparison.Ordinal);

        // and what it had bound before is free again
        other.Dispose();
        using var pair = BindWhenFree(port);
        Assert.Equal(port, pair.Port);
    }

    // a process that is being started elsewhere holds what was closed here until it has become another program
    private static UdpSocketPair BindWhenFree(ushort port)
    {
        for (var start = Stopwatch.GetTimestamp(); ; Thread.Sleep(10))
        {
            try
            {
                return UdpSocketPair.Bind(port);
            }
            catch (LinuxException e) when (e.Errno == Errno.EADDRINUSE && Stopwatch.GetElapsedTime(start) < Patience)
            {
            }
        }
    }

    [Fact]
    public void Nothing_to_receive_is_EAGAIN_at_once()
    {
        using var socket = UdpSocket.Bind(false, 0);
        Assert.Equal(-1, socket.Receive(new byte[16], out var from, out var errno));
        Assert.Equal(Errno.EAGAIN, errno);
        Assert.False(from.IsKnown);
    }

    [Fact]
    public void A_datagram_longer_than_the_buffer_is_an_error_value_and_the_next_one_arrives()
    {
        using var socket = UdpSocket.Bind(false, 0);
        var self = new Endpoint(0x7f000001, socket.Port, false);
        socket.Send(new byte[100], self, out _);
        socket.Send(new byte[10], self, out _);
        Poll.Wait([socket.Descriptor], Patience);
        Assert.Equal(-1, socket.Receive(new byte[16], out var from, out var errno));
        Assert.Equal(Errno.EMSGSIZE, errno);
        Assert.Equal(self, from);
        Poll.Wait([socket.Descriptor], Patience);
        Assert.Equal(10, socket.Receive(new byte[16], out _, out errno));
        Assert.Equal(Errno.None, errno);
    }

    [Fact]
    public void Errors_of_a_send_are_values()
    {
        using var ipv4 = UdpSocket.Bind(false, 0);
        Assert.Equal(-1, ipv4.Send(new byte[1], new Endpoint(1, 1, true), out var errno));
        Assert.Equal(Errno.EAFNOSUPPORT, errno);
        Assert.Equal(-1, ipv4.Send(new byte[70_000], new Endpoint(0x7f000001, 9, false), out errno));
        Assert.Equal(Errno.EMSGSIZE, errno);
    }

    [Fact]
    public void After_dispose_calls_answer_EBADF()
    {
        var socket = UdpSocket.Bind(false, 0);
        socket.Dispose();
        Assert.Equal(-1, socket.Send(new byte[1], new Endpoint(0x7f000001, 9, false), out var errno));
        Assert.Equal(Errno.EBADF, errno);
        Assert.Equal(-1, socket.Receive(new byte[1], out _, out errno));
        Assert.Equal(Errno.EBADF, errno);
    }

    [Fact]
    public void No_packet_costs_an_allocation()
    {
        using var pair = UdpSocketPair.Bind(0);
        using var stop = new EventFd();
        var self4 = new Endpoint(0x7f000001, pair.Port, false);
        var self6 = new Endpoint(1, pair.Port, true);
        var buffer = new byte[2048];
        for (var i = 0; i < 50; i++)
        {
            Round(); // until everything is compiled
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 200; i++)
        {
            Round();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Round()
        {
            pair.Send(buffer.AsSpan(0, 1400), self4, out _);
            pair.Send(buffer.AsSpan(0, 1400), self6, out _);
            Poll.Wait([pair.IPv4!.Descriptor, pair.IPv6!.Descriptor, stop.Descriptor], Patience);
            pair.IPv4.Receive(buffer, out _, out _);
            pair.IPv6.Receive(buffer, out _, out _);
        }
    }

    internal static (string Text, Endpoint From) Receive(UdpSocket socket)
    {
        Assert.Equal(1u, Poll.Wait([socket.Descriptor], Patience));
        var buffer = new byte[2048];
        var count = socket.Receive(buffer, out var from, out var errno);
        Assert.Equal(Errno.None, errno);
        return (System.Text.Encoding.UTF8.GetString(buffer.AsSpan(0, count)), from);
    }
}
