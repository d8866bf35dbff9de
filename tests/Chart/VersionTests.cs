using System.Text.Json.Nodes;

namespace WgMesh.Chart.Tests;

[Trait("needs", "system")]
public sealed class VersionTests
{
    private static readonly string[] Newer =
        ["ipFamilies", "ipFamilyPolicy", "maxSurge", "maxUnavailable", "x-kubernetes-validations", "anyOf"];

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task Servers_of_all_versions_get_the_same_but_for_what_older_ones_do_not_know(string combination)
    {
        var values = Rendered.Combinations[combination];
        var newest = (await Rendered.OfAsync(values)).Objects.Select(WithoutWhatIsNewer).ToList();
        foreach (var version in Rendered.Versions)
        {
            var minor = int.Parse(version.TrimStart('v').Split('.')[1], System.Globalization.CultureInfo.InvariantCulture);
            var rendered = await Rendered.ForAsync(version, values);
            Assert.Equal(minor >= 21 ? "policy/v1" : "policy/v1beta1", (string)rendered["PodDisruptionBudget", "wgmesh-operator"]["apiVersion"]!);
            var service = rendered["Service", "wgmesh-operator"]["spec"]!.AsObject();
            Assert.Equal((minor >= 23, minor >= 23), (service.ContainsKey("ipFamilies"), service.ContainsKey("ipFamilyPolicy")));
            var update = rendered["DaemonSet", "wgmesh-agent"]["spec"]!["updateStrategy"]!["rollingUpdate"]!.AsObject();
            var atOnce = combination == "another CNI" ? "10%" : "1";
            Assert.Equal(minor >= 22 ? (atOnce, "0") : (null, atOnce), ($"{update["maxSurge"]}" is { Length: > 0 } surge ? surge : null, $"{update["maxUnavailable"]}"));
            if (combination != "nothing optional")
            {
                var definition = rendered["CustomResourceDefinition", "wireguardpeers.wgmesh.io"].ToJsonString();
                Assert.Equal(minor >= 25, definition.Contains("x-kubernetes-validations", StringComparison.Ordinal));
            }

            var same = rendered.Objects.Select(WithoutWhatIsNewer).ToList();
            Assert.Equal(newest.Select(Name), same.Select(Name));
            foreach (var (expected, actual) in newest.Zip(same))
                Assert.True(JsonNode.DeepEquals(expected, actual), $"{version}: {Name(expected)}:\n{actual}\nand not\n{expected}");
        }
    }

    [Fact]
    public async Task A_server_that_is_too_old_is_refused()
    {
        var (code, _, error) = await Helm.RunAsync(null, "template", "wgmesh", Helm.Chart, "--kube-version", "1.19.16");
        Assert.NotEqual(0, code);
        Assert.Contains("requires kubeVersion: >=1.20.0-0", error, StringComparison.Ordinal);
    }

    private static string Name(JsonObject item) => $"{item["kind"]}/{item["metadata"]!["name"]}";

    private static JsonObject WithoutWhatIsNewer(JsonObject item)
    {
        var copy = item.DeepClone().AsObject();
        if ((string)copy["kind"]! == "PodDisruptionBudget")
            copy.Remove("apiVersion");
        else
            Strip(copy);
        return copy;
    }

    private static void Strip(JsonNode? node)
    {
        if (node is JsonObject mapping)
        {
            foreach (var name in Newer)
                mapping.Remove(name);
            foreach (var (_, value) in mapping.ToList())
                Strip(value);
        }
        else if (node is JsonArray array)
        {
            foreach (var value in array)
                Strip(value);
        }
    }
}
