using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace WgMesh.Interop.Tests;

/// <summary>
/// UDP from one namespace to another: datagrams that have a number and carry what belongs to it. They are handed to the kernel in runs
/// (UDP_SEGMENT) where it takes them, and no more are under way than any queue holds, so that none has a reason to be lost but the road.
/// </summary>
internal static class NumberedDatagrams
{
    private const int Run = 16, UnderWay = 128;

    // linux/udp.h, asm-generic/socket.h
    private const int UdpLevel = 17, UdpSegment = 103, SocketLevel = 1, ReceiveBufferForce = 33;

    private const int PatienceInMilliseconds = 120_000;

    /// <summary>Sends the datagrams, and waits until each that was not lost has arrived unchanged.</summary>
    /// <param name="count">A multiple of 16.</param>
    /// <param name="size">Bytes of each, at least 4.</param>
    /// <param name="lost">How many the road has lost, up to now and since long before; null if it loses none.</param>
    /// <param name="forgiven">How many more may be missing, for the other side's known faults.</param>
    /// <returns>The numbers in the order in which they arrived, those that arrived more than once more than once.</returns>
    public static List<int> Carry(NamespaceHost from, NamespaceHost to, bool ipv6, int count, int size, Func<long>? lost = null, int forgiven = 0)
    {
        var family = ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        using var receiver = to.Namespace.Run(() => new Socket(family, SocketType.Dgram, ProtocolType.Udp));
        receiver.SetRawSocketOption(SocketLevel, ReceiveBufferForce, BitConverter.GetBytes(8 << 20));
        receiver.Bind(new IPEndPoint(IPAddress.Parse(to.Overlay(ipv6)), 0));
        using var sender = from.Namespace.Run(() => new Socket(family, SocketType.Dgram, ProtocolType.Udp));
        sender.SetRawSocketOption(UdpLevel, UdpSegment, BitConverter.GetBytes(size));
        sender.Connect(receiver.LocalEndPoint!);

        var arrived = new List<int>();
        var once = new HashSet<int>();
        var run = new byte[Run * size];
        var got = new byte[size + 1];
        var expected = new byte[size];
        var lostBefore = lost?.Invoke() ?? 0;
        var next = 0;
        var inRuns = true;
        var end = Environment.TickCount64 + PatienceInMilliseconds;
        while (Accounted() + forgiven < count)
        {
            while (next < count && next + Run - Accounted() <= UnderWay)
            {
                for (var i = 0; i < Run; i++, next++)
                {
                    Write(run.AsSpan(i * size, size), next);
                }

                Send();
            }

            if (Take(TimeSpan.FromMilliseconds(20)))
            {
                end = Environment.TickCount64 + PatienceInMilliseconds;
            }
            else if (Environment.TickCount64 >= end)
            {
                Assert.Fail($"{next} of {count} datagrams were sent, {once.Count} arrived and {Accounted() - once.Count} were lost on the road");
            }
        }

        // what is delivered twice may come a little later
        while (Take(TimeSpan.FromMilliseconds(200)))
        {
        }

        return arrived;

        long Accounted() => once.Count + (lost?.Invoke() ?? 0) - lostBefore;

        // Before Linux 6.11 an interface that computes no checksums takes no runs, as ours with its offloads off: EIO, which .NET has no name for.
        void Send()
        {
            if (inRuns)
            {
                try
                {
                    sender.Send(run);
                    return;
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.SocketError)
                {
                    inRuns = false;
                    sender.SetRawSocketOption(UdpLevel, UdpSegment, BitConverter.GetBytes(0));
                }
            }

            for (var i = 0; i < Run; i++)
            {
                sender.Send(run.AsSpan(i * size, size));
            }
        }

        bool Take(TimeSpan patience)
        {
            if (!receiver.Poll(patience, SelectMode.SelectRead))
            {
                return false;
            }

            var datagram = got.AsSpan(0, receiver.Receive(got));
            Assert.Equal(size, datagram.Length);
            var number = BinaryPrimitives.ReadInt32LittleEndian(datagram);
            Write(expected, number);
            Assert.True(datagram.SequenceEqual(expected), $"datagram {number} was changed");
            arrived.Add(number);
            once.Add(number);
            return true;
        }
    }

    /// <summary>How many came behind one that was sent later.</summary>
    public static int Overtaken(List<int> arrived)
    {
        var (latest, overtaken) = (-1, 0);
        foreach (var number in arrived)
        {
            overtaken += number < latest ? 1 : 0;
            latest = Math.Max(latest, number);
        }

        return overtaken;
    }

    private static void Write(Span<byte> datagram, int number)
    {
        Payload.Fill(datagram, stream: 0, (long)number << 20);
        BinaryPrimitives.WriteInt32LittleEndian(datagram, number);
    }
}
