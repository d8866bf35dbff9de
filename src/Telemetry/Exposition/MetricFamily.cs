using System.Runtime.InteropServices;
using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry.Exposition;

/// <summary>What Prometheus calls a type, as far as OpenTelemetry has it.</summary>
internal enum FamilyType
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>
/// What a metric's samples are filed under. Computed once per <see cref="Metric"/>, since none of it can change.
/// </summary>
internal sealed class MetricFamily
{
    /// <summary>The name without a counter's <c>_total</c>.</summary>
    public string Name { get; }

    public FamilyType Type { get; }

    /// <summary>The unit in Prometheus' words, or "".</summary>
    public string Unit { get; }

    public string Help { get; }

    /// <summary>Labels of the meter, without braces: name and version, and the meter's own tags.</summary>
    public byte[] ScopeLabels { get; }

    /// <summary>
    /// Every name that the family uses in either format. Two families may not share one: to a scraper they would be the same series.
    /// </summary>
    public string[] Names { get; }

    public MetricFamily(Metric metric)
    {
        Type = metric.MetricType switch
        {
            MetricType.LongSum or MetricType.DoubleSum => FamilyType.Counter,
            MetricType.Histogram => FamilyType.Histogram,
            _ => FamilyType.Gauge,
        };
        Unit = UnitName.Of(metric.Unit, isGauge: metric.MetricType is MetricType.LongGauge or MetricType.DoubleGauge);
        Name = MetricName.Family(metric.Name, Unit, isCounter: Type == FamilyType.Counter);
        Help = metric.Description ?? "";
        ScopeLabels = Scope(metric);
        Names = Type switch
        {
            FamilyType.Counter => [Name, Name + "_total"],
            FamilyType.Histogram => [Name, Name + "_bucket", Name + "_sum", Name + "_count"],
            _ => [Name],
        };
    }

    /// <summary>Neither text format has exponential histograms.</summary>
    public static bool IsShowable(Metric metric) => metric.MetricType != MetricType.ExponentialHistogram;

    private static byte[] Scope(Metric metric)
    {
        var labels = new List<KeyValuePair<string, object?>> { new("otel_scope_name", metric.MeterName) };
        if (!string.IsNullOrEmpty(metric.MeterVersion))
            labels.Add(new("otel_scope_version", metric.MeterVersion));
        foreach (var (key, value) in metric.MeterTags ?? [])
            labels.Add(new("otel_scope_" + key, value));
        using var buffer = new ExpositionBuffer(256);
        Labels.Write(buffer, CollectionsMarshal.AsSpan(labels), Labels.NoneReserved);
        return buffer.Written.ToArray();
    }
}
