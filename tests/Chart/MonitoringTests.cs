using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Chart.Tests;

[Trait("needs", "system")]
public sealed class MonitoringTests : IDisposable
{
    private const string Alerts = """
        # a comment, and what Helm would take for a template of its own
        groups:
        - name: one
          rules:
          - alert: LinkDown
            expr: wgmesh_peer_link_down == 1
            annotations: {summary: "{{ $labels.peer }} is down for {{ $value | humanizeDuration }}"}

        """;

    private const string Dashboard = """{"title": "One", "legend": "{{peer}}", "text": "a\tb 'c' \"d\""}""";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("wgmesh-chart-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Rules_and_dashboards_are_handed_on_as_they_are()
    {
        foreach (var path in Directory.EnumerateFiles(Helm.Chart, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(_folder.FullName, Path.GetRelativePath(Helm.Chart, path));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(path, copy);
        }

        foreach (var (path, text) in ((string, string)[])[("alerts/more.yaml", Alerts), ("dashboards/more.json", Dashboard)])
        {
            Directory.CreateDirectory(Path.Combine(_folder.FullName, Path.GetDirectoryName(path)!));
            await File.WriteAllTextAsync(Path.Combine(_folder.FullName, path), text);
        }

        var rendered = await Rendered.FromAsync(
            _folder.FullName, "1.36.0", "prometheus.rules.enabled=true", "prometheus.rules.labels.release=mine", "dashboards.enabled=true", "dashboards.labels.team=net");
        var rule = rendered["PrometheusRule", "more"];
        Assert.Equal("mine", (string)rule["metadata"]!["labels"]!["release"]!);
        Assert.True(JsonNode.DeepEquals(ManifestFile.Parse("alerts", Alerts).Manifests.Single().Content, rule["spec"]));
        var map = rendered["ConfigMap", "wgmesh-dashboard-more"];
        Assert.Equal(("1", "net"), ((string)map["metadata"]!["labels"]!["grafana_dashboard"]!, (string)map["metadata"]!["labels"]!["team"]!));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(Dashboard), JsonNode.Parse((string)map["data"]!["wgmesh-more.json"]!)));
    }

    [Fact]
    public async Task Every_rule_and_dashboard_of_the_chart_is_brought()
    {
        var rendered = await Rendered.OfAsync("prometheus.rules.enabled=true", "dashboards.enabled=true");
        Assert.Equal(Files("alerts", "*.yaml"), Of("PrometheusRule", ""));
        Assert.Equal(Files("dashboards", "*.json"), Of("ConfigMap", "wgmesh-dashboard-"));

        static IEnumerable<string> Files(string folder, string pattern) => Directory.Exists(Path.Combine(Helm.Chart, folder))
            ? Directory.EnumerateFiles(Path.Combine(Helm.Chart, folder), pattern).Select(path => Path.GetFileNameWithoutExtension(path)!).Order()
            : [];
        IEnumerable<string> Of(string kind, string prefix) => rendered.Objects
            .Where(item => (string)item["kind"]! == kind).Select(item => (string)item["metadata"]!["name"]!)
            .Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => name[prefix.Length..]).Where(name => name != "wgmesh-settings").Order();
    }

    [Fact]
    public async Task A_pod_monitor_finds_the_pods_and_scrapes_the_port_that_they_listen_on()
    {
        var rendered = await Rendered.OfAsync("prometheus.podMonitor.enabled=true", "prometheus.podMonitor.interval=15s", "metrics.agentPort=9999");
        foreach (var (name, kind, port) in ((string, string, int)[])[("wgmesh-agent", "DaemonSet", 9999), ("wgmesh-operator", "Deployment", 9585)])
        {
            var monitor = rendered["PodMonitor", name]["spec"]!;
            Assert.True(JsonNode.DeepEquals(rendered[kind, name]["spec"]!["selector"], monitor["selector"]));
            var endpoint = monitor["podMetricsEndpoints"]![0]!;
            Assert.Equal(("15s", "/metrics"), ((string)endpoint["interval"]!, (string)endpoint["path"]!));
            Assert.Null(monitor["jobLabel"]);
            Assert.Equal(name, (string)endpoint["relabelings"]!.AsArray().Single(rule => (string)rule!["targetLabel"]! == "job")!["replacement"]!);
            Assert.Equal(
                [$"$1:{port}", $"[$1]:{port}"],
                endpoint["relabelings"]!.AsArray().Where(rule => (string)rule!["targetLabel"]! == "__address__").Select(rule => (string)rule!["replacement"]!));
        }
    }

    [Fact]
    public async Task Annotations_name_the_port()
    {
        var rendered = await Rendered.OfAsync("metrics.annotations=true");
        Assert.Equal("9586", (string)rendered["DaemonSet", "wgmesh-agent"]["spec"]!["template"]!["metadata"]!["annotations"]!["prometheus.io/port"]!);
        Assert.Equal("9585", (string)rendered["Deployment", "wgmesh-operator"]["spec"]!["template"]!["metadata"]!["annotations"]!["prometheus.io/port"]!);
    }
}
