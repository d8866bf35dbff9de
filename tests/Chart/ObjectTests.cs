using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Chart.Tests;

[Trait("needs", "system")]
public sealed class ObjectTests
{
    private static readonly string[] Always =
    [
        "ClusterRole/wgmesh-operator", "ClusterRole/wgmesh-tool", "ClusterRole/wgmesh-uninstall", "ClusterRoleBinding/wgmesh-operator",
        "ClusterRoleBinding/wgmesh-test", "ClusterRoleBinding/wgmesh-uninstall", "DaemonSet/wgmesh-agent", "Deployment/wgmesh-operator",
        "Job/wgmesh-uninstall", "Pod/wgmesh-test", "PodDisruptionBudget/wgmesh-operator", "ResourceQuota/wgmesh-critical", "Role/wgmesh-operator", "RoleBinding/wgmesh-operator",
        "Service/wgmesh-operator", "ServiceAccount/wgmesh-agent", "ServiceAccount/wgmesh-operator", "ServiceAccount/wgmesh-test",
        "ServiceAccount/wgmesh-uninstall",
    ];

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task Lint_has_nothing_to_say(string combination) => await Helm.SucceedAsync(
        null, ["lint", "--strict", Helm.Chart, .. Rendered.Combinations[combination].SelectMany(value => (string[])["--set", value])]);

    [Fact]
    public async Task The_chart_brings_what_its_values_name_and_nothing_else()
    {
        string[] definitions = ["CustomResourceDefinition/wireguardmeshes.wgmesh.io", "CustomResourceDefinition/wireguardpeers.wgmesh.io"];
        Assert.Equal([.. Sorted(Always, definitions, ["ConfigMap/wgmesh-settings"])], Sorted((await Rendered.OfAsync()).Names));
        Assert.Equal([.. Sorted(Always)], Sorted((await Rendered.OfAsync(Rendered.Combinations["nothing optional"])).Names));
        Assert.Equal(
            [.. Sorted(Always, definitions, ["ConfigMap/wgmesh-settings", "PodMonitor/wgmesh-agent", "PodMonitor/wgmesh-operator"])],
            Sorted((await Rendered.OfAsync(Rendered.Combinations["everything"])).Names
                .Where(name => !name.StartsWith("PrometheusRule/", StringComparison.Ordinal) && !name.StartsWith("ConfigMap/wgmesh-dashboard-", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Names_are_the_same_whatever_the_release_is_called_and_its_namespace_is_theirs()
    {
        var text = await Helm.SucceedAsync(null, "template", "another", Helm.Chart, "--namespace", "elsewhere");
        var objects = ManifestFile.Parse("chart", text).Manifests.Select(manifest => manifest.Content).ToList();
        Assert.Equal(Sorted((await Rendered.OfAsync()).Names), Sorted(objects.Select(item => $"{item["kind"]}/{item["metadata"]!["name"]}")));
        Assert.All(objects, item => Assert.True(
            (string?)item["metadata"]!["namespace"] == "elsewhere"
                || (string)item["kind"]! is "CustomResourceDefinition" or "ClusterRole" or "ClusterRoleBinding", $"{item["kind"]}/{item["metadata"]!["name"]}"));
        Assert.All(objects.SelectMany(item => item["subjects"]?.AsArray() ?? []), subject => Assert.Equal("elsewhere", (string)subject!["namespace"]!));
    }

    [Fact]
    public async Task Agents_have_no_right_and_no_object_gives_one_to_everybody()
    {
        var subjects = (await Rendered.OfAsync()).Objects.SelectMany(item => item["subjects"]?.AsArray() ?? [])
            .Select(subject => $"{subject!["kind"]}/{subject["name"]}").Distinct();
        Assert.Equal(["ServiceAccount/wgmesh-operator", "ServiceAccount/wgmesh-test", "ServiceAccount/wgmesh-uninstall"], Sorted(subjects));
    }

    [Fact]
    public async Task No_rule_has_a_wildcard_and_none_reads_secrets_of_other_namespaces()
    {
        var rendered = await Rendered.OfAsync();
        var roles = rendered.Objects.Where(item => (string)item["kind"]! is "ClusterRole" or "Role").ToList();
        Assert.DoesNotContain("*", string.Concat(roles.Select(role => role["rules"]!.ToJsonString())), StringComparison.Ordinal);
        Assert.DoesNotContain("secrets", string.Concat(roles.Where(role => (string)role["kind"]! == "ClusterRole").Select(role => role["rules"]!.ToJsonString())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hooks_run_before_a_deletion_and_for_a_test_and_go_when_they_are_done()
    {
        foreach (var item in (await Rendered.OfAsync()).Objects)
        {
            var annotations = item["metadata"]!["annotations"];
            var expected = ((string)item["metadata"]!["name"]!) switch { "wgmesh-uninstall" => "pre-delete", "wgmesh-test" => "test", _ => null };
            Assert.Equal(expected, (string?)annotations?["helm.sh/hook"]);
            if (expected is not null)
                Assert.Equal("before-hook-creation,hook-succeeded", (string)annotations!["helm.sh/hook-delete-policy"]!);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Definitions_stay_when_the_chart_goes_if_that_is_wanted(bool keep)
    {
        var rendered = await Rendered.OfAsync($"crds.keep={(keep ? "true" : "false")}");
        Assert.All(
            rendered.Objects.Where(item => (string)item["kind"]! == "CustomResourceDefinition"),
            item => Assert.Equal(keep ? "keep" : null, (string?)item["metadata"]!["annotations"]?["helm.sh/resource-policy"]));
    }

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task The_settings_that_the_operator_is_given_hold(string combination)
    {
        var rendered = await Rendered.OfAsync(Rendered.Combinations[combination]);
        if (!rendered.Has("ConfigMap", "wgmesh-settings"))
            return;

        var set = ManifestReader.Read([ManifestFile.Parse("mesh.yaml", (string)rendered["ConfigMap", "wgmesh-settings"]["data"]!["mesh.yaml"]!)]);
        Assert.Empty(set.Problems);
        Assert.NotNull(set.Mesh);
    }

    [Fact]
    public async Task Settings_that_change_start_the_operators_anew_and_leave_the_agents_alone()
    {
        var before = await Rendered.OfAsync();
        var after = await Rendered.OfAsync("mesh.spec.listenPort=51999");
        Assert.False(JsonNode.DeepEquals(Template(before, "Deployment", "wgmesh-operator"), Template(after, "Deployment", "wgmesh-operator")));
        Assert.True(JsonNode.DeepEquals(Template(before, "DaemonSet", "wgmesh-agent"), Template(after, "DaemonSet", "wgmesh-agent")));

        static JsonNode Template(Rendered rendered, string kind, string name) => rendered[kind, name]["spec"]!["template"]!;
    }

    private static IEnumerable<string> Sorted(params IEnumerable<string>[] names) => names.SelectMany(name => name).Order(StringComparer.Ordinal);
}
