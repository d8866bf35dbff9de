using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;
using static WgMesh.Crds.Tests.Reading;

namespace WgMesh.Crds.Tests;

/// <summary>The definitions on a real API server, met by a real kubectl: what people see who write the resources.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class AdmissionTests(KubernetesServer server) : IClassFixture<AdmissionTests.Installed>
{
    private static readonly string Definitions = CrdYaml.Generate(CrdYaml.Oldest);

    /// <summary>The definitions, applied once for all tests.</summary>
    public sealed class Installed(KubernetesServer server) : IAsyncLifetime
    {
        public async Task InitializeAsync()
        {
            await Kubectl.SucceedAsync(server, Definitions, "apply", "-f", "-");
            var deadline = Environment.TickCount64 + 60_000;
            while ((await Kubectl.RunAsync(server, null, "get", "wgmesh")).Code != 0)
            {
                Assert.True(Environment.TickCount64 < deadline, "waited 60 seconds for the definitions to be served");
                await Task.Delay(100);
            }
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }

    [Fact]
    public async Task Applied_again_the_definitions_are_unchanged()
    {
        var output = await Kubectl.SucceedAsync(server, Definitions, "apply", "-f", "-");
        Assert.All(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.EndsWith(" unchanged", line, StringComparison.Ordinal));
        foreach (var name in (string[])["wireguardpeers", "wireguardmeshes"])
        {
            var conditions = await Kubectl.SucceedAsync(server, null, "get", "crd", $"{name}.wgmesh.io", "-o", "jsonpath={.status.conditions[*].type}");
            Assert.DoesNotContain("NonStructuralSchema", conditions, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Short_names_and_the_category_find_the_objects_and_the_columns_are_what_a_person_wants()
    {
        await ApplyAsync(PeerWith("allowedIPs: [10.1.2.0/24]"));
        await ApplyAsync(Mesh("{}"));
        var status = """
            {"status": {"addresses": ["10.90.0.7/32"], "endpoint": "192.0.2.1:51820", "connectedNodes": "2/3", "lastHandshakeTime": "2026-01-01T00:00:00Z", "gateway": "n1",
             "conditions": [{"type": "Ready", "status": "True", "reason": "Connected"}]}}
            """;
        await Kubectl.SucceedAsync(server, null, "patch", "wgp", "laptop", "--subresource=status", "--type=merge", "-p", status);

        var narrow = await Kubectl.SucceedAsync(server, null, "get", "wgp");
        var wide = await Kubectl.SucceedAsync(server, null, "get", "wgp", "-o", "wide");
        var all = await Kubectl.SucceedAsync(server, null, "get", "wgmesh");

        Assert.Matches("^NAME +NODE +ENDPOINT +ADDRESSES +READY +CONNECTED +LAST HANDSHAKE +AGE *\n", narrow);
        Assert.Matches("laptop +192.0.2.1:51820 +\\[\"10.90.0.7/32\"\\] +True +2/3 +[0-9]+[a-z]", narrow);
        Assert.Matches("^NAME +NODE +ENDPOINT +ADDRESSES +READY +CONNECTED +LAST HANDSHAKE +REASON +GATEWAY +PUBLIC KEY +AGE *\n", wide);
        Assert.Matches($"Connected +n1 +{Key}", wide);
        Assert.Contains("wireguardpeer.wgmesh.io/laptop", all, StringComparison.Ordinal);
        Assert.Contains("wireguardmesh.wgmesh.io/default", all, StringComparison.Ordinal);
        Assert.Matches("^NAME +NODES +LINKS UP +LINKS DOWN +LINKS IDLE +READY +AGE *\n", await Kubectl.SucceedAsync(server, null, "get", "wgm"));
    }

    [Fact]
    public async Task What_is_left_out_is_filled_in_with_the_defaults()
    {
        await ApplyAsync(Peer($"{{publicKey: {Key}, presharedKeySecretRef: {{name: psk}}}}", "{name: tablet}"));
        await ApplyAsync(Mesh("{}"));

        var peer = await SpecAsync("wgp", "tablet");
        var mesh = await SpecAsync("wgm", "default");

        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse($$"""{"publicKey": "{{Key}}", "presharedKeySecretRef": {"name": "psk", "key": "presharedKey"}, "protocolVersions": [1]}"""), peer), peer.ToJsonString());
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(
            """{"addressPools": ["10.90.0.0/16", "fd90:90::/64"], "listenPort": 51820, "persistentKeepalive": 0, "failurePolicy": "Closed", "released": false}"""), mesh), mesh.ToJsonString());
    }

    [Fact]
    public async Task The_status_is_written_apart_from_the_rest()
    {
        await ApplyAsync(Peer($"{{publicKey: {Key}}}", "{name: phone}") + "status: {connectedNodes: 9/9}\n");
        Assert.Null((await GetAsync("wgp", "phone"))["status"]);

        await Kubectl.SucceedAsync(server, null, "patch", "wgp", "phone", "--subresource=status", "--type=merge", "-p",
            """{"spec": {"persistentKeepalive": 5}, "status": {"connectedNodes": "1/1"}}""");

        var peer = await GetAsync("wgp", "phone");
        Assert.Equal("1/1", (string?)peer["status"]!["connectedNodes"]);
        Assert.Null(peer["spec"]!["persistentKeepalive"]);
        Assert.Equal(1, (long)peer["metadata"]!["generation"]!);
    }

    public static TheoryData<string> Holding =>
    [
        "{publicKey: KEY}",
        "{publicKey: KEY, endpoint: {host: gate.example.org, port: 51820}}",
        "{publicKey: KEY, endpoint: {host: 'fe80::1', port: 1}, persistentKeepalive: 0}",
        "{publicKey: KEY, endpoint: {host: 192.0.2.1, port: 65535}, persistentKeepalive: 65535}",
        "{publicKey: KEY, allowedIPs: [0.0.0.0/0, '::/0', 10.1.2.3/32, 'FD00:0:0::/48', 'fd00::1/128', 'fd00::1.2.3.4/128']}",
        "{publicKey: KEY, presharedKeySecretRef: {name: a.b, namespace: wgmesh, key: _a.b-C}}",
        "{publicKey: KEY, gateways: {nodeSelector: {topology.kubernetes.io/zone: a_b.c-D, role: edge}}}",
        "{publicKey: KEY, nodeName: n1.example.org}",
        "{publicKey: KEY, protocolVersions: [1, 63]}",
    ];

    [Theory]
    [MemberData(nameof(Holding))]
    public async Task What_is_read_from_manifests_is_admitted(string spec)
    {
        var manifest = Peer(spec.Replace("KEY", Key, StringComparison.Ordinal));
        Good(manifest);
        await ApplyAsync(manifest, "--dry-run=server");
    }

    [Fact]
    public async Task The_peer_of_a_node_is_admitted_without_a_key() => await ApplyAsync(Peer("{nodeName: n1}", "{name: n1}"), "--dry-run=server");

    [Theory]
    [InlineData("{}", "spec.publicKey", "Required")]
    [InlineData("{publicKey: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw==}", "spec.publicKey", "should match")]
    [InlineData("{publicKey: AQID}", "spec.publicKey", "at least 44 chars")]
    [InlineData("{publicKey: 12}", "spec.publicKey", "string")]
    [InlineData("{publicKey: KEY, allowedIPs: [10.0.0.0/8, 10.1.2.3]}", "spec.allowedIPs", "must be of type cidr: \"10.1.2.3\"")]
    [InlineData("{publicKey: KEY, allowedIPs: ['fd00::/129']}", "spec.allowedIPs", "must be of type cidr: \"fd00::/129\"")]
    [InlineData("{publicKey: KEY, allowedIPs: 10.0.0.0/8}", "spec.allowedIPs", "array")]
    [InlineData("{publicKey: KEY, allowedIP: []}", "allowedIP", "unknown field")]
    [InlineData("{publicKey: KEY, endpoint: {host: gate}}", "spec.endpoint", "missing required field \"port\"")]
    [InlineData("{publicKey: KEY, endpoint: {host: gate, port: 0}}", "spec.endpoint.port", "greater than or equal to 1")]
    [InlineData("{publicKey: KEY, endpoint: {host: gate, port: 65536}}", "spec.endpoint.port", "less than or equal to 65535")]
    [InlineData("{publicKey: KEY, endpoint: {host: 'gate:1', port: 1}}", "spec.endpoint.host", "should match")]
    [InlineData("{publicKey: KEY, persistentKeepalive: -1}", "spec.persistentKeepalive", "greater than or equal to 0")]
    [InlineData("{publicKey: KEY, presharedKeySecretRef: {key: a}}", "spec.presharedKeySecretRef", "missing required field \"name\"")]
    [InlineData("{publicKey: KEY, presharedKeySecretRef: {name: A}}", "spec.presharedKeySecretRef.name", "should match")]
    [InlineData("{publicKey: KEY, nodeName: N1}", "spec.nodeName", "should match")]
    [InlineData("{publicKey: KEY, gateways: {}}", "spec.gateways", "missing required field \"nodeSelector\"")]
    [InlineData("{publicKey: KEY, gateways: {nodeSelector: {}}}", "spec.gateways.nodeSelector", "at least 1 properties")]
    [InlineData("{publicKey: KEY, gateways: {nodeSelector: {zone: a b}}}", "spec.gateways.nodeSelector.zone", "should match")]
    [InlineData("{publicKey: KEY, protocolVersions: []}", "spec.protocolVersions", "at least 1 items")]
    [InlineData("{publicKey: KEY, protocolVersions: [64]}", "spec.protocolVersions", "less than or equal to 63")]
    public async Task What_a_peer_must_not_say_is_refused_by_field(string spec, string field, string message)
    {
        var manifest = Peer(spec.Replace("KEY", Key, StringComparison.Ordinal));
        Assert.NotEmpty(Read(manifest).Problems);
        await RefusedAsync(manifest, field, message);
    }

    [Theory]
    [InlineData("{mtu: 1279}", "spec.mtu", "greater than or equal to 1280")]
    [InlineData("{listenPort: 0}", "spec.listenPort", "greater than or equal to 1")]
    [InlineData("{failurePolicy: closed}", "spec.failurePolicy", "supported values: \"Closed\", \"Open\"")]
    [InlineData("{addressPools: []}", "spec.addressPools", "at least 1 items")]
    [InlineData("{addressPools: [a]}", "spec.addressPools", "must be of type cidr: \"a\"")]
    [InlineData("{protocol: {atGeneration: 2}}", "spec.protocol", "missing required field \"version\"")]
    [InlineData("{protocol: {version: 64}}", "spec.protocol.version", "less than or equal to 63")]
    public async Task What_the_mesh_must_not_say_is_refused_by_field(string spec, string field, string message)
    {
        Assert.NotEmpty(Read(Mesh(spec)).Problems);
        await RefusedAsync(Mesh(spec), field, message);
    }

    [Fact]
    public async Task There_is_one_mesh_and_it_has_one_name() => await RefusedAsync(Mesh("{}", "{name: other}"), "metadata.name", "supported values: \"default\"");

    private async Task ApplyAsync(string manifest, params string[] options) =>
        await Kubectl.SucceedAsync(server, manifest, ["apply", "-f", "-", .. options]);

    private async Task RefusedAsync(string manifest, string field, string message)
    {
        var (code, _, error) = await Kubectl.RunAsync(server, manifest, "apply", "--dry-run=server", "-f", "-");
        Assert.Equal(1, code);
        Assert.Contains(field, error, StringComparison.Ordinal);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    private async Task<JsonNode> GetAsync(string kind, string name) => JsonNode.Parse(await Kubectl.SucceedAsync(server, null, "get", kind, name, "-o", "json"))!;

    private async Task<JsonNode> SpecAsync(string kind, string name) => (await GetAsync(kind, name))["spec"]!;
}
