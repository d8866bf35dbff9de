using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace WgMesh.Tunnel;

/// <summary>A TCP transfer by <c>iperf3</c>, from the left end to the right one or back.</summary>
/// <param name="Gigabits">Received.</param>
/// <param name="Rate">Received, in Gb/s.</param>
/// <param name="Retransmissions">Segments that were sent again.</param>
internal sealed record Iperf(double Gigabits, double Rate, double Retransmissions)
{
    /// <exception cref="InvalidOperationException">It failed, with iperf3's reason.</exception>
    public static async Task<Iperf> RunAsync(TunnelPair pair, int streams, bool reverse, TimeSpan time, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(time + TimeSpan.FromSeconds(30));
        using var server = pair.Right.Start("iperf3", "--server", "--one-off", "--forceflush", "--bind", $"{TunnelPair.RightAddress}");
        Process? client = null;
        try
        {
            var error = server.StandardError.ReadToEndAsync(CancellationToken.None);
            while (await server.StandardOutput.ReadLineAsync(limit.Token) is { } line && !line.Contains("listening", StringComparison.Ordinal))
            {
            }

            // both are read to their ends, lest they wait for room
            var rest = server.StandardOutput.ReadToEndAsync(CancellationToken.None);
            client = pair.Left.Start(
                "iperf3",
                [
                    "--client", $"{TunnelPair.RightAddress}", "--json", "--parallel", $"{streams}",
                    "--time", time.TotalSeconds.ToString("0", CultureInfo.InvariantCulture), .. reverse ? (string[])["--reverse"] : [],
                ]);
            var said = client.StandardError.ReadToEndAsync(CancellationToken.None);
            var result = Read(await client.StandardOutput.ReadToEndAsync(limit.Token));
            await server.WaitForExitAsync(limit.Token);
            return result;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new InvalidOperationException($"iperf3 did not end within 30 s of its {time.TotalSeconds:0} s");
        }
        finally
        {
            End(server);
            if (client is not null)
            {
                End(client);
                client.Dispose();
            }
        }
    }

    private static Iperf Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.TryGetProperty("error", out var error))
            throw new InvalidOperationException($"iperf3: {error.GetString()}");
        var end = document.RootElement.GetProperty("end");
        var received = end.GetProperty("sum_received");
        return new Iperf(
            received.GetProperty("bytes").GetDouble() * 8 / 1e9,
            received.GetProperty("bits_per_second").GetDouble() / 1e9,
            end.GetProperty("sum_sent").GetProperty("retransmits").GetDouble());
    }

    private static void End(Process process)
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
    }
}
