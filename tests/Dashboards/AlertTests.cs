using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace WgMesh.Dashboards.Tests;

/// <summary>What an alert has to have so that somebody who is woken by it knows what to do.</summary>
public partial class AlertTests
{
    [Fact]
    public void Everything_that_is_asked_for_is_in_the_metrics_contract() =>
        Assert.Empty(Alert.All.SelectMany(alert => Query.Problems(alert.Expression).Select(problem => $"{alert}: {problem}")));

    [Fact]
    public void So_is_what_annotations_ask_for() =>
        Assert.Empty(Alert.All.SelectMany(alert => Query.Problems(alert.Annotation("description")).Select(problem => $"{alert}: {problem}")));

    [Fact]
    public void An_alert_has_a_severity_a_summary_a_description_and_its_own_part_of_the_runbook()
    {
        foreach (var alert in Alert.All)
        {
            Assert.Contains(((YamlScalarNode)alert.Labels["severity"]).Value, new[] { "warning", "critical" });
            Assert.NotEqual("", alert.Annotation("summary"));
            Assert.NotEqual("", alert.Annotation("description"));
            Assert.Equal($"docs/operations.md#{alert.Name.ToLowerInvariant()}", alert.Annotation("runbook"));
        }
    }

    [Fact]
    public void The_runbook_has_a_part_for_every_alert_and_none_for_others()
    {
        var parts = File.ReadLines(Repository.At("docs", "operations.md")).Select(line => Heading().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value);
        Assert.Equal(Alert.All.Select(alert => alert.Name).Order(), parts.Order());
    }

    [Fact]
    public void Every_alert_is_seen_to_fire_and_not_to_fire()
    {
        foreach (var alert in Alert.All)
        {
            Assert.True(Alert.Tested.Contains((alert.Name, 1)), $"no test sees {alert} fire");
            Assert.True(Alert.Tested.Contains((alert.Name, 0)), $"no test sees {alert} not fire");
        }
    }

    [Fact]
    public void A_threshold_is_justified_where_it_stands()
    {
        var lines = File.ReadAllLines(Repository.Alerts);
        var bare = lines.Zip(lines.Skip(1)).Where(pair => pair.Second.StartsWith("  - alert:", StringComparison.Ordinal) && !pair.First.StartsWith("  # ", StringComparison.Ordinal));
        Assert.Empty(bare.Select(pair => pair.Second));
    }

    [GeneratedRegex("^### (WgMesh[A-Za-z]+)$")]
    private static partial Regex Heading();
}
