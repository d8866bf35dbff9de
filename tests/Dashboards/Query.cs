using System.Collections.Immutable;
using System.Text.RegularExpressions;
using WgMesh.Tests.Shared;

namespace WgMesh.Dashboards.Tests;

/// <summary>What an expression of Prometheus asks for; whether it is one, promtool says.</summary>
internal static partial class Query
{
    // Prometheus' own, those that a rule's alerts have, and the mark of a metric that has run out of places
    private static readonly ImmutableHashSet<string> EverywhereLabels = ["job", "instance", "__name__", "otel_metric_overflow", "alertname", "alertstate", "severity"];

    // the labels of every series; a histogram has three kinds
    private static readonly ImmutableDictionary<string, ImmutableHashSet<string>> Series = MetricsDocument.Of("WgMesh.Engine", "WgMesh.Agent", "WgMesh.Operator", "WgMesh.Process")
        .SelectMany(metric => metric.Type == "histogram"
            ? new[] { "_bucket", "_sum", "_count" }.Select(suffix => (Name: metric.Name + suffix, Labels: metric.Labels.Append("le")))
            : [(metric.Name, metric.Labels)])
        .ToImmutableDictionary(series => series.Name, series => series.Labels.ToImmutableHashSet());

    /// <summary>What is wrong with it: metrics and labels that docs/metrics.md does not have.</summary>
    internal static IEnumerable<string> Problems(string expression)
    {
        var known = EverywhereLabels;
        foreach (Match selector in Selector().Matches(expression))
        {
            var name = selector.Groups["name"].Value;
            if (!Series.TryGetValue(name, out var labels))
            {
                yield return $"{name} is not in docs/metrics.md";
                continue;
            }

            known = known.Union(labels);
            foreach (var label in Matcher().Matches(selector.Groups["matchers"].Value).Select(matcher => matcher.Groups["label"].Value))
            {
                if (!labels.Contains(label) && !EverywhereLabels.Contains(label))
                {
                    yield return $"{name} has no label {label}";
                }
            }
        }

        foreach (var label in Grouping().Matches(expression).SelectMany(grouping => grouping.Groups["labels"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)))
        {
            if (!known.Contains(label))
            {
                yield return $"nothing that is asked for has a label {label}";
            }
        }
    }

    /// <summary>Grafana's variables in it.</summary>
    internal static IEnumerable<string> Variables(string text) => Variable().Matches(text).Select(variable => variable.Groups["name"].Value);

    [GeneratedRegex(@"\b(?<name>wgmesh_[a-z0-9_]+)(\{(?<matchers>[^}]*)\})?")]
    private static partial Regex Selector();

    [GeneratedRegex(@"(?<label>[a-zA-Z_]+)\s*(=~|!~|!=|=)")]
    private static partial Regex Matcher();

    [GeneratedRegex(@"\b(by|without|on|ignoring|group_left|group_right)\s*\((?<labels>[^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex(@"\$\{?(?<name>[a-z_]+)")]
    private static partial Regex Variable();
}
