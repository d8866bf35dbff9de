using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry;

/// <summary>What this process takes of its machine, under the names that Prometheus' own client libraries give to it.</summary>
public static class ProcessMeterProviderBuilderExtensions
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "WgMesh.Process";

    // one for the process, however many providers read it
    private static readonly Meter Meter = new(MeterName);

    static ProcessMeterProviderBuilderExtensions()
    {
        Meter.CreateObservableCounter("process.cpu", () => Environment.CpuUsage.TotalTime.TotalSeconds, "s",
            "Processor time that the process has taken, its own and the kernel's for it.");
        Meter.CreateObservableGauge("process.resident_memory", () => Environment.WorkingSet, "By", "Memory of the process that is in RAM.");
    }

    /// <summary>Adds <c>process_cpu_seconds_total</c> and <c>process_resident_memory_bytes</c>.</summary>
    /// <param name="builder">The meter provider.</param>
    /// <returns>The same builder.</returns>
    public static MeterProviderBuilder AddProcessMeter(this MeterProviderBuilder builder) => builder.AddMeter(Meter.Name);
}
