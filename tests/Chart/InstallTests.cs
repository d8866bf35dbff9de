using System.Text.Json.Nodes;

namespace WgMesh.Chart.Tests;

/// <summary>The chart on a real API server. There are no controllers and no kubelets, so nothing is started: what hooks wait for is said by the test.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class InstallTests(KubernetesServer server) : IAsyncLifetime
{
    private const string Space = Rendered.Namespace;
    private const string Daemons = $"/apis/apps/v1/namespaces/{Space}/daemonsets/wgmesh-agent";
    private const string Jobs = $"/apis/batch/v1/namespaces/{Space}/jobs";
    private const string Settings = $"/api/v1/namespaces/{Space}/configmaps/wgmesh-settings";
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var release in (string[])["wgmesh", "another"])
            await Helm.RunAsync(server, "uninstall", release, "--namespace", Space, "--no-hooks", "--ignore-not-found");
        foreach (var path in (string[])[Definitions, Jobs, "/api/v1/namespaces/" + Space + "/serviceaccounts", "/api/v1/namespaces/" + Space + "/pods"])
            await server.SendAsync(HttpMethod.Delete, path);
        foreach (var kind in (string[])["clusterroles", "clusterrolebindings"])
        {
            foreach (var name in (string[])["wgmesh-uninstall", "wgmesh-test"])
            {
                if (await server.FindAsync($"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}") is not null)
                    await server.SendAsync(HttpMethod.Delete, $"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}");
            }
        }

        await UntilAsync("the definitions to be gone", async () => (await server.SendAsync(HttpMethod.Get, Definitions))["items"]!.AsArray().Count == 0);
    }

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task Everything_is_taken_as_it_is_written(string combination)
    {
        // monitors and rules are kinds that this server does not have
        string[] values = [.. Rendered.Combinations[combination].Where(value => !value.StartsWith("prometheus.", StringComparison.Ordinal))];
        await InstallAsync(values);
        var version = (await server.SendAsync(HttpMethod.Get, "/version"))["gitVersion"]!.GetValue<string>();
        foreach (var item in (await Rendered.ForAsync(version, values)).Objects)
        {
            if (item["metadata"]!["annotations"]?["helm.sh/hook"] is not null)
            {
                await Kubectl.SucceedAsync(server, item.ToJsonString(), "apply", "--server-side", "--dry-run=server", "--filename", "-");
                continue;
            }

            var found = JsonNode.Parse(await Kubectl.SucceedAsync(server, item.ToJsonString(), "get", "--filename", "-", "--output", "json"))!;
            AssertHolds(item, found["items"]!.AsArray().Single(), $"{item["kind"]}/{item["metadata"]!["name"]}");
        }
    }

    [Fact]
    public async Task A_release_is_installed_upgraded_rolled_back_and_uninstalled()
    {
        await InstallAsync("agent.peerSeries=7", "mesh.spec.listenPort=51000");
        Assert.Contains("--peer-series=7", await AgentArgumentsAsync());
        Assert.Contains("listenPort: 51000", await SettingsAsync(), StringComparison.Ordinal);

        await HelmAsync("upgrade", "wgmesh", Helm.Chart, "--set", "agent.peerSeries=8", "--set", "mesh.spec.mtu=1400");
        Assert.Contains("--peer-series=8", await AgentArgumentsAsync());
        Assert.DoesNotContain("listenPort", await SettingsAsync(), StringComparison.Ordinal);

        await HelmAsync("upgrade", "wgmesh", Helm.Chart, "--set", "mesh.create=false");
        Assert.Null(await server.FindAsync(Settings));

        await HelmAsync("rollback", "wgmesh", "1");
        Assert.Contains("--peer-series=7", await AgentArgumentsAsync());
        Assert.Contains("listenPort: 51000", await SettingsAsync(), StringComparison.Ordinal);

        await server.SendAsync(HttpMethod.Post, "/apis/wgmesh.io/v1alpha1/wireguardpeers", new JsonObject
        {
            ["apiVersion"] = "wgmesh.io/v1alpha1",
            ["kind"] = "WireGuardPeer",
            ["metadata"] = new JsonObject { ["name"] = "laptop" },
            ["spec"] = new JsonObject { ["publicKey"] = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=" },
        });
        await HelmAsync("uninstall", "wgmesh", "--no-hooks");
        await AssertGoneAsync();
        Assert.NotNull(await server.FindAsync("/apis/wgmesh.io/v1alpha1/wireguardpeers/laptop"));

        // the definitions that stayed are the release's again
        await InstallAsync();
        Assert.NotNull(await server.FindAsync("/apis/wgmesh.io/v1alpha1/wireguardpeers/laptop"));
    }

    [Fact]
    public async Task Definitions_that_stayed_can_be_taken_over_by_a_release_of_another_name()
    {
        await InstallAsync();
        await HelmAsync("uninstall", "wgmesh", "--no-hooks");
        var (code, _, error) = await Helm.RunAsync(server, "install", "another", Helm.Chart, "--namespace", Space);
        Assert.NotEqual(0, code);
        Assert.Contains("invalid ownership metadata", error, StringComparison.Ordinal);

        await HelmAsync("install", "another", Helm.Chart, "--take-ownership");
        await HelmAsync("uninstall", "another", "--no-hooks");
    }

    [Fact]
    public async Task Definitions_go_with_the_chart_if_that_is_wanted()
    {
        await InstallAsync("crds.keep=false");
        await HelmAsync("uninstall", "wgmesh", "--no-hooks");
        await UntilAsync("the definitions to be gone", async () => await server.FindAsync($"{Definitions}/wireguardpeers.wgmesh.io") is null);
    }

    [Fact]
    public async Task Nothing_is_deleted_before_the_nodes_were_released()
    {
        await InstallAsync();
        await UninstallAsync(async () =>
        {
            Assert.NotNull(await server.FindAsync(Daemons));
            Assert.NotNull(await server.FindAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles/wgmesh-uninstall"));
        });
        await AssertGoneAsync();
        Assert.Null(await server.FindAsync($"{Jobs}/wgmesh-uninstall"));
        Assert.Null(await server.FindAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles/wgmesh-uninstall"));
        Assert.Null(await server.FindAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/wgmesh-uninstall"));
    }

    [Fact]
    public async Task A_release_of_nodes_that_fails_is_told_and_can_be_gone_without()
    {
        await InstallAsync();
        var uninstalling = Helm.RunAsync(server, "uninstall", "wgmesh", "--namespace", Space);
        await UntilAsync("the job to be there", async () => await server.FindAsync($"{Jobs}/wgmesh-uninstall") is not null);
        await EndJobAsync("Failed");
        var (code, _, error) = await uninstalling;
        Assert.NotEqual(0, code);
        Assert.Contains("wgmesh-uninstall", error, StringComparison.Ordinal);
        Assert.NotNull(await server.FindAsync(Daemons));

        await HelmAsync("uninstall", "wgmesh", "--no-hooks");
        await AssertGoneAsync();
    }

    [Theory]
    [InlineData("install")]
    [InlineData("upgrade")]
    public async Task What_the_API_server_went_away_in_says_so_and_is_done_again(string what)
    {
        if (what == "upgrade")
            await InstallAsync();
        using var proxy = server.OpenProxy();
        var config = Path.Combine(server.Folder, $"proxy-{proxy.Port}.conf");
        await File.WriteAllTextAsync(
            config, (await File.ReadAllTextAsync(server.KubeconfigPath)).Replace($"{server.Url.Port}", $"{proxy.Port}", StringComparison.Ordinal));
        // agents come after service accounts, and before operators
        proxy.IsOver = async () => what == "install"
            ? await server.FindAsync($"/api/v1/namespaces/{Space}/serviceaccounts/wgmesh-agent") is not null
            : !(await AgentArgumentsAsync()).Contains("--masquerade");
        var (code, _, error) = await Helm.RunAsync(
            null, "--kubeconfig", config, what, "wgmesh", Helm.Chart, "--create-namespace", "--namespace", Space, "--set", "cni.mode=none");
        Assert.NotEqual(0, code);
        Assert.Contains("127.0.0.1", error, StringComparison.Ordinal);
        Assert.Equal(what == "upgrade", await server.FindAsync(Daemons) is not null);
        (code, _, error) = await Helm.RunAsync(server, "upgrade", "--install", "wgmesh", Helm.Chart, "--namespace", Space);
        Assert.NotEqual(0, code);
        Assert.Contains("another operation (install/upgrade/rollback) is in progress", error, StringComparison.Ordinal);

        // as docs/install.md has it
        if (what == "install")
            await UninstallAsync();
        else
            await HelmAsync("rollback", "wgmesh");
        await HelmAsync(what, "wgmesh", Helm.Chart, "--set", "cni.mode=none");
        Assert.DoesNotContain("--masquerade", await AgentArgumentsAsync());
    }

    [Fact]
    public async Task A_test_is_a_pod_that_ends_well_and_is_gone()
    {
        await InstallAsync();
        var testing = HelmAsync("test", "wgmesh");
        const string Pod = $"/api/v1/namespaces/{Space}/pods/wgmesh-test";
        await UntilAsync("the pod to be there", async () => await server.FindAsync(Pod) is not null);
        await server.SendAsync(
            HttpMethod.Patch, $"{Pod}/status", new JsonObject { ["status"] = new JsonObject { ["phase"] = "Succeeded" } }, "application/merge-patch+json");
        Assert.Contains("Succeeded", await testing, StringComparison.Ordinal);
        await server.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{Space}/pods"); // what is deleted is waited for by no kubelet here
    }

    [Theory]
    [InlineData("UNENCRYPTED", "mesh.spec.failurePolicy=Open")]
    [InlineData("mesh.spec does not name podCIDRs and serviceCIDRs")]
    [InlineData("as the network of its pods")]
    [InlineData("on a cluster of one: operator.replicas=1")]
    [InlineData("kubectl apply -f -")]
    [InlineData("your peers with them")]
    public async Task What_to_do_next_is_said(string expected, params string[] values) =>
        Assert.Contains(expected, await InstallAsync(values), StringComparison.Ordinal);

    private Task<string> InstallAsync(params string[] values) => HelmAsync(
        ["install", "wgmesh", Helm.Chart, "--create-namespace", .. values.SelectMany(value => (string[])["--set", value])]);

    private Task<string> HelmAsync(params string[] arguments) => Helm.SucceedAsync(server, [.. arguments, "--namespace", Space]);

    /// <summary>With its Job, which does well.</summary>
    /// <param name="meanwhile">While that runs.</param>
    private async Task UninstallAsync(Func<Task>? meanwhile = null)
    {
        var uninstalling = HelmAsync("uninstall", "wgmesh");
        await UntilAsync("the job to be there", async () => await server.FindAsync($"{Jobs}/wgmesh-uninstall") is not null);
        if (meanwhile is not null)
            await meanwhile();
        await EndJobAsync("Complete");
        await uninstalling;
    }

    private async Task<string[]> AgentArgumentsAsync() =>
        [.. (await server.FindAsync(Daemons))!["spec"]!["template"]!["spec"]!["containers"]![0]!["args"]!.AsArray().Select(argument => (string)argument!)];

    private async Task<string> SettingsAsync() => (string)(await server.FindAsync(Settings))!["data"]!["mesh.yaml"]!;

    private Task EndJobAsync(string condition) => server.SendAsync(HttpMethod.Patch, $"{Jobs}/wgmesh-uninstall/status", new JsonObject
    {
        ["status"] = new JsonObject
        {
            [condition == "Complete" ? "succeeded" : "failed"] = 1,
            ["conditions"] = new JsonArray(new JsonObject { ["type"] = condition, ["status"] = "True", ["reason"] = "DeadlineExceeded" }),
        },
    }, "application/merge-patch+json");

    private async Task AssertGoneAsync()
    {
        foreach (var path in (string[])
                 [
                     Daemons, $"/apis/apps/v1/namespaces/{Space}/deployments/wgmesh-operator", Settings, $"/api/v1/namespaces/{Space}/services/wgmesh-operator",
                     $"/api/v1/namespaces/{Space}/serviceaccounts/wgmesh-operator", "/apis/rbac.authorization.k8s.io/v1/clusterroles/wgmesh-operator",
                     "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/wgmesh-operator", "/apis/rbac.authorization.k8s.io/v1/clusterroles/wgmesh-tool",
                 ])
            await UntilAsync($"{path} to be gone", async () => await server.FindAsync(path) is not { } found || found["metadata"]!["deletionTimestamp"] is not null);
    }

    /// <summary>All that is written is stored; the server adds defaults.</summary>
    private static void AssertHolds(JsonNode? written, JsonNode? stored, string path)
    {
        switch (written)
        {
            case null:
                return;
            case JsonObject mapping:
                foreach (var (name, value) in mapping)
                    AssertHolds(value, stored is JsonObject there ? there[name] : null, $"{path}.{name}");
                return;
            case JsonArray array:
                Assert.True(stored is JsonArray same && same.Count == array.Count, $"{path}: {stored} and not {written}");
                foreach (var (i, value) in array.Index())
                    AssertHolds(value, stored![i], $"{path}[{i}]");
                return;
            default:
                Assert.True($"{written}" == $"{stored}", $"{path}: {stored} and not {written}");
                return;
        }
    }

    private static async Task UntilAsync(string what, Func<Task<bool>> condition)
    {
        for (var deadline = Environment.TickCount64 + (long)Limit.TotalMilliseconds; !await condition(); await Task.Delay(50))
        {
            if (Environment.TickCount64 > deadline)
                Assert.Fail($"{Limit.TotalSeconds:0} seconds were not enough for {what}");
        }
    }
}
