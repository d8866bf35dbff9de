using System.Globalization;
using System.Text.RegularExpressions;

namespace WgMesh.Tests.Shared;

/// <summary>A row of docs/metrics.md.</summary>
/// <param name="Name">As Prometheus has it, a counter's <c>_total</c> included.</param>
/// <param name="Type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
/// <param name="Labels">In order, without those of the scope.</param>
/// <param name="Meaning">For people.</param>
internal sealed record DocumentedMetric(string Name, string Type, string[] Labels, string Meaning)
{
    /// <summary>Whether it may be missing: its meaning says when it appears, or where alone it is.</summary>
    public bool MayBeMissing => Regex.IsMatch(Meaning, @"(^|\. )(Appears|Only) ");
}

/// <summary>docs/metrics.md: what is promised of the metrics.</summary>
internal static partial class MetricsDocument
{
    /// <summary>The page.</summary>
    public static string Text { get; } = File.ReadAllText(Path.Combine(FindRoot(), "docs", "metrics.md"));

    /// <summary>The bound that the page gives: an agent has so many series of its own, and so many for each peer that is measured, drops not counted.</summary>
    public static (int Own, int PerPeer) SeriesOfAnAgent
    {
        get
        {
            var formula = Formula().Match(Text);
            return (int.Parse(formula.Groups["own"].Value, CultureInfo.InvariantCulture), int.Parse(formula.Groups["peer"].Value, CultureInfo.InvariantCulture));
        }
    }

    /// <summary>The rows of the tables under headings that name one of these scopes.</summary>
    public static IReadOnlyList<DocumentedMetric> Of(params string[] scopes)
    {
        var rows = new List<DocumentedMetric>();
        var isMeant = false;
        foreach (var line in Text.Split('\n'))
        {
            if (line.StartsWith('#'))
            {
                isMeant = scopes.Any(scope => line.Contains($"(scope `{scope}`)", StringComparison.Ordinal));
            }
            else if (isMeant && Row().Match(line) is { Success: true } row)
            {
                string[] labels = [.. row.Groups["labels"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
                rows.Add(new DocumentedMetric(row.Groups["name"].Value, row.Groups["type"].Value, labels, row.Groups["meaning"].Value));
            }
            else if (isMeant && line.StartsWith("| `", StringComparison.Ordinal))
            {
                throw new FormatException($"docs/metrics.md: this row is not name, type, labels, meaning: {line}");
            }
        }

        return rows.Count > 0 ? rows : throw new FormatException($"docs/metrics.md has no table for {string.Join(", ", scopes)}.");
    }

    private static string FindRoot()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
        {
            root = root.Parent ?? throw new DirectoryNotFoundException("No WgMesh.sln above the tests.");
        }

        return root.FullName;
    }

    [GeneratedRegex(@"series of an agent = (?<own>\d+) \+ (?<peer>\d+) × min\(peers, --peer-series\)")]
    private static partial Regex Formula();

    [GeneratedRegex(@"^\| `(?<name>\w+)` \| (?<type>counter|gauge|histogram) \| (?<labels>[\w, ]*?) ?\| (?<meaning>.+) \|$")]
    private static partial Regex Row();
}
