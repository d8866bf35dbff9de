using System.Diagnostics;
using System.Globalization;
using WgMesh.Bench;
using WgMesh.Soak;

// usage: dotnet run -c Release --project bench/Soak -- [--minutes 10]
var minutes = 10.0;
if (args is not [] && !(args is ["--minutes", var given] && double.TryParse(given, CultureInfo.InvariantCulture, out minutes) && minutes > 0))
{
    Console.Error.WriteLine("usage: [--minutes N]");
    return 2;
}

return await SystemRun.RunAsync(["iperf3:iperf3", "iproute2:ip", "iputils-ping:ping", "util-linux:nsenter"], MeasureAsync);

async Task<int> MeasureAsync(CancellationToken stop)
{
    using var tunnel = new LoadedTunnel(TimeSpan.FromMinutes(minutes), stop);
    var (start, next, samples) = (Stopwatch.StartNew(), TimeSpan.Zero, new List<Sample>());
    Console.WriteLine(Sample.Header);
    while (!tunnel.LoadHasEnded)
    {
        next += TimeSpan.FromSeconds(10);
        await tunnel.WaitForEndOfLoadAsync(next - start.Elapsed, stop);
        if (!tunnel.LoadHasEnded)
        {
            samples.Add(Sample.Take(start.Elapsed, tunnel));
            Console.WriteLine(samples[^1].Row(samples.Count > 1 ? samples[^2] : null));
        }
    }

    if (tunnel.Failure is { } failure)
    {
        Console.Error.WriteLine($"the load ended early: {failure}");
        return 1;
    }

    // what the first seconds make once (code that is compiled, buffers that are touched for the first time) is no trend
    var steady = samples.Where(sample => sample.At > TimeSpan.FromSeconds(30)).ToList();
    if (steady.Count < 2)
    {
        Console.Error.WriteLine("too short for a trend, which is looked for after the first 30 s");
        return 1;
    }

    Console.WriteLine();
    Console.WriteLine(Sample.Trend(steady));
    return 0;
}
