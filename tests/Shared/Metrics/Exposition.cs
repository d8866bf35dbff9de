using System.Text.RegularExpressions;

namespace WgMesh.Tests.Shared;

/// <summary>A metric as a scrape shows it.</summary>
/// <param name="Name">Of the TYPE line.</param>
/// <param name="Type">Of the TYPE line.</param>
internal sealed record ExposedMetric(string Name, string Type)
{
    /// <summary>Null: there is none.</summary>
    public string? Help { get; set; }

    /// <summary>Every sample's name.</summary>
    public List<string> Samples { get; } = [];

    /// <summary>Every sample's labels, without those of the scope and a histogram's <c>le</c>.</summary>
    public List<KeyValuePair<string, string>[]> Series { get; } = [];
}

/// <summary>A scrape in Prometheus' text format 0.0.4.</summary>
internal static partial class Exposition
{
    /// <summary>All metrics but <c>target_info</c>.</summary>
    public static IReadOnlyList<ExposedMetric> Parse(string text)
    {
        var metrics = new List<ExposedMetric>();
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var words = line.Split(' ');
                metrics.Add(new ExposedMetric(words[2], words[3]));
            }
            else if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var words = line.Split(' ', 4);
                metrics.Single(metric => metric.Name == words[2]).Help = words.Length > 3 ? words[3] : "";
            }
            else
            {
                var sample = Sample().Match(line);
                if (!sample.Success || metrics.Count == 0 || !sample.Groups["name"].Value.StartsWith(metrics[^1].Name, StringComparison.Ordinal))
                {
                    throw new FormatException($"This line of a scrape is none, or not where it belongs: {line}");
                }

                metrics[^1].Samples.Add(sample.Groups["name"].Value);
                metrics[^1].Series.Add(
                [
                    .. Label().Matches(sample.Groups["labels"].Value)
                        .Select(label => KeyValuePair.Create(label.Groups["name"].Value, label.Groups["value"].Value))
                        .Where(label => !label.Key.StartsWith("otel_scope_", StringComparison.Ordinal) && (label.Key != "le" || metrics[^1].Type != "histogram")),
                ]);
            }
        }

        return [.. metrics.Where(metric => metric.Name != "target_info")];
    }

    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][\w:]*)(\{(?<labels>.*)\})? \S+$")]
    private static partial Regex Sample();

    [GeneratedRegex("(?<name>\\w+)=\"(?<value>(\\\\.|[^\"\\\\])*)\"")]
    private static partial Regex Label();
}
