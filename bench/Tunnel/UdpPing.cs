using System.Diagnostics;
using System.Net.Sockets;

namespace WgMesh.Tunnel;

/// <summary>Requests of 64 bytes, each sent when the one before it was answered (a closed loop).</summary>
/// <param name="Answered">How many were.</param>
/// <param name="Median">Of the time from sending to the answer, in µs.</param>
/// <param name="P99">99 of 100 took no longer, in µs.</param>
internal sealed record UdpPing(int Answered, double Median, double P99)
{
    private const int Port = 5302, Length = 64;

    /// <summary>What has no answer by then is taken as lost, and as one that took so long.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    /// <param name="requests">How many, if there is time for them.</param>
    public static UdpPing Run(TunnelPair pair, int requests, TimeSpan time, CancellationToken stop)
    {
        using var client = pair.Connect(left: true, Port);
        using var server = pair.Connect(left: false, Port);
        client.ReceiveTimeout = server.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        using var over = new CancellationTokenSource();
        var serving = new Thread(() => Answer(server, over.Token));
        serving.Start();
        try
        {
            return Ask(client, requests, time, stop);
        }
        finally
        {
            over.Cancel();
            serving.Join();
        }
    }

    private static void Answer(Socket socket, CancellationToken over)
    {
        var buffer = new byte[Length];
        while (!over.IsCancellationRequested)
        {
            if (socket.Receive(buffer, SocketFlags.None, out var error) == Length && error == SocketError.Success)
                socket.Send(buffer, SocketFlags.None, out _);
        }
    }

    private static UdpPing Ask(Socket socket, int requests, TimeSpan time, CancellationToken stop)
    {
        var (request, answer) = (new byte[Length], new byte[Length]);
        var taken = new List<double>(capacity: 1 << 17);
        var answered = 0;
        for (var start = Stopwatch.GetTimestamp(); taken.Count < requests && Stopwatch.GetElapsedTime(start) < time;)
        {
            stop.ThrowIfCancellationRequested();
            BitConverter.TryWriteBytes(request, taken.Count);
            var sent = Stopwatch.GetTimestamp();
            socket.Send(request, SocketFlags.None, out _);
            var error = SocketError.Success;
            do
            {
                socket.Receive(answer, SocketFlags.None, out error);
            }
            while (error == SocketError.Success && !answer.AsSpan().SequenceEqual(request)); // the answer to one that was given up
            taken.Add(error == SocketError.Success ? Stopwatch.GetElapsedTime(sent).TotalMicroseconds : Patience.TotalMicroseconds);
            answered += error == SocketError.Success ? 1 : 0;
        }

        taken.Sort();
        return new UdpPing(answered, At(0.5), At(0.99));

        double At(double part) => taken[Math.Min(taken.Count - 1, (int)(part * taken.Count))];
    }
}
