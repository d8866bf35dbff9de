using System.Globalization;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Chart.Tests;

/// <summary>What the chart comes to, for one server and one set of values.</summary>
internal sealed class Rendered
{
    public const string Namespace = "mesh";

    /// <summary>The versions that the chart says it is for; clouds have names of their own for theirs.</summary>
    public static IEnumerable<string> Versions =>
        Enumerable.Range(20, 17).Select(minor => string.Create(CultureInfo.InvariantCulture, $"1.{minor}.3")).Concat(["1.31.2-gke.1001", "v1.24.9+k3s1"]);

    /// <summary>Values that change what there is, as <c>--set</c> has them.</summary>
    public static IReadOnlyDictionary<string, string[]> Combinations { get; } = new Dictionary<string, string[]>
    {
        ["defaults"] = [],
        ["another CNI"] = ["cni.mode=none", "agent.updatesAtOnce=10%", "metrics.address=0.0.0.0"],
        ["IPv6"] = ["operator.service.ipFamily=IPv6", "agent.advertiseEndpoints={[$(HOST_IP)]:51820}", "mesh.spec.podCIDRs={fd00:244::/48}"],
        ["nothing optional"] = ["mesh.create=false", "crds.install=false", "cni.masquerade=false", "operator.replicas=1", "agent.peerSeries=0", "metrics.address=127.0.0.1"],
        ["everything"] =
        [
            "image.repository=registry.example:5000/net/wgmesh", "image.digest=sha256:" + Digest, "imagePullSecrets[0].name=pull", "crds.keep=false",
            "agent.privileged=true", "agent.disableOffloads={tun-uso,udp-gro}", "agent.advertiseEndpoints={$(HOST_IP):51820,192.0.2.1:1}", "metrics.annotations=true",
            "prometheus.podMonitor.enabled=true", "prometheus.podMonitor.labels.release=mine", "prometheus.rules.enabled=true", "dashboards.enabled=true",
            "mesh.spec.podCIDRs={10.244.0.0/16}", "mesh.spec.serviceCIDRs={10.96.0.0/12}", "mesh.spec.failurePolicy=Open", "mesh.spec.protocol.version=1",
        ],
    };

    private const string Digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    public required IReadOnlyList<JsonObject> Objects { get; init; }

    /// <summary>For tests that go over all of them.</summary>
    public static TheoryData<string> AllCombinations => [.. Combinations.Keys];

    /// <summary>The newest server, and these values.</summary>
    public static Task<Rendered> OfAsync(params string[] values) => ForAsync("1.36.0", values);

    public static Task<Rendered> ForAsync(string version, params string[] values) => FromAsync(Helm.Chart, version, values);

    public static async Task<Rendered> FromAsync(string chart, string version, params string[] values)
    {
        var text = await Helm.SucceedAsync(
            null, ["template", "wgmesh", chart, "--namespace", Namespace, "--kube-version", version, .. values.SelectMany(value => (string[])["--set", value])]);
        var file = ManifestFile.Parse("chart", text);
        Assert.Empty(file.Errors);
        return new Rendered { Objects = [.. file.Manifests.Select(manifest => manifest.Content.DeepClone().AsObject())] };
    }

    public IEnumerable<string> Names => Objects.Select(item => $"{item["kind"]}/{item["metadata"]!["name"]}");

    /// <summary>The one object of this kind and name.</summary>
    public JsonObject this[string kind, string name] => Objects.Single(item => (string)item["kind"]! == kind && (string)item["metadata"]!["name"]! == name);

    public bool Has(string kind, string name) => Names.Contains($"{kind}/{name}");

    public JsonObject Agent => Pod("DaemonSet", "wgmesh-agent");

    public JsonObject Operator => Pod("Deployment", "wgmesh-operator");

    /// <summary>Every pod that the chart brings: that of the operator, of the agent, and those of hooks.</summary>
    public IEnumerable<JsonObject> Pods => [Agent, Operator, Pod("Job", "wgmesh-uninstall"), this["Pod", "wgmesh-test"]["spec"]!.AsObject()];

    private JsonObject Pod(string kind, string name) => this[kind, name]["spec"]!["template"]!["spec"]!.AsObject();
}

internal static class PodSpec
{
    public static JsonObject Container(this JsonObject pod) => pod["containers"]!.AsArray().Single()!.AsObject();

    public static string[] Arguments(this JsonObject pod) => [.. pod.Container()["args"]!.AsArray().Select(argument => (string)argument!)];

    /// <summary>The folders and files of the node that the pod is given.</summary>
    public static string[] HostPaths(this JsonObject pod) =>
        [.. (pod["volumes"]?.AsArray() ?? []).Select(volume => (string?)volume!["hostPath"]?["path"]).OfType<string>()];
}
