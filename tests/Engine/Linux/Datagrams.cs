using System.Net;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Tests.Linux;

/// <summary>Sending and receiving a few datagrams at a time, for tests.</summary>
internal static class Datagrams
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>What a send from an address that is not ours answers, by the kernel's age and the family.</summary>
    public static readonly int[] SourceIsGone = [Errno.EINVAL, Errno.ENETUNREACH];

    /// <summary>One message as the kernel gave it: a datagram, or a run of them.</summary>
    public sealed record Message(byte[] Bytes, int SegmentSize, UdpPath From, byte TrafficClass, bool Truncated)
    {
        public string Text => System.Text.Encoding.UTF8.GetString(Bytes);

        /// <summary>The datagrams in it.</summary>
        public IEnumerable<byte[]> Split() => Bytes.Length == 0 ? [Bytes] : Bytes.Chunk(SegmentSize);
    }

    public static Endpoint At(string address, int port, uint scope = 0) =>
        Endpoint.From(new IPEndPoint(IPAddress.Parse(address), port)) with { ScopeId = scope };

    public static LocalAddress Local(string address, uint link = 0)
    {
        var endpoint = At(address, 1);
        return new LocalAddress(endpoint.Address, link, endpoint.IsIPv6);
    }

    /// <summary>Sends one datagram.</summary>
    /// <returns>The errno, 0 if it went.</returns>
    public static int Send(this UdpSocket socket, ReadOnlySpan<byte> datagram, UdpPath to, byte trafficClass = 0) =>
        socket.SendRun(datagram, datagram.Length, to, trafficClass);

    /// <summary>Sends one run.</summary>
    /// <returns>The errno, 0 if it went.</returns>
    public static int SendRun(this UdpSocket socket, ReadOnlySpan<byte> datagrams, int segmentSize, UdpPath to, byte trafficClass = 0)
    {
        var run = new UdpRun(0, datagrams.Length, segmentSize, to, trafficClass);
        var sent = socket.Send(datagrams.ToArray(), [run], new UdpSendBatch(), out var errno);
        Assert.Equal(errno == Errno.None ? 1 : 0, sent);
        return errno;
    }

    /// <summary>Receives until there are so many datagrams.</summary>
    public static List<Message> Receive(this UdpSocket socket, int datagrams, int slotLength = UdpReceiveBatch.SlotLength)
    {
        var batch = new UdpReceiveBatch(slotLength);
        var messages = new List<Message>();
        while (messages.Sum(message => message.Split().Count()) < datagrams)
        {
            Assert.True(Poll.Wait([socket.Descriptor], Patience) == 1, $"only {messages.Sum(message => message.Split().Count())} of {datagrams} arrived");
            Take(socket, batch, messages);
        }

        return messages;
    }

    /// <summary>Receives the one datagram there is to come.</summary>
    public static Message ReceiveOne(this UdpSocket socket) => Assert.Single(socket.Receive(1));

    /// <summary>Receives what is there.</summary>
    public static List<Message> ReceiveAll(this UdpSocket socket)
    {
        var messages = new List<Message>();
        var batch = new UdpReceiveBatch();
        while (Take(socket, batch, messages))
        {
        }

        return messages;
    }

    /// <summary>Bytes of which each datagram of a run is told apart.</summary>
    public static byte[] Numbered(int length, int segmentSize)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i / segmentSize + (i % segmentSize * 7));
        }

        return bytes;
    }

    private static bool Take(UdpSocket socket, UdpReceiveBatch batch, List<Message> messages)
    {
        var count = socket.Receive(batch, out var errno);
        if (count < 0)
        {
            Assert.Equal(Errno.EAGAIN, errno);
            return false;
        }

        Assert.Equal(Errno.None, errno);
        Assert.Equal(count, batch.Count);
        for (var i = 0; i < count; i++)
        {
            messages.Add(new Message(
                batch.Buffer.AsSpan(batch.Offset(i), batch.Length(i)).ToArray(),
                batch.SegmentSize(i),
                batch.From(i),
                batch.TrafficClass(i),
                batch.Truncated(i)));
        }

        return true;
    }
}
