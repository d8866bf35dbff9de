using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using WgMesh.Operator.Hosting;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.Tests.Reconciling;

namespace WgMesh.Operator.Tests.Hosting;

/// <summary>On a real API server, with an operator that leads and agents that are played.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class UninstallTests(KubernetesServer server) : IAsyncLifetime
{
    private const string Mesh = $"{KubernetesObjects.Meshes}/default", Account = "uninstaller";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly Lines _output = new();

    private string Said => string.Join('\n', _output.All);

    public Task InitializeAsync() => server.ResetAsync();

    public async Task DisposeAsync()
    {
        foreach (var kind in (string[])["clusterroles", "clusterrolebindings"])
            await server.SendAsync(HttpMethod.Delete, $"/apis/rbac.authorization.k8s.io/v1/{kind}?labelSelector=test=uninstall");
    }

    [Fact]
    public async Task Every_node_is_waited_for_and_the_question_is_taken_back_with_no_more_rights_than_are_told()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await replica.StartNodesAsync(server, "a", "b");
        var running = RunAsync(await AsUninstallerAsync("get", "patch"), TimeProvider.System);

        await KubernetesObjects.WaitAsync(() => replica.Plan.Settings.Released, "the question to be planned");
        await KubernetesObjects.WaitAsync(async () => (await MeshAsync()).Is("Ready", "False", MeshReason.Releasing), () => "the answer");
        replica.Release("b");
        await KubernetesObjects.WaitAsync(() => Said.Contains("1 of 2 nodes has released; waiting for a.", StringComparison.Ordinal), "it to tell of b");
        Assert.Equal(1, (await MeshAsync())["status"]!["releasedNodes"]!.GetValue<int>());
        Assert.False(running.IsCompleted);

        replica.Release("a");
        Assert.True(await running);
        Assert.Contains("2 of 2 nodes have released.", Said, StringComparison.Ordinal);
        Assert.DoesNotContain("cleanup", Said, StringComparison.Ordinal);
        await AssertTakenBackAsync();
        await KubernetesObjects.WaitAsync(() => !replica.Plan.Settings.Released, "the plan that follows");
        await server.WaitForPeerAsync("a", peer => peer.Is("Ready", "False", "Released")
            && peer.Condition("Ready")!["message"]!.GetValue<string>().Contains("started anew", StringComparison.Ordinal));
    }

    [Fact]
    public async Task At_its_limit_it_names_those_that_have_not_released()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await replica.StartNodesAsync(server, "a", "b");
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time);
        await KubernetesObjects.WaitAsync(() => replica.Plan.Settings.Released, "the question to be planned");
        replica.Release("b");
        await KubernetesObjects.WaitAsync(
            () =>
            {
                if (time.Waits.Contains(TimeSpan.FromSeconds(1)) && !Said.Contains("waiting for a.", StringComparison.Ordinal))
                    time.Advance(TimeSpan.FromMilliseconds(1001)); // it looks again
                return Said.Contains("1 of 2 nodes has released; waiting for a.", StringComparison.Ordinal);
            }, "it to tell of a");

        await KubernetesObjects.WaitAsync(
            () =>
            {
                time.Advance(Limit);
                return running.IsCompleted;
            }, "its end");
        Assert.True(await running);
        Assert.Contains("Not all nodes released within 120 s. 1 of 2 nodes has released; waiting for a.", Said, StringComparison.Ordinal);
        Assert.Contains("`wgmesh-agent cleanup`", Said, StringComparison.Ordinal);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task Nodes_whose_agents_are_away_are_named_and_not_waited_for()
    {
        var time = new ManualTime(); // of the operator: agents are given half a minute to come
        await using var replica = LeadingReplica.Lead(server.Admin, time);
        await replica.StartNodesAsync(server, "a");
        await server.CreateNodeAsync("away", "10.244.9.0/24");
        await KubernetesObjects.WaitAsync(() => replica.Plan.Nodes.ContainsKey("away"), "the node to be planned");
        var looking = new ManualTime();
        var running = RunAsync(server.Admin, looking);
        await KubernetesObjects.WaitAsync(() => replica.Plan.Settings.Released, "the question to be planned");
        replica.Release("a");
        await replica.PassAsync(Reconciler.Patience, () => KubernetesObjects.WaitAsync(
            async () => (await MeshAsync()).Is("Ready", "False", MeshReason.PartlyReleased), () => "the answer"));
        await LookAsync(looking, running, 32);

        Assert.True(await running);
        Assert.Contains("1 of 2 nodes has released; no agent is connected of away.", Said, StringComparison.Ordinal);
        Assert.Contains("`wgmesh-agent cleanup`", Said, StringComparison.Ordinal);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task Without_a_mesh_or_its_definition_there_is_nothing_to_do()
    {
        Assert.True(await RunAsync(server.Admin, TimeProvider.System));
        Assert.Contains("nothing to do", Said, StringComparison.Ordinal);

        const string Definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/wireguardmeshes.wgmesh.io";
        await server.DeleteAsync(Definition);
        try
        {
            await KubernetesObjects.WaitAsync(async () => await server.FindAsync(Definition) is null, () => "the definition to go");
            Assert.True(await RunAsync(server.Admin, TimeProvider.System));
        }
        finally
        {
            await server.InstallAsync(KubernetesObjects.Definitions());
        }

        Assert.DoesNotContain("asked", Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_operator_it_says_so_and_what_others_set_is_theirs()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", new JsonObject { ["released"] = true });
        var old = new JsonObject
        {
            ["type"] = "Ready",
            ["status"] = "False",
            ["reason"] = MeshReason.Released,
            ["message"] = "Of another time.",
            ["observedGeneration"] = 0,
            ["lastTransitionTime"] = "2026-01-01T00:00:00Z",
        };
        await server.PatchAsync($"{Mesh}/status", new JsonObject { ["status"] = new JsonObject { ["conditions"] = new JsonArray(old) } });
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time);
        await KubernetesObjects.WaitAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(30));
                return running.IsCompleted;
            }, "its end");
        Assert.True(await running);
        Assert.Contains("No operator answered within 120 s", Said, StringComparison.Ordinal);
        Assert.Contains("spec.released of WireGuardMesh default stays true", Said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cannot get resource")]
    [InlineData("cannot patch resource", "get")]
    public async Task A_right_that_is_missing_is_named(string expected, params string[] verbs)
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        Assert.False(await RunAsync(await AsUninstallerAsync(verbs), TimeProvider.System));
        Assert.Contains("needs the rights get and patch on wireguardmeshes", Said, StringComparison.Ordinal);
        Assert.Contains(expected, Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ended_before_its_time_it_takes_the_question_back()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        using var ended = new CancellationTokenSource();
        var running = RunAsync(server.Admin, TimeProvider.System, ended.Token);
        await KubernetesObjects.WaitAsync(() => Said.Contains("All nodes are asked", StringComparison.Ordinal), "the question");
        await ended.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task That_some_are_away_counts_when_it_has_stood_for_half_a_minute()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time);
        await AnswerAsync(MeshReason.PartlyReleased, "2 of 3 nodes have released; no agent is connected of a.");
        await LookAsync(time, running, 25);
        await AnswerAsync(MeshReason.Releasing, "2 of 3 nodes have released; waiting for a.");
        await LookAsync(time, running, 1);
        await AnswerAsync(MeshReason.PartlyReleased, "2 of 3 nodes have released; no agent is connected of a.");
        await LookAsync(time, running, 25);
        Assert.False(running.IsCompleted, Said);
        await LookAsync(time, running, 10);
        Assert.True(await running);
        Assert.Contains("`wgmesh-agent cleanup`", Said, StringComparison.Ordinal);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task That_all_have_released_is_looked_at_again_before_the_question_is_taken_back()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time);
        await AnswerAsync(MeshReason.Released, "2 of 2 nodes have released.");
        await LookAsync(time, running, 2);
        await AnswerAsync(MeshReason.Releasing, "1 of 2 nodes has released; waiting for b."); // its agent was started anew
        await LookAsync(time, running, 5);
        Assert.False(running.IsCompleted, Said);
        Assert.True((await MeshAsync())["spec"]!["released"]!.GetValue<bool>());

        await AnswerAsync(MeshReason.Released, "2 of 2 nodes have released.");
        await LookAsync(time, running, 5);
        Assert.True(await running);
        Assert.DoesNotContain("cleanup", Said, StringComparison.Ordinal);
        await AssertTakenBackAsync();
    }

    [Theory]
    [InlineData(null)]
    [InlineData(HttpStatusCode.Conflict)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    [InlineData(HttpStatusCode.InternalServerError)]
    public async Task A_question_that_cannot_be_taken_back_at_once_is_taken_back_later(HttpStatusCode? trouble)
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var left = 3;
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time, handler: new Trouble(request =>
            request != Request.TakeBack || left-- <= 0 ? null
            : trouble is null ? throw new HttpRequestException("The server cannot be reached.")
            : trouble));
        await AnswerAsync(MeshReason.Released, "1 of 1 node has released.");
        await LookAsync(time, running, 10);
        Assert.True(await running, Said);
        Assert.True(left < 0);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task A_question_that_could_not_be_taken_back_is_a_failure()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var time = new ManualTime();
        var running = RunAsync(
            server.Admin, time, handler: new Trouble(request => request == Request.TakeBack ? HttpStatusCode.ServiceUnavailable : null));
        await AnswerAsync(MeshReason.Released, "1 of 1 node has released.");
        await LookAsync(time, running, 25);
        Assert.False(running.IsCompleted, Said);
        await LookAsync(time, running, 20);
        Assert.False(await running);
        Assert.Contains("spec.released of WireGuardMesh default may still be true", Said, StringComparison.Ordinal);

        // who runs it again asks and takes back the same
        running = RunAsync(server.Admin, time);
        await LookAsync(time, running, 10);
        Assert.True(await running, Said);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task A_question_that_was_stored_although_the_server_failed_is_taken_back()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var (asked, wasStored) = (false, false);
        var running = RunAsync(server.Admin, TimeProvider.System, handler: new Trouble(
            request => asked && request is not Request.TakeBack ? HttpStatusCode.Forbidden : null,
            async request =>
            {
                if (request != Request.Ask)
                    return null;
                (asked, wasStored) = (true, (await MeshAsync())["spec"]!["released"]!.GetValue<bool>());
                return HttpStatusCode.GatewayTimeout;
            }));
        Assert.False(await running);
        Assert.True(wasStored);
        await AssertTakenBackAsync();
    }

    [Fact]
    public async Task A_mesh_that_was_made_anew_meanwhile_is_left_alone()
    {
        await server.CreateAsync(KubernetesObjects.Meshes, "default", []);
        var time = new ManualTime();
        var running = RunAsync(server.Admin, time);
        await KubernetesObjects.WaitAsync(() => Said.Contains("All nodes are asked", StringComparison.Ordinal), "the question");
        await server.DeleteAsync(Mesh);
        await KubernetesObjects.WaitAsync(async () => await server.FindAsync(Mesh) is null, () => "the mesh to go");
        await server.CreateAsync(KubernetesObjects.Meshes, "default", new JsonObject { ["released"] = true });
        await LookAsync(time, running, 1);
        Assert.True(await running, Said);
        Assert.True((await MeshAsync())["spec"]!["released"]!.GetValue<bool>());
    }

    /// <summary>The operator's answer to the question, once it is asked.</summary>
    private async Task AnswerAsync(string reason, string message)
    {
        await KubernetesObjects.WaitAsync(() => Said.Contains("All nodes are asked", StringComparison.Ordinal), "the question");
        var condition = new JsonObject
        {
            ["type"] = "Ready",
            ["status"] = "False",
            ["reason"] = reason,
            ["message"] = message,
            ["observedGeneration"] = (await MeshAsync())["metadata"]!["generation"]!.GetValue<long>(),
            ["lastTransitionTime"] = "2026-01-01T00:00:00Z",
        };
        await server.PatchAsync($"{Mesh}/status", new JsonObject { ["status"] = new JsonObject { ["conditions"] = new JsonArray(condition) } });
    }

    /// <summary>Lets so many seconds pass, one after the other, each when it is waited for; sooner back if it ends.</summary>
    private async Task LookAsync(ManualTime time, Task running, int seconds)
    {
        for (; ; time.Advance(TimeSpan.FromSeconds(1)))
        {
            await KubernetesObjects.WaitAsync(
                () => running.IsCompleted || time.Waits.Contains(TimeSpan.FromSeconds(1)), $"it to wait for a second, having said:\n{Said}");
            if (running.IsCompleted || seconds-- == 0)
                return;
        }
    }

    private async Task AssertTakenBackAsync()
    {
        var mesh = await MeshAsync();
        Assert.False(mesh["spec"]!["released"]!.GetValue<bool>());
        Assert.DoesNotContain(
            mesh["metadata"]!["managedFields"]!.AsArray(), fields => fields!["manager"]!.GetValue<string>() == Uninstall.Manager);
    }

    private async Task<JsonObject> MeshAsync() => (await server.FindAsync(Mesh))!;

    private async Task<bool> RunAsync(
        KubernetesClientConfiguration configuration, TimeProvider time, CancellationToken cancellationToken = default, Trouble? handler = null)
    {
        using var client = new KubernetesClient(configuration, null, handler is null ? [] : [handler]);
        return await new Uninstall(client, Limit, time, _output).RunAsync(cancellationToken);
    }

    /// <summary>Somebody with these rights on the one mesh alone.</summary>
    private async Task<KubernetesClientConfiguration> AsUninstallerAsync(params string[] verbs)
    {
        await server.AddServiceAccountAsync(KubernetesObjects.Namespace, Account);
        if (verbs.Length > 0)
        {
            await server.CreateAllAsync($"""
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRole
                metadata: {"{"}name: {Account}, labels: {"{"}test: uninstall{"}"}{"}"}
                rules: [{"{"}apiGroups: [wgmesh.io], resources: [wireguardmeshes], resourceNames: [default], verbs: [{string.Join(", ", verbs)}]{"}"}]
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRoleBinding
                metadata: {"{"}name: {Account}, labels: {"{"}test: uninstall{"}"}{"}"}
                roleRef: {"{"}apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {Account}{"}"}
                subjects: [{"{"}kind: ServiceAccount, name: {Account}, namespace: {KubernetesObjects.Namespace}{"}"}]
                """);
        }

        // the server's authorizer learns of roles and bindings by watching them
        foreach (var verb in (string[])["get", "patch"])
            await KubernetesObjects.WaitAsync(async () => await MayAsync(verb) == verbs.Contains(verb), () => $"the rights to be {string.Join(", ", verbs)}");
        return server.Configuration(await server.RequestTokenAsync(KubernetesObjects.Namespace, Account, KubernetesServer.Issuer), null);
    }

    private async Task<bool> MayAsync(string verb)
    {
        var answer = await server.SendAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/subjectaccessreviews", new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["user"] = $"system:serviceaccount:{KubernetesObjects.Namespace}:{Account}",
                ["resourceAttributes"] = new JsonObject { ["verb"] = verb, ["group"] = "wgmesh.io", ["resource"] = "wireguardmeshes", ["name"] = "default" },
            },
        });
        return answer["status"]!["allowed"]!.GetValue<bool>();
    }

    private enum Request
    {
        Get,
        Ask,
        TakeBack,
    }

    /// <summary>A server that fails.</summary>
    /// <param name="before">What it answers before it has done anything; null: it does what is asked.</param>
    /// <param name="after">What it answers when it has done it; null: what came of it.</param>
    private sealed class Trouble(Func<Request, HttpStatusCode?> before, Func<Request, Task<HttpStatusCode?>>? after = null) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var kind = request.Method == HttpMethod.Get ? Request.Get
                : (await request.Content!.ReadAsStringAsync(cancellationToken)).Contains("released", StringComparison.Ordinal) ? Request.Ask
                : Request.TakeBack;
            if (before(kind) is { } refusal)
                return new HttpResponseMessage(refusal) { Content = new StringContent("no") };
            var response = await base.SendAsync(request, cancellationToken);
            if (after is null || await after(kind) is not { } failure)
                return response;
            response.Dispose();
            return new HttpResponseMessage(failure) { Content = new StringContent("no") };
        }
    }

    private sealed class Lines : TextWriter
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> All => _lines;

        public override Encoding Encoding => Encoding.UTF8;

        public override Task WriteLineAsync(string? value)
        {
            _lines.Enqueue(value!);
            return Task.CompletedTask;
        }
    }
}
