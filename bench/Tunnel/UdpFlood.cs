using System.Diagnostics;
using System.Net.Sockets;

namespace WgMesh.Tunnel;

/// <summary>
/// As many UDP datagrams as one thread gets sent with one blocking send(2) for each, as most programs do it, from the left end to the right
/// one.
/// </summary>
/// <param name="Sent">Datagrams.</param>
/// <param name="Received">Datagrams, those included that came after the last was sent.</param>
/// <param name="Rate">Gb/s of payload received while there was sending.</param>
internal sealed record UdpFlood(long Sent, long Received, double Rate)
{
    private const int Port = 5301;
    private const int SolSocket = 1, ReceiveBufferForce = 33; // SOL_SOCKET, SO_RCVBUFFORCE (asm-generic/socket.h)
    private const int Room = 64 << 20; // bytes, for many times what comes between two looks of the receiver

    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(300);

    /// <summary>The part that got lost, of 100.</summary>
    public double Loss => 100.0 * (Sent - Received) / Sent;

    /// <param name="payload">Of each datagram, in bytes.</param>
    public static UdpFlood Run(TunnelPair pair, int payload, TimeSpan time, CancellationToken stop)
    {
        using var receiver = pair.Connect(left: false, Port);
        receiver.SetRawSocketOption(SolSocket, ReceiveBufferForce, BitConverter.GetBytes(Room));
        receiver.Blocking = false;
        using var sender = pair.Connect(left: true, Port);
        using var over = new CancellationTokenSource();
        var received = 0L;
        var receiving = new Thread(() => Receive(receiver, ref received, over.Token));
        receiving.Start();
        try
        {
            var start = Stopwatch.GetTimestamp();
            var sent = Send(sender, payload, time, stop);
            var rate = Volatile.Read(ref received) * payload * 8 / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9;
            over.Cancel();
            receiving.Join();
            stop.ThrowIfCancellationRequested();
            return new UdpFlood(sent, received, rate);
        }
        finally
        {
            over.Cancel();
            receiving.Join();
        }
    }

    private static long Send(Socket socket, int payload, TimeSpan time, CancellationToken stop)
    {
        var datagram = new byte[payload];
        var sent = 0L;
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < time && !stop.IsCancellationRequested;)
        {
            for (var i = 0; i < 64; i++)
            {
                socket.Send(datagram, SocketFlags.None, out var error);
                if (error == SocketError.Success)
                    sent++;
            }
        }

        return sent;
    }

    // Looks once a millisecond: who is woken for every datagram takes time from the engines, and another amount from each of them.
    private static void Receive(Socket socket, ref long received, CancellationToken over)
    {
        var buffer = new byte[2048];
        for (var last = Stopwatch.GetTimestamp(); !over.IsCancellationRequested || Stopwatch.GetElapsedTime(last) < Quiet;)
        {
            var count = 0L;
            while (socket.Receive(buffer, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
                count++;
            if (count > 0)
                last = Stopwatch.GetTimestamp();
            Volatile.Write(ref received, received + count);
            Thread.Sleep(1);
        }
    }
}
