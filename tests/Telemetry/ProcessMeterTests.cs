using System.Globalization;

namespace WgMesh.Telemetry.Tests;

public sealed class ProcessMeterTests
{
    [Fact]
    public async Task What_the_process_takes_has_the_names_and_units_of_Prometheus_own_clients()
    {
        await using var app = await ScrapedApp.Start(metrics => metrics.AddProcessMeter());
        var least = Environment.CpuUsage.TotalTime.TotalSeconds;

        var samples = (await app.Samples()).Select(line => line.Split(['{', '}'])).ToDictionary(parts => parts[0], parts => Number(parts[^1]));

        Assert.Equal(["process_cpu_seconds_total", "process_resident_memory_bytes"], samples.Keys.Order());
        Assert.InRange(samples["process_cpu_seconds_total"], least, Environment.CpuUsage.TotalTime.TotalSeconds);
        Assert.InRange(samples["process_resident_memory_bytes"], 1 << 20, 1L << 40);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
