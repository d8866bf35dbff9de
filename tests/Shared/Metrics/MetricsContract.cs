using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;

namespace WgMesh.Tests.Shared;

/// <summary>Holds a scrape against docs/metrics.md, in both directions.</summary>
internal static partial class MetricsContract
{
    // Prometheus has everything in base units: https://prometheus.io/docs/practices/naming/
    private static readonly string[] OtherUnits =
        ["milliseconds", "microseconds", "nanoseconds", "ms", "us", "ns", "minutes", "hours", "days", "bits", "kilobytes", "megabytes", "kib", "mib", "percent", "celsius"];

    /// <summary>Where the two differ, and what does not follow Prometheus' conventions, one sentence each.</summary>
    /// <param name="scrape">In text format 0.0.4.</param>
    /// <param name="documented">What the page says of the scopes that are scraped.</param>
    /// <param name="meters">The meters' names if they are in this process: what has measured nothing yet is looked for there.</param>
    /// <param name="isMeant">Whether a metric is to be there, by its name; left out: all are.</param>
    public static IReadOnlyList<string> Violations(
        string scrape, IReadOnlyList<DocumentedMetric> documented, string[]? meters = null, Func<string, bool>? isMeant = null)
    {
        var exposed = Exposition.Parse(scrape);
        var instruments = meters is null ? null : Instruments(meters);
        var violations = new List<string>();
        violations.AddRange(documented.CountBy(row => row.Name).Where(entry => entry.Value > 1).Select(entry => $"{entry.Key} has several rows."));
        violations.AddRange(exposed.SelectMany(metric => documented.FirstOrDefault(row => row.Name == metric.Name) is { } row
            ? Differences(metric, row)
            : [$"{metric.Name} ({metric.Type}) is exposed and not in docs/metrics.md."]));
        violations.AddRange(exposed.SelectMany(Breaches));
        foreach (var row in documented.Where(row => isMeant?.Invoke(row.Name) != false && exposed.All(metric => metric.Name != row.Name)))
        {
            if (!row.MayBeMissing)
            {
                violations.Add($"{row.Name} is in docs/metrics.md and not exposed; if that may be, its meaning says so: \"Appears with the first.\", \"Only with …\".");
            }
            else if (instruments?.Contains(row.Name) == false)
            {
                violations.Add($"{row.Name} is in docs/metrics.md, and no instrument is called that.");
            }
        }

        return violations;
    }

    private static IEnumerable<string> Differences(ExposedMetric metric, DocumentedMetric row)
    {
        if (metric.Type != row.Type)
        {
            yield return $"{metric.Name} is a {metric.Type}, and a {row.Type} in docs/metrics.md.";
        }

        var labels = metric.Series.Select(series => string.Join(", ", series.Select(label => label.Key).Order(StringComparer.Ordinal))).Distinct();
        foreach (var other in labels.Where(names => names != string.Join(", ", row.Labels)))
        {
            yield return $"{metric.Name} has the labels \"{other}\", and \"{string.Join(", ", row.Labels)}\" in docs/metrics.md.";
        }
    }

    private static IEnumerable<string> Breaches(ExposedMetric metric)
    {
        var words = metric.Name.Split('_');
        if (!Name().IsMatch(metric.Name))
        {
            yield return $"{metric.Name} is not of the form wgmesh_a_b, nor one of a process.";
        }

        if (words.Intersect(OtherUnits).FirstOrDefault() is { } unit)
        {
            yield return $"{metric.Name} is in {unit}: seconds, bytes and ratios are Prometheus' units.";
        }

        if ((metric.Type == "counter") != (words[^1] == "total") || words[^1] is "bucket" or "sum" or "count")
        {
            yield return $"{metric.Name} ends in _{words[^1]}: counters end in _total, and they alone; _bucket, _sum and _count are a histogram's.";
        }

        if (metric.Type == "histogram" && words[^1] is not ("seconds" or "bytes"))
        {
            yield return $"{metric.Name} does not end in its unit.";
        }

        if (metric.Help?.EndsWith('.') != true)
        {
            yield return $"{metric.Name} has no sentence of help: {metric.Help}";
        }
    }

    // also those that have measured nothing yet
    private static HashSet<string> Instruments(string[] meters)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (meters.Contains(instrument.Meter.Name))
                {
                    var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
                    var isCounter = instrument.GetType().Name.Split('`')[0] is "Counter" or "ObservableCounter";
                    names.Add(instrument.Name.Replace('.', '_') + unit + (isCounter ? "_total" : ""));
                }
            },
        };
        listener.Start();
        return names;
    }

    [GeneratedRegex("^(wgmesh|process)(_[a-z][a-z0-9]*)+$")]
    private static partial Regex Name();
}
