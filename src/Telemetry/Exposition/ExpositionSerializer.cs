using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace WgMesh.Telemetry.Exposition;

/// <summary>
/// Turns one collection of the SDK into the text of a scrape. Samples of one family stand together under one TYPE, UNIT and HELP,
/// whichever meters they come from, in the order of the families' names. Not safe for concurrent use: it keeps scratch space.
/// </summary>
internal sealed class ExpositionSerializer(ILogger logger)
{
    private readonly ConditionalWeakTable<Metric, MetricFamily> _families = [];
    private readonly HashSet<string> _reported = [];

    // Scratch of one Write, kept to spare a scrape the allocations.
    private readonly List<(MetricFamily Family, Metric Metric, int Order)> _sorted = [];
    private readonly Dictionary<string, MetricFamily> _owners = [];
    private readonly HashSet<string> _series = [];
    private readonly List<KeyValuePair<string, object?>> _tags = [];
    private readonly ExpositionBuffer _labels = new(1024);

    /// <summary>
    /// Writes <c>target_info</c>, which carries the resource's attributes (service name and version) once for all series.
    /// </summary>
    public static void WriteTarget(ExpositionBuffer buffer, ExpositionFormat format, Resource resource)
    {
        var attributes = resource.Attributes.Select(a => new KeyValuePair<string, object?>(a.Key, a.Value)).ToArray();
        if (attributes.Length == 0)
            return;
        buffer.Write(format == ExpositionFormat.OpenMetrics
            ? "# TYPE target info\n# HELP target Target metadata\ntarget_info{"u8
            : "# TYPE target_info gauge\n# HELP target_info Target metadata\ntarget_info{"u8);
        Labels.Write(buffer, attributes, Labels.NoneReserved);
        buffer.Write("} 1\n"u8);
    }

    /// <summary>Writes the families of a collection.</summary>
    public void WriteFamilies(ExpositionBuffer buffer, ExpositionFormat format, in Batch<Metric> metrics)
    {
        _sorted.Clear();
        foreach (var metric in metrics)
        {
            if (MetricFamily.IsShowable(metric))
                _sorted.Add((_families.GetValue(metric, static m => new MetricFamily(m)), metric, _sorted.Count));
            else if (_reported.Add(metric.Name))
                Log.NotShowable(logger, metric.Name, metric.MeterName, metric.MetricType);
        }
        _sorted.Sort(static (a, b) =>
            string.CompareOrdinal(a.Family.Name, b.Family.Name) is var byName and not 0 ? byName : a.Order.CompareTo(b.Order));

        _owners.Clear();
        for (var start = 0; start < _sorted.Count;)
        {
            var end = start + 1;
            while (end < _sorted.Count && _sorted[end].Family.Name == _sorted[start].Family.Name)
                end++;
            WriteFamily(buffer, format, CollectionsMarshal.AsSpan(_sorted)[start..end]);
            start = end;
        }
        _sorted.Clear();
    }

    /// <summary>Ends the text. Only OpenMetrics has a mark for it, by which a scraper sees that nothing was cut off.</summary>
    public static void WriteEnd(ExpositionBuffer buffer, ExpositionFormat format)
    {
        if (format == ExpositionFormat.OpenMetrics)
            buffer.Write("# EOF\n"u8);
    }

    private void WriteFamily(ExpositionBuffer buffer, ExpositionFormat format, ReadOnlySpan<(MetricFamily Family, Metric Metric, int Order)> members)
    {
        _series.Clear();
        MetricFamily? first = null;
        var hasMetadata = false;
        foreach (var (family, metric, _) in members)
        {
            // One family cannot have two types, and two families cannot have a sample name in common: the first stays.
            if ((first is not null && first.Type != family.Type) || !Claim(family, first))
            {
                if (_reported.Add(metric.Name))
                    Log.NameTaken(logger, metric.Name, metric.MeterName, family.Name);
                continue;
            }
            first ??= family;
            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                RenderLabels(family, point);
                // Two instruments of one meter can end up with the same name and tags; the same series twice spoils a scrape.
                if (members.Length > 1 && !_series.Add(Encoding.UTF8.GetString(_labels.Written.Span)))
                    continue;
                if (!hasMetadata)
                    WriteMetadata(buffer, format, family);
                hasMetadata = true;
                if (family.Type == FamilyType.Histogram)
                    WriteHistogram(buffer, format, family, point);
                else
                    WriteSample(buffer, family, metric.MetricType, point);
            }
        }
    }

    private bool Claim(MetricFamily family, MetricFamily? sibling)
    {
        foreach (var name in family.Names)
            if (name is "target" or "target_info" || (_owners.TryGetValue(name, out var owner) && owner != family && owner != sibling))
                return false;
        foreach (var name in family.Names)
            _owners.TryAdd(name, family);
        return true;
    }

    private void RenderLabels(MetricFamily family, in MetricPoint point)
    {
        _tags.Clear();
        foreach (var tag in point.Tags)
            _tags.Add(tag);
        _labels.Clear();
        _labels.Write(family.ScopeLabels);
        if (_tags.Count == 0)
            return;
        _labels.Write(","u8);
        Labels.Write(_labels, CollectionsMarshal.AsSpan(_tags),
            family.Type == FamilyType.Histogram ? Labels.ReservedOnBuckets : Labels.ReservedOnSamples);
    }

    private static void WriteMetadata(ExpositionBuffer buffer, ExpositionFormat format, MetricFamily family)
    {
        var openMetrics = format == ExpositionFormat.OpenMetrics;
        var name = family.Type == FamilyType.Counter && !openMetrics ? family.Name + "_total" : family.Name;
        buffer.Write("# TYPE "u8);
        buffer.Write(name);
        buffer.Write(family.Type switch
        {
            FamilyType.Counter => " counter\n"u8,
            FamilyType.Histogram => " histogram\n"u8,
            _ => " gauge\n"u8,
        });
        if (openMetrics && family.Unit.Length > 0)
        {
            buffer.Write("# UNIT "u8);
            buffer.Write(name);
            buffer.Write(" "u8);
            buffer.Write(family.Unit);
            buffer.Write("\n"u8);
        }
        if (family.Help.Length > 0)
        {
            buffer.Write("# HELP "u8);
            buffer.Write(name);
            buffer.Write(" "u8);
            buffer.WriteHelp(family.Help, format);
            buffer.Write("\n"u8);
        }
    }

    private void WriteSample(ExpositionBuffer buffer, MetricFamily family, MetricType type, in MetricPoint point)
    {
        StartSample(buffer, family, family.Type == FamilyType.Counter ? "_total"u8 : default);
        buffer.Write("} "u8);
        switch (type)
        {
            case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                buffer.Write(point.GetSumLong());
                break;
            case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                buffer.Write(point.GetSumDouble());
                break;
            case MetricType.LongGauge:
                buffer.Write(point.GetGaugeLastValueLong());
                break;
            default:
                buffer.Write(point.GetGaugeLastValueDouble());
                break;
        }
        buffer.Write("\n"u8);
    }

    private void WriteHistogram(ExpositionBuffer buffer, ExpositionFormat format, MetricFamily family, in MetricPoint point)
    {
        var cumulative = 0L;
        var sumIsMonotonic = true;
        foreach (var bucket in point.GetHistogramBuckets())
        {
            if (double.IsPositiveInfinity(bucket.ExplicitBound))
                break;
            cumulative += bucket.BucketCount;
            sumIsMonotonic &= bucket.ExplicitBound >= 0;
            WriteBucket(buffer, format, family, bucket.ExplicitBound, cumulative);
        }
        var count = point.GetHistogramCount();
        WriteBucket(buffer, format, family, double.PositiveInfinity, count);
        // OpenMetrics 1.0, "Histogram": with buckets below zero the sum can fall, so sum and count are left out.
        if (format == ExpositionFormat.OpenMetrics && !sumIsMonotonic)
            return;
        StartSample(buffer, family, "_sum"u8);
        buffer.Write("} "u8);
        buffer.Write(point.GetHistogramSum());
        buffer.Write("\n"u8);
        StartSample(buffer, family, "_count"u8);
        buffer.Write("} "u8);
        buffer.Write(count);
        buffer.Write("\n"u8);
    }

    private void WriteBucket(ExpositionBuffer buffer, ExpositionFormat format, MetricFamily family, double bound, long count)
    {
        StartSample(buffer, family, "_bucket"u8);
        buffer.Write(",le=\""u8);
        buffer.WriteBound(bound, format);
        buffer.Write("\"} "u8);
        buffer.Write(count);
        buffer.Write("\n"u8);
    }

    /// <summary>Name and labels, the brace left open.</summary>
    private void StartSample(ExpositionBuffer buffer, MetricFamily family, ReadOnlySpan<byte> suffix)
    {
        buffer.Write(family.Name);
        buffer.Write(suffix);
        buffer.Write("{"u8);
        buffer.Write(_labels.Written.Span);
    }
}
