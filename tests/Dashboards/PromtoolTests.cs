using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace WgMesh.Dashboards.Tests;

/// <summary>Rules and configurations as Prometheus' own tool sees them.</summary>
[Trait("needs", "system")]
public partial class PromtoolTests
{
    [Fact]
    public async Task Promtool_takes_the_rules() => await Promtool("check", "rules", "--lint=all", "--lint-fatal", Repository.Alerts);

    [Fact]
    public async Task Every_alert_fires_when_it_should_and_only_then() =>
        await Promtool(["test", "rules", .. Directory.EnumerateFiles(Repository.Tests, "*.test.yaml").Order(StringComparer.Ordinal)]);

    [Fact]
    public async Task The_configuration_in_the_runbook_scrapes_agents_and_operators_and_calls_them_by_their_nodes()
    {
        var page = await File.ReadAllTextAsync(Repository.At("docs", "operations.md"));
        var configuration = Assert.Single(Configuration().Matches(page)).Groups[1].Value;
        // what the discovery finds, which Debian's promtool cannot ask for
        var found = Pod("wgmesh", "operator", "node1", "192.0.2.1") + Pod("wgmesh", "agent", "node1", "192.0.2.1") + Pod("wgmesh", "agent", "node2", "2001:db8::2")
            + Pod("wgmesh", "uninstall", "node3", "192.0.2.3") + Pod("other", "agent", "node4", "192.0.2.4");
        configuration = Discovery().Replace(configuration, $"  static_configs:\n{found}", 1);

        var folder = Directory.CreateTempSubdirectory("wgmesh-promtool-");
        try
        {
            var file = Path.Combine(folder.FullName, "prometheus.yml");
            File.Copy(Repository.Alerts, Path.Combine(folder.FullName, "wgmesh.yaml"));
            await File.WriteAllTextAsync(file, configuration);
            await Promtool("check", "config", "--lint=all", "--lint-fatal", file);
            var targets = JsonNode.Parse(await Promtool("check", "service-discovery", "--timeout=10s", file, "wgmesh"))!.AsArray();
            Assert.Equal(
                ["wgmesh-agent node1 192.0.2.1:9586", "wgmesh-agent node2 [2001:db8::2]:9586", "wgmesh-operator node1 192.0.2.1:9585"],
                targets.Select(target => target!["labels"]!.AsObject()).Where(labels => labels.Count > 0).Select(labels => $"{labels["job"]} {labels["instance"]} {labels["__address__"]}").Order());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Pod(string name, string component, string node, string address) => $$"""
          - targets: [{{component}}-{{node}}]
            labels:
              __meta_kubernetes_pod_label_app_kubernetes_io_name: {{name}}
              __meta_kubernetes_pod_label_app_kubernetes_io_component: {{component}}
              __meta_kubernetes_pod_node_name: {{node}}
              __meta_kubernetes_pod_ip: "{{address}}"

        """;

    /// <returns>What it printed.</returns>
    private static async Task<string> Promtool(params string[] arguments)
    {
        var start = new ProcessStartInfo("promtool", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var promtool = Process.Start(start)!;
            var errors = promtool.StandardError.ReadToEndAsync();
            var output = await promtool.StandardOutput.ReadToEndAsync();
            await promtool.WaitForExitAsync();
            Assert.True(promtool.ExitCode == 0, output + await errors);
            return output;
        }
        catch (Win32Exception exception)
        {
            throw new InvalidOperationException("This test needs promtool: install Debian's package prometheus.", exception);
        }
    }

    [GeneratedRegex("^```yaml\n(rule_files:.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Configuration();

    [GeneratedRegex("^  kubernetes_sd_configs:.*\n", RegexOptions.Multiline)]
    private static partial Regex Discovery();
}
