using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Chart.Tests;

public sealed class ValuesTests
{
    private static readonly string ValuesText = File.ReadAllText(Path.Combine(Helm.Chart, "values.yaml"));
    private static readonly JsonObject Schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Helm.Chart, "values.schema.json")))!.AsObject();

    [Fact]
    public void Every_value_is_in_the_schema_and_the_other_way_round()
    {
        var values = ManifestFile.Parse("values.yaml", ValuesText).Manifests.Single().Content;
        Compare(values, Schema, "");

        static void Compare(JsonObject values, JsonObject schema, string path)
        {
            Assert.False((bool)schema["additionalProperties"]!, path);
            var known = schema["properties"]!.AsObject();
            Assert.Equal(values.Select(value => path + value.Key).Order(), known.Select(field => path + field.Key).Where(field => field != "global").Order());
            foreach (var (name, value) in values)
            {
                if (value is JsonObject section && known[name]!["properties"] is not null && $"{path}{name}" is not "mesh.spec" and var inner)
                    Compare(section, known[name]!.AsObject(), inner + ".");
            }
        }
    }

    [Fact]
    public void Every_value_is_explained_where_it_stands_or_where_its_group_begins()
    {
        var lines = ValuesText.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (line.Length == 0 || line.TrimStart().StartsWith('#') || line.EndsWith(':') || IsExplained(i))
                continue;

            // siblings that stand together share the words above the first
            var first = i;
            while (first > 0 && lines[first - 1].Length > 0 && !lines[first - 1].TrimStart().StartsWith('#') && Depth(lines[first - 1]) >= Depth(line))
                first--;
            Assert.True(IsExplained(first) || (lines[first - 1].EndsWith(':') && IsExplained(first - 1)) || Depth(lines[first - 1]) < Depth(line), $"values.yaml:{i + 1}: {line}");
        }

        bool IsExplained(int line) => line > 0 && lines[line - 1].TrimStart().StartsWith('#');
        static int Depth(string line) => line.Length - line.TrimStart().Length;
    }

    // as somebody leaves it who writes "spec:" and puts a # before all that is below
    [Fact]
    [Trait("needs", "system")]
    public async Task What_is_left_empty_is_refused_by_name_or_is_nothing()
    {
        var values = ManifestFile.Parse("values.yaml", ValuesText).Manifests.Single().Content;
        foreach (var (path, isEmptyByDefault) in Paths(values, "").Append(("mesh.spec.failurePolicy", false)))
        {
            var (code, _, error) = await Helm.RunAsync(null, "template", "wgmesh", Helm.Chart, "--set", path + "=null");
            var name = path[(path.LastIndexOf('.') + 1)..];
            if (isEmptyByDefault)
                Assert.True(code == 0, $"{path}: {error}");
            else if (code != 0)
                Assert.True(error.Contains($"missing property '{name}'", StringComparison.Ordinal) || error.Contains($"/{name}': got null", StringComparison.Ordinal), $"{path}: {error}");
            else
                Assert.Contains(path.Split('.'), part => part is "resources" or "labels");
        }

        static IEnumerable<(string Path, bool IsEmptyByDefault)> Paths(JsonObject section, string prefix) => section.SelectMany(value =>
            ((string, bool)[])[(prefix + value.Key, value.Value!.ToJsonString() is "{}" or "[]" or "\"\"")])
            .Concat(section.SelectMany(value => value.Value is JsonObject inner ? Paths(inner, $"{prefix}{value.Key}.") : []));
    }

    [Theory]
    [Trait("needs", "system")]
    [InlineData("/etc/cni/net.d")]
    [InlineData("/var/..data/.cni/a..b")]
    public async Task A_folder_may_have_dots(string folder) => await Rendered.OfAsync($"cni.confDir={folder}");

    [Fact]
    public void The_settings_of_the_mesh_are_what_the_definition_takes()
    {
        var definition = ManifestFile.Parse("crds", CrdYaml.Generate()).Manifests[1].Content;
        var spec = definition["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!["properties"]!.DeepClone().AsObject();
        spec.Remove("released"); // an order, and no setting
        var expected = new JsonObject(spec.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)Plain(field.Value!))));
        var actual = new JsonObject(Schema["properties"]!["mesh"]!["properties"]!["spec"]!["properties"]!.AsObject()
            .Select(field => KeyValuePair.Create(field.Key, (JsonNode?)Plain(field.Value!))));
        Assert.True(JsonNode.DeepEquals(expected, actual), $"{actual}\nand not\n{expected}");

        // what both say in the same words
        static JsonObject Plain(JsonNode field)
        {
            if ((string?)field["$ref"] is { } reference)
                field = Schema["definitions"]![reference.Split('/')[^1]]!;
            var plain = new JsonObject();
            foreach (var (name, value) in field.AsObject())
            {
                if (name == "items")
                    plain[name] = Plain(value!);
                else if (name == "properties")
                    plain[name] = new JsonObject(value!.AsObject().Select(inner => KeyValuePair.Create(inner.Key, (JsonNode?)Plain(inner.Value!))));
                else if (name is not ("description" or "default" or "pattern" or "additionalProperties" or "format") && !name.StartsWith("x-", StringComparison.Ordinal))
                    plain[name] = value!.DeepClone();
            }

            return plain;
        }
    }

    [Theory]
    [Trait("needs", "system")]
    [InlineData("unknown=1", "additional properties 'unknown' not allowed")]
    [InlineData("operator.replica=3", "at '/operator': additional properties 'replica' not allowed")]
    [InlineData("operator.replicas=0", "at '/operator/replicas': minimum: got 0, want 1")]
    [InlineData("operator.replicas=two", "at '/operator/replicas': got string, want integer")]
    [InlineData("operator.port=70000", "at '/operator/port': maximum: got 70,000, want 65,535")]
    [InlineData("operator.service.ipFamily=ipv6", "at '/operator/service/ipFamily': value must be one of 'IPv4', 'IPv6'")]
    [InlineData("image.pullPolicy=Sometimes", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'")]
    [InlineData("image.repository=My/Image", "at '/image/repository': 'My/Image' does not match pattern")]
    [InlineData("image.digest=latest", "at '/image/digest': 'latest' does not match pattern")]
    [InlineData("imagePullSecrets[0]=pull", "at '/imagePullSecrets/0': got string, want object")]
    [InlineData("agent.disableOffloads={gso}", "at '/agent/disableOffloads/0': value must be one of 'tun-tso'")]
    [InlineData("agent.advertiseEndpoints={192.0.2.1}", "at '/agent/advertiseEndpoints/0': '192.0.2.1' does not match pattern")]
    [InlineData("agent.updatesAtOnce=0", "at '/agent/updatesAtOnce'")]
    [InlineData("agent.updatesAtOnce=150%", "at '/agent/updatesAtOnce'")]
    [InlineData("agent.peerSeries=-1", "at '/agent/peerSeries': minimum: got -1, want 0")]
    [InlineData("agent.privileged=yes", "at '/agent/privileged': got string, want boolean")]
    [InlineData("agent.resources.limits.memory=much", "at '/agent/resources/limits/memory'")]
    [InlineData("cni.mode=bridge", "at '/cni/mode': value must be one of 'ptp', 'none'")]
    [InlineData("cni.confDir=etc/cni", "at '/cni/confDir': 'etc/cni' does not match pattern")]
    [InlineData("cni.confDir=/etc/cni/../net.d", "at '/cni/confDir': '/etc/cni/../net.d' does not match pattern")]
    [InlineData("cni.binDir=/opt/cni/..", "at '/cni/binDir': '/opt/cni/..' does not match pattern")]
    [InlineData("operator.service=null", "at '/operator': missing property 'service'")]
    [InlineData("crds.keep=null", "at '/crds': missing property 'keep'")]
    [InlineData("mesh.spec.failurePolicy=open", "at '/mesh/spec/failurePolicy': value must be one of 'Closed', 'Open'")]
    [InlineData("mesh.spec.podCIDR=10.244.0.0/16", "at '/mesh/spec': additional properties 'podCIDR' not allowed")]
    [InlineData("mesh.spec.podCIDRs={10.244.0.0}", "at '/mesh/spec/podCIDRs/0': '10.244.0.0' does not match pattern")]
    [InlineData("mesh.spec.released=true", "additional properties 'released' not allowed")]
    [InlineData("mesh.spec.mtu=576", "at '/mesh/spec/mtu': minimum: got 576, want 1,280")]
    [InlineData("metrics.address=everywhere", "at '/metrics/address': 'everywhere' does not match pattern")]
    [InlineData("metrics.agentPort=9585", "operator.port, metrics.operatorPort and metrics.agentPort are ports of the same nodes")]
    [InlineData("prometheus.podMonitor.interval=often", "at '/prometheus/podMonitor/interval': 'often' does not match pattern")]
    public async Task What_cannot_be_is_refused_by_name(string value, string message)
    {
        var (code, _, error) = await Helm.RunAsync(null, "template", "wgmesh", Helm.Chart, "--set", value);
        Assert.NotEqual(0, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }
}
