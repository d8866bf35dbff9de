using System.Text;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Crds.Tests;

public class CrdYamlTests
{
    private static readonly IReadOnlyList<Manifest> Definitions = ManifestFile.Parse("crds.yaml", CrdYaml.Generate(CrdYaml.Oldest)).Manifests;

    private static JsonNode Version(int definition) => Definitions[definition].Content["spec"]!["versions"]![0]!;

    private static JsonNode Field(int definition, params string[] path) =>
        path.Aggregate(Version(definition)["schema"]!["openAPIV3Schema"]!, (schema, name) => name == "[]" ? schema["items"]! : schema["properties"]![name]!);

    [Fact]
    public void The_chart_holds_what_the_types_generate()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
            root = root.Parent ?? throw new DirectoryNotFoundException("No WgMesh.sln above the tests.");
        var path = Path.Combine(root.FullName, CrdYaml.ChartPath);

        Assert.True(File.Exists(path) && File.ReadAllText(path) == CrdYaml.ChartTemplate(),
            $"{CrdYaml.ChartPath} differs from the types in src/Crds. Write it anew at the root of the repository with: {CrdYaml.RegenerateCommand}");
    }

    [Fact]
    public void Both_definitions_are_there_with_their_names()
    {
        Assert.Equal(["wireguardpeers.wgmesh.io", "wireguardmeshes.wgmesh.io"], Definitions.Select(d => (string)d.Content["metadata"]!["name"]!));
        Assert.All(Definitions, d => Assert.Equal("Cluster", (string)d.Content["spec"]!["scope"]!));
        Assert.Equal(
            """{"kind":"WireGuardPeer","listKind":"WireGuardPeerList","plural":"wireguardpeers","singular":"wireguardpeer","shortNames":["wgp"],"categories":["wgmesh"]}""",
            Definitions[0].Content["spec"]!["names"]!.ToJsonString());
        Assert.Equal("[\"wgm\"]", Definitions[1].Content["spec"]!["names"]!["shortNames"]!.ToJsonString());
        Assert.All([0, 1], d => Assert.Equal("v1alpha1", (string)Version(d)["name"]!));
        Assert.All([0, 1], d => Assert.Equal("""{"status":{}}""", Version(d)["subresources"]!.ToJsonString()));
    }

    [Fact]
    public void The_columns_are_what_a_person_wants() =>
        Assert.Equal(["Node", "Endpoint", "Addresses", "Ready", "Connected", "Last Handshake", "Age"],
            Version(0)["additionalPrinterColumns"]!.AsArray().Where(column => column!["priority"] is null).Select(column => (string)column!["name"]!));

    [Fact]
    public void Every_column_shows_a_field_that_there_is()
    {
        foreach (var definition in (int[])[0, 1])
        {
            foreach (var column in Version(definition)["additionalPrinterColumns"]!.AsArray())
            {
                var path = ((string)column!["jsonPath"]!).Split('.', StringSplitOptions.RemoveEmptyEntries);
                if (path[0] == "metadata")
                    continue;
                var field = Field(definition, path[0], path[1].Split('[')[0]);
                Assert.True(field["type"] is not null, (string)column["name"]!);
            }
        }
    }

    [Fact]
    public void The_rules_of_the_fields_are_in_the_schema()
    {
        Assert.Null(Field(0, "spec")["required"]);
        Assert.Equal((44, 44), ((long)Field(0, "spec", "publicKey")["minLength"]!, (long)Field(0, "spec", "publicKey")["maxLength"]!));
        Assert.Equal((1, 65535), ((long)Field(0, "spec", "endpoint", "port")["minimum"]!, (long)Field(0, "spec", "endpoint", "port")["maximum"]!));
        Assert.Equal("[\"host\",\"port\"]", Field(0, "spec", "endpoint")["required"]!.ToJsonString());
        Assert.Equal(256, (long)Field(0, "spec", "allowedIPs")["maxItems"]!);
        Assert.Equal("cidr", (string)Field(0, "spec", "allowedIPs", "[]")["format"]!);
        Assert.NotNull(Field(0, "spec", "endpoint", "host")["pattern"]);
        var selector = Field(0, "spec", "gateways", "nodeSelector");
        Assert.Equal((1, 16), ((long)selector["minProperties"]!, (long)selector["maxProperties"]!));
        Assert.Equal(63, (long)selector["additionalProperties"]!["maxLength"]!);
        Assert.Equal("presharedKey", (string)Field(0, "spec", "presharedKeySecretRef", "key")["default"]!);
        Assert.Equal("""["Closed","Open"]""", Field(1, "spec", "failurePolicy")["enum"]!.ToJsonString());
        Assert.Equal("Closed", (string)Field(1, "spec", "failurePolicy")["default"]!);
        Assert.Equal("""["10.90.0.0/16","fd90:90::/64"]""", Field(1, "spec", "addressPools")["default"]!.ToJsonString());
        Assert.Equal(1, (long)Field(1, "spec", "addressPools")["minItems"]!);
        Assert.Equal((51820, 0), ((long)Field(1, "spec", "listenPort")["default"]!, (long)Field(1, "spec", "persistentKeepalive")["default"]!));
        Assert.Null(Field(1, "spec", "mtu")["default"]);
        Assert.Equal("{}", Field(1, "spec")["default"]!.ToJsonString());
        Assert.Equal("[\"default\"]", Field(1, "metadata", "name")["enum"]!.ToJsonString());
        Assert.Equal("[\"type\"]", Field(0, "status", "conditions")["x-kubernetes-list-map-keys"]!.ToJsonString());
        Assert.Equal("date-time", (string)Field(0, "status", "lastHandshakeTime")["format"]!);
    }

    [Fact]
    public void Every_default_holds_by_its_own_schema()
    {
        foreach (var kind in ManifestKind.All)
            Check(kind.Schema);

        static JsonNode AsRead(JsonNode value) => ManifestFile.Parse("default", YamlWriter.Write(new JsonObject { ["x"] = value.DeepClone() })).Manifests.Single().Content["x"]!.DeepClone();

        static void Check(FieldSchema schema)
        {
            var problems = new List<string>();
            var parent = new FieldSchema { Type = FieldType.Object };
            parent.Properties.Add("x", schema);
            if (schema.Default is { } value)
                new SchemaWalk(true, (_, field, message) => problems.Add($"{field} {message}")).CheckFields(parent, new JsonObject { ["x"] = AsRead(value) }, "");
            Assert.Empty(problems);
            foreach (var field in schema.Properties.Values.Append(schema.Items).OfType<FieldSchema>())
                Check(field);
        }
    }

    [Theory]
    [InlineData(20, false)]
    [InlineData(24, false)]
    [InlineData(25, true)]
    [InlineData(36, true)]
    public void Rules_between_fields_are_CEL_for_servers_that_know_it_and_else_as_far_as_a_schema_can_say_them(int minor, bool hasCel)
    {
        var peer = ManifestFile.Parse("crds.yaml", CrdYaml.Generate(new Version(1, minor))).Manifests[0].Content;
        var spec = peer["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!;

        Assert.Equal(hasCel, CrdYaml.Generate(new Version(1, minor)).Contains("x-kubernetes-validations", StringComparison.Ordinal));
        if (hasCel)
        {
            Assert.Null(spec["anyOf"]);
            Assert.Equal(["has(self.publicKey) || has(self.nodeName)", "!has(self.gateways) || !has(self.nodeName)"],
                spec["x-kubernetes-validations"]!.AsArray().Select(rule => (string)rule!["rule"]!));
            Assert.StartsWith("publicKey is missing; write ", (string)spec["x-kubernetes-validations"]![0]!["message"]!, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal("""[{"required":["publicKey"]},{"required":["nodeName"]}]""", spec["anyOf"]!.ToJsonString());
        }
    }

    [Fact]
    public void The_newest_server_is_what_definitions_are_for_if_none_is_named() => Assert.Equal(CrdYaml.Generate(new Version(1, 36)), CrdYaml.Generate());

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_chart_makes_the_same_definitions_and_keeps_them_when_it_goes_if_it_is_to(bool keep)
    {
        Assert.Equal(CrdYaml.Generate(new Version(1, 25)), Rendered(hasCel: true));
        Assert.Equal(CrdYaml.Generate(CrdYaml.Oldest), Rendered(hasCel: false));

        // what Helm does with the few actions that the template holds
        string Rendered(bool hasCel)
        {
            const string Keep = "  annotations:\n    helm.sh/resource-policy: keep\n";
            var text = new StringBuilder();
            var conditions = new Stack<bool>();
            foreach (var line in CrdYaml.ChartTemplate().TrimEnd('\n').Split('\n').Skip(1))
            {
                var action = line.TrimStart();
                if (action.StartsWith("{{- if semverCompare \">=1.25-0\" ", StringComparison.Ordinal))
                    conditions.Push(hasCel);
                else if (action.StartsWith("{{- if ", StringComparison.Ordinal))
                    conditions.Push(action == "{{- if .Values.crds.install }}" || (action == "{{- if .Values.crds.keep }}" && keep));
                else if (action == "{{- else }}")
                    conditions.Push(!conditions.Pop());
                else if (action == "{{- end }}")
                    conditions.Pop();
                else if (!conditions.Contains(false))
                    text.Append(line).Append('\n');
            }

            Assert.Empty(conditions);
            Assert.DoesNotContain("{{", text.ToString(), StringComparison.Ordinal);
            Assert.Equal(keep ? 3 : 1, text.ToString().Split(Keep).Length);
            return text.Replace(Keep, "").ToString();
        }
    }

    // What apiextensions.k8s.io/v1 of Kubernetes 1.20 requires of a structural schema, and the keywords it knows.
    [Fact]
    public void The_schemas_are_structural_and_of_Kubernetes_1_20()
    {
        string[] known =
        [
            "description", "type", "format", "default", "enum", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "required", "properties",
            "items", "additionalProperties", "minProperties", "maxProperties", "anyOf", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-list-map-keys",
        ];
        foreach (var definition in (int[])[0, 1])
            Check(Version(definition)["schema"]!["openAPIV3Schema"]!.AsObject());

        void Check(JsonObject schema)
        {
            Assert.Subset(known.ToHashSet(), schema.Select(item => item.Key).ToHashSet());
            Assert.NotNull(schema["type"]);
            foreach (var key in schema["x-kubernetes-list-map-keys"]?.AsArray() ?? [])
                Assert.Contains((string)key!, schema["items"]!["required"]!.AsArray().Select(name => (string)name!));
            foreach (var (_, field) in schema["properties"]?.AsObject() ?? [])
                Check(field!.AsObject());
            foreach (var child in (string[])["items", "additionalProperties"])
            {
                if (schema[child] is { } items)
                    Check(items.AsObject());
            }
        }
    }

    [Fact]
    public void Every_field_of_the_spec_and_the_status_says_what_it_is()
    {
        foreach (var definition in (int[])[0, 1])
        {
            Check(Field(definition, "spec"));
            Check(Field(definition, "status"));
        }

        static void Check(JsonNode schema)
        {
            foreach (var (name, field) in schema["properties"]?.AsObject() ?? [])
            {
                Assert.False(string.IsNullOrEmpty((string?)field!["description"]), name);
                Check(field["items"] ?? field);
            }
        }
    }
}
