using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Distribution;
using WgMesh.Operator.Tests.Trust;
using WgMesh.Rpc;
using WgMesh.Telemetry;

namespace WgMesh.Operator.Tests.Hosting;

/// <summary>Whole operators on a real API server, with exactly the rights that the chart gives.</summary>
[Trait("needs", "system")]
[Collection(WgMeshClusterCollection.Name)]
public sealed class KubernetesOperatorTests(WgMeshCluster cluster) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<KubernetesOperator> _running = [];

    public Task InitializeAsync() => CleanAsync();

    public async Task DisposeAsync()
    {
        foreach (var running in _running)
            await running.DisposeAsync();
        await CleanAsync();
    }

    [Fact]
    public async Task It_is_ready_when_it_has_the_cluster_a_plan_and_a_certificate_and_lives_on_without_an_API_server()
    {
        var running = await StartAsync("one");
        await UntilAsync(() => running.IsAsync("/readyz"));
        Assert.True(await running.IsAsync("/healthz"));

        await cluster.Server.StopApiServerAsync();
        try
        {
            await UntilAsync(() => IsInOutageAsync(running));
            Assert.True(await running.IsAsync("/healthz"));
            Assert.True(await running.IsAsync("/readyz"));
        }
        finally
        {
            await cluster.Server.StartApiServerAsync();
        }

        await UntilAsync(async () => !await IsInOutageAsync(running));
    }

    [Fact]
    public async Task A_token_of_one_node_is_refused_for_another()
    {
        await AddNodesAsync("node-a", "node-b");
        var running = await StartAsync("one");
        await UntilAsync(() => running.IsAsync("/readyz"));
        var token = await cluster.AgentTokenAsync(await cluster.AddAgentAsync("node-a"));
        var (channel, client) = await running.CallAsync(token);
        using (channel)
        {
            var e = await RefusedAsync(client, FakeAgent.Hello("node-b", 1));
            Assert.Equal(StatusCode.PermissionDenied, e.StatusCode);
            Assert.Contains("node-a", e.Detail, StringComparison.Ordinal);
            Assert.Contains("node-b", e.Detail, StringComparison.Ordinal);

            using var status = client.WatchStatus(new WatchStatusRequest());
            var tool = await Assert.ThrowsAsync<RpcException>(() => status.ResponseStream.MoveNext(CancellationToken.None));
            Assert.Equal(StatusCode.PermissionDenied, tool.StatusCode);
        }

        (channel, client) = await running.CallAsync(await cluster.Server.RequestTokenAsync(
            WgMeshCluster.Namespace, WgMeshCluster.AgentAccount, "other"));
        using (channel)
        {
            var e = await RefusedAsync(client, FakeAgent.Hello("node-a", 1));
            Assert.Equal(StatusCode.Unauthenticated, e.StatusCode);
            Assert.Contains("the token is for audience other; wgmesh is wanted", e.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task One_leads_and_the_next_one_does_when_it_is_stopped()
    {
        var one = await StartAsync("one");
        await UntilAsync(() => Leads(one));
        var two = await StartAsync("two");
        await UntilAsync(() => two.IsAsync("/readyz"));
        await UntilAsync(() => Task.FromResult(two.Services.GetRequiredService<Leader>().View.Value.Address == one.Address));
        Assert.False(await Leads(two));

        await one.StopAsync();
        await UntilAsync(() => Leads(two));
        var lease = await cluster.Server.FindAsync($"/apis/coordination.k8s.io/v1/namespaces/{WgMeshCluster.Namespace}/leases/wgmesh-operator");
        Assert.Equal($"two_{two.Address.Authority}", lease!["spec"]!["holderIdentity"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_leader_hears_of_agents_that_are_with_another_replica()
    {
        await AddNodesAsync("node-a");
        var one = await StartAsync("one");
        await UntilAsync(() => Leads(one));
        var two = await StartAsync("two");
        await UntilAsync(() => two.IsAsync("/readyz"));
        var (channel, client) = await two.CallAsync(await cluster.AgentTokenAsync(await cluster.AddAgentAsync("node-a")));
        using (channel)
        {
            using var agent = await FakeAgent.SendAsync(client, new AgentMessage { Hello = FakeAgent.Hello("node-a", 1) });
            await UntilAsync(() => Task.FromResult(Knows(one)));
        }

        static bool Knows(KubernetesOperator leader) => leader.Services.GetRequiredService<AgentRegistry>().Agents.Value
            .TryGetValue("node-a", out var agent) && agent is { IsConnected: true, Replica: not null };
    }

    /// <summary>The rest of them is in tests/Mesh/Metrics.</summary>
    [Fact]
    public async Task Its_metrics_are_those_of_the_page()
    {
        await AddNodesAsync("node-a");
        var running = await StartAsync("one");
        await UntilAsync(() => running.IsAsync("/readyz"));
        await UntilAsync(() => Leads(running));
        var (channel, client) = await running.CallAsync(await cluster.AgentTokenAsync(await cluster.AddAgentAsync("node-a")));
        using (channel)
        {
            using var agent = await FakeAgent.ConnectAsync(client, FakeAgent.Hello("node-a", 1, "192.0.2.1:51820"));
            await RefusedAsync(client, FakeAgent.Hello("node-b", 1));
            await cluster.Server.SendAsync(HttpMethod.Post, "/apis/wgmesh.io/v1alpha1/wireguardpeers", Peer("laptop", 9));
            await UntilAsync(async () => (await FindAsync("wireguardpeers/laptop"))?["status"]?["conditions"] is not null);
            var scrape = "";
            await agent.SendAsync(new AgentMessage { Report = new Report { AppliedRevision = agent.Config.Revision, Links = { new LinkReport { Peer = "laptop", State = Rpc.LinkState.Idle } } } });
            string[] last = ["wgmesh_operator_config_peers_sent_total", "wgmesh_operator_node_links"];
            await UntilAsync(async () => (scrape = await running.MetricsAsync()) is var text && last.All(name => text.Contains(name, StringComparison.Ordinal)));

            Assert.Empty(MetricsContract.Violations(scrape, MetricsDocument.Of(OperatorMetrics.MeterName, ProcessMeterProviderBuilderExtensions.MeterName), [OperatorMetrics.MeterName]));
            // those that appear when something happened: it did
            string[] seen = [.. Exposition.Parse(scrape).Select(metric => metric.Name)];
            Assert.Subset(seen.ToHashSet(), new HashSet<string>(
                ["wgmesh_operator_kubernetes_writes_total", "wgmesh_operator_kubernetes_token_reviews_total", "wgmesh_operator_streams_refused_total"]));
        }
    }

    [Fact]
    public async Task All_that_it_does_it_may_do()
    {
        using var answers = new Answers(cluster.Server.Url);
        await AddNodesAsync("node-a", "node-b");
        var running = await StartAsync("one");
        await UntilAsync(() => running.IsAsync("/readyz"));
        await UntilAsync(() => Leads(running));
        var token = await cluster.AgentTokenAsync(await cluster.AddAgentAsync("node-a"));
        var (channel, client) = await running.CallAsync(token);
        using (channel)
        {
            using var agent = await FakeAgent.ConnectAsync(client, FakeAgent.Hello("node-a", 1, "192.0.2.1:51820"));
            await agent.SendAsync(new AgentMessage { Report = new Report { AppliedRevision = agent.Config.Revision } });
            await cluster.Server.SendAsync(HttpMethod.Post, "/apis/wgmesh.io/v1alpha1/wireguardpeers", Peer("laptop", 9));
            await cluster.Server.SendAsync(HttpMethod.Post, "/apis/wgmesh.io/v1alpha1/wireguardpeers", Peer("twin", 9)); // refused: a status and an event
            await UntilAsync(async () => (await FindAsync("wireguardpeers/node-a"))?["spec"]?["publicKey"] is not null);
            await UntilAsync(async () => (await FindAsync("wireguardpeers/laptop"))?["status"]?["allocatedAddresses"] is not null);
            await UntilAsync(async () => (await FindAsync("wireguardpeers/twin"))?["status"]?["conditions"] is not null);
            await UntilAsync(async () => (await FindAsync("wireguardmeshes/default"))?["status"]?["nodes"] is not null);
            await UntilAsync(async () => (await cluster.Server.FindAsync("/api/v1/namespaces/default/events"))!["items"]!.AsArray().Count > 0);
            await cluster.Server.SendAsync(HttpMethod.Delete, "/api/v1/nodes/node-b");
            await UntilAsync(async () => await FindAsync("wireguardpeers/node-b") is null);
        }

        // what an operator before has told of is counted on
        var about = new Node { Metadata = { Name = "node-a", Uid = "of-node-a" } };
        await TellAsync(running, 1);
        await running.StopAsync();
        var next = await StartAsync("two");
        await TellAsync(next, 2);
        await next.StopAsync();

        Assert.Empty(answers.Refused);
        Assert.True(answers.Count > 20, $"only {answers.Count} answers were seen");

        async Task TellAsync(KubernetesOperator teller, int count)
        {
            teller.Services.GetRequiredService<EventRecorder>().Record(about, true, "Told", "The same words.");
            await UntilAsync(async () => (await cluster.Server.FindAsync("/api/v1/namespaces/default/events"))!["items"]!.AsArray()
                .Any(item => item!["reason"]?.GetValue<string>() == "Told" && item["count"]?.GetValue<int>() == count));
        }
    }

    private static async Task<bool> IsInOutageAsync(KubernetesOperator running) => (await running.MetricsAsync()).Split('\n')
        .Single(line => line.StartsWith("wgmesh_operator_kubernetes_outage", StringComparison.Ordinal)).EndsWith(" 1", StringComparison.Ordinal);

    private static Task<bool> Leads(KubernetesOperator running) => Task.FromResult(running.Services.GetRequiredService<Leader>().View.Value.IsThis);

    private static JsonObject Peer(string name, int key) => new()
    {
        ["apiVersion"] = "wgmesh.io/v1alpha1",
        ["kind"] = "WireGuardPeer",
        ["metadata"] = new JsonObject { ["name"] = name },
        ["spec"] = new JsonObject { ["publicKey"] = Planning.Clusters.Key(key).ToString() },
    };

    private static async Task<Grpc.Core.Status> RefusedAsync(Mesh.MeshClient client, Hello hello)
    {
        var agent = await FakeAgent.SendAsync(client, new AgentMessage { Hello = hello });
        using (agent)
            return (await Assert.ThrowsAsync<RpcException>(agent.NextAsync)).Status;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(condition))] string what = "")
    {
        for (var waited = Stopwatch.StartNew(); !await condition();)
        {
            Assert.True(waited.Elapsed < Patience, $"waited in vain: {what}");
            await Task.Delay(50);
        }
    }

    private async Task<KubernetesOperator> StartAsync(string name)
    {
        var running = await KubernetesOperator.StartAsync(cluster, name);
        _running.Add(running);
        return running;
    }

    private async Task AddNodesAsync(params string[] names)
    {
        foreach (var (index, name) in names.Index())
            await cluster.Server.CreateNodeAsync(name, $"10.{index + 1}.0.0/24");
    }

    private Task<JsonObject?> FindAsync(string path) => cluster.Server.FindAsync($"/apis/wgmesh.io/v1alpha1/{path}");

    private async Task CleanAsync()
    {
        var paths = new[]
        {
            "/apis/wgmesh.io/v1alpha1/wireguardpeers", "/apis/wgmesh.io/v1alpha1/wireguardmeshes", "/api/v1/nodes",
            $"/api/v1/namespaces/{WgMeshCluster.Namespace}/secrets", $"/api/v1/namespaces/{WgMeshCluster.Namespace}/configmaps",
            $"/apis/coordination.k8s.io/v1/namespaces/{WgMeshCluster.Namespace}/leases", "/api/v1/namespaces/default/events",
        };
        foreach (var path in paths)
            await cluster.Server.SendAsync(HttpMethod.Delete, path);
        var pods = (await cluster.Server.FindAsync($"/api/v1/namespaces/{WgMeshCluster.Namespace}/pods"))!["items"]!.AsArray();
        foreach (var pod in pods)
            await cluster.DeletePodAsync(pod!["metadata"]!["name"]!.GetValue<string>());
    }

    /// <summary>What the API server answered to this process, those that said 403 by what was asked.</summary>
    private sealed class Answers : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
    {
        private readonly Uri _server;
        private readonly List<IDisposable> _subscriptions = [];
        private int _count;

        public Answers(Uri server)
        {
            _server = server;
            _subscriptions.Add(DiagnosticListener.AllListeners.Subscribe(this));
        }

        public ConcurrentBag<string> Refused { get; } = [];

        public int Count => _count;

        public void OnNext(DiagnosticListener value)
        {
            if (value.Name == "HttpHandlerDiagnosticListener")
                _subscriptions.Add(value.Subscribe(this));
        }

        public void OnNext(KeyValuePair<string, object?> value)
        {
            if (value.Key != "System.Net.Http.HttpRequestOut.Stop"
                || value.Value?.GetType().GetProperty("Response")?.GetValue(value.Value) is not HttpResponseMessage { RequestMessage: { } request } response
                || request.RequestUri?.Authority != _server.Authority)
            {
                return;
            }

            Interlocked.Increment(ref _count);
            if (response.StatusCode == System.Net.HttpStatusCode.Forbidden)
                Refused.Add($"{request.Method} {request.RequestUri.PathAndQuery}");
        }

        public void OnCompleted()
        {
        }

        public void OnError(Exception error)
        {
        }

        public void Dispose() => _subscriptions.ForEach(subscription => subscription.Dispose());
    }
}
