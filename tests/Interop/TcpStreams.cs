using System.Net;
using System.Net.Sockets;

namespace WgMesh.Interop.Tests;

/// <summary>TCP from one namespace to another by sockets of our own, so that gigabytes can be compared byte by byte.</summary>
internal static class TcpStreams
{
    // of standstill, not of the whole
    private const int PatienceInMilliseconds = 120_000;

    private static int _count;

    /// <summary>Carries bytes over several connections at once, and compares what arrives: all of it, in its order, and nothing behind it.</summary>
    /// <param name="bytes">Of all connections together.</param>
    public static Task CarryAsync(NamespaceHost from, NamespaceHost to, bool ipv6, long bytes, int connections = 1)
    {
        var length = bytes / connections;
        return Task.WhenAll(Enumerable.Range(0, connections).Select(_ => CarryAsync(from, to, ipv6, length)));
    }

    private static async Task CarryAsync(NamespaceHost from, NamespaceHost to, bool ipv6, long length)
    {
        var stream = Interlocked.Increment(ref _count);
        var family = ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        using var listener = to.Namespace.Run(() => new Socket(family, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(IPAddress.Parse(to.Overlay(ipv6)), 0));
        listener.Listen();
        using var sender = from.Namespace.Run(() => new Socket(family, SocketType.Stream, ProtocolType.Tcp) { SendTimeout = PatienceInMilliseconds });
        using var receiver = await Task.Factory.StartNew(
            () =>
            {
                sender.Connect(listener.LocalEndPoint!); // the kernel answers before anybody accepts
                Assert.True(listener.Poll(TimeSpan.FromMilliseconds(PatienceInMilliseconds), SelectMode.SelectRead), "the connection is nowhere to be accepted");
                return listener.Accept();
            },
            TaskCreationOptions.LongRunning);
        receiver.ReceiveTimeout = PatienceInMilliseconds;
        var receiving = Task.Factory.StartNew(() => Receive(receiver, stream, length), TaskCreationOptions.LongRunning);
        var sending = Task.Factory.StartNew(() => Send(sender, stream, length), TaskCreationOptions.LongRunning);
        // What fails first is what there is to tell: neither end is closed before, and that ends the other one.
        await await Task.WhenAny(receiving, sending);
        await Task.WhenAll(receiving, sending);
    }

    private static void Send(Socket socket, int stream, long length)
    {
        var block = new byte[Payload.BlockLength];
        for (var place = 0L; place < length; place += block.Length)
        {
            var part = block.AsSpan(0, (int)Math.Min(block.Length, length - place));
            Payload.Fill(part, stream, place);
            while (part.Length > 0)
            {
                part = part[socket.Send(part)..];
            }
        }

        socket.Shutdown(SocketShutdown.Send);
    }

    private static void Receive(Socket socket, int stream, long length)
    {
        var block = new byte[Payload.BlockLength];
        var expected = new byte[Payload.BlockLength];
        for (var place = 0L; place < length; place += block.Length)
        {
            var part = block.AsSpan(0, (int)Math.Min(block.Length, length - place));
            for (int at = 0, count; at < part.Length; at += count)
            {
                count = socket.Receive(part[at..]);
                Assert.True(count > 0, $"the stream ended after {place + at} of {length} bytes");
            }

            Payload.Fill(expected.AsSpan(0, part.Length), stream, place);
            Assert.True(part.SequenceEqual(expected.AsSpan(0, part.Length)), $"the stream differs between {place} and {place + part.Length}");
        }

        Assert.Equal(0, socket.Receive(block));
    }
}
