using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

/// <summary>Whose token it is, by the word of a real API server, which the operator asks with the rights that it has in a cluster.</summary>
[Trait("needs", "system")]
[Collection(WgMeshClusterCollection.Name)]
public sealed class CallerLookupTests(WgMeshCluster cluster) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private KubernetesClient _client = null!;
    private CallerLookup _lookup = null!;

    public async Task InitializeAsync()
    {
        await File.WriteAllTextAsync(_folder["token"], await cluster.ReplicaTokenAsync());
        _client = new KubernetesClient(await cluster.AsOperatorAsync());
        _lookup = new CallerLookup(
            _client, WgMeshCluster.Namespace, WgMeshCluster.AgentAccount, new ReplicaToken(_folder["token"]), TimeProvider.System);
    }

    public Task DisposeAsync()
    {
        _client.Dispose();
        _folder.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task An_agent_speaks_for_the_node_that_its_pod_is_on_and_for_no_other()
    {
        var (a, b) = (await cluster.AddAgentAsync("trust-a"), await cluster.AddAgentAsync("trust-b"));
        foreach (var (pod, node, other) in new[] { (a, "trust-a", "trust-b"), (b, "trust-b", "trust-a") })
        {
            var caller = (await FindAsync(await cluster.AgentTokenAsync(pod))).Caller!;
            Assert.Equal([node], caller.Nodes);
            Assert.True(caller.MaySpeakFor(node));
            Assert.False(caller.MaySpeakFor(other));
            Assert.False(caller.IsAnyNode || caller.IsTool || caller.IsReplica);
        }
    }

    [Fact]
    public async Task A_token_for_another_audience_is_refused_and_so_is_one_for_the_API_server()
    {
        var pod = await cluster.AddAgentAsync("trust-audience");
        foreach (var audience in new[] { "other", KubernetesServer.Issuer })
        {
            var token = await cluster.Server.RequestTokenAsync(WgMeshCluster.Namespace, WgMeshCluster.AgentAccount, audience, pod);
            await RefusedAsync(token, $"the token is for audience {audience}; wgmesh is wanted");
        }
    }

    [Fact]
    public async Task A_token_that_has_expired_is_refused()
    {
        var claims = KubernetesServer.ReadClaims(await cluster.AgentTokenAsync(await cluster.AddAgentAsync("trust-expired")));
        Assert.NotNull((await FindAsync(cluster.Server.SignToken(claims))).Caller);
        claims["exp"] = DateTimeOffset.UtcNow.AddMinutes(-5).ToUnixTimeSeconds();
        await RefusedAsync(cluster.Server.SignToken(claims), "the token expired at ");
    }

    [Fact]
    public async Task A_token_that_somebody_else_signed_is_refused()
    {
        var claims = KubernetesServer.ReadClaims(await cluster.AgentTokenAsync(await cluster.AddAgentAsync("trust-foreign")));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await RefusedAsync(cluster.Server.SignToken(claims, key), "another cluster's");
        await RefusedAsync("opaque", "does not know the token");
        await RefusedAsync("a.b.c", "does not know the token");
    }

    [Fact]
    public async Task A_token_of_a_pod_that_is_gone_is_refused_also_when_another_pod_has_its_name()
    {
        var pod = await cluster.AddAgentAsync("trust-gone");
        var token = await cluster.AgentTokenAsync(pod);
        Assert.NotNull((await FindAsync(token)).Caller);
        await cluster.DeletePodAsync(pod.Name);
        await RefusedAsync(token, "is gone"); // though the API server may believe it for some seconds more

        var again = await cluster.AddAgentAsync("trust-elsewhere", pod.Name);
        await RefusedAsync(token, "is gone");
        Assert.Equal(["trust-elsewhere"], (await FoundAsync(await cluster.AgentTokenAsync(again))).Nodes);
    }

    [Fact]
    public async Task A_token_of_the_agents_account_that_is_bound_to_no_pod_is_refused()
    {
        var token = await cluster.Server.RequestTokenAsync(WgMeshCluster.Namespace, WgMeshCluster.AgentAccount, WgMeshCluster.Audience);
        await RefusedAsync(token, "is bound to no pod");
    }

    [Fact]
    public async Task A_pod_that_is_on_no_node_yet_speaks_for_none()
    {
        var uid = await cluster.Server.CreatePodAsync(WgMeshCluster.Namespace, "agent-nowhere", WgMeshCluster.AgentAccount, null);
        await RefusedAsync(await cluster.AgentTokenAsync(("agent-nowhere", uid)), "is on no node yet");
    }

    [Fact]
    public async Task The_agents_account_of_another_namespace_is_no_agent()
    {
        await cluster.Server.AddNamespaceAsync("elsewhere");
        await cluster.Server.AddServiceAccountAsync("elsewhere", WgMeshCluster.AgentAccount);
        var uid = await cluster.Server.CreatePodAsync("elsewhere", "agent", WgMeshCluster.AgentAccount, "trust-a");
        await RefusedAsync(
            await cluster.Server.RequestTokenAsync("elsewhere", WgMeshCluster.AgentAccount, WgMeshCluster.Audience, ("agent", uid)),
            "system:serviceaccount:elsewhere:wgmesh-agent is no agent", StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task The_operators_own_account_is_a_replica()
    {
        var caller = (await FindAsync(await cluster.ReplicaTokenAsync())).Caller!;
        Assert.True(caller.IsReplica);
        Assert.False(caller.IsAnyNode);
        Assert.Empty(caller.Nodes);

        // who does not know its own account has no replicas
        File.Delete(_folder["token"]);
        Assert.Null((await FindAsync(await cluster.ReplicaTokenAsync())).Caller);
    }

    [Fact]
    public async Task A_tool_is_whoever_may_get_wireguardpeers_config()
    {
        foreach (var name in new[] { "allowed", "denied" })
            await cluster.Server.AddServiceAccountAsync("default", name);
        await cluster.Server.SendAsync(HttpMethod.Post, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "trust-tool" },
            ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "ClusterRole", ["name"] = "wgmesh-tool" },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = "allowed", ["namespace"] = "default" }),
        });

        // the server's authorizer learns of new bindings by watching them
        var caller = await FoundAsync(await cluster.Server.RequestTokenAsync("default", "allowed", WgMeshCluster.Audience));
        Assert.True(caller.IsTool);
        Assert.False(caller.IsReplica || caller.IsAnyNode);

        await RefusedAsync(await cluster.Server.RequestTokenAsync("default", "denied", WgMeshCluster.Audience),
            "system:serviceaccount:default:denied is no agent, and as a tool it would have to be allowed to get wireguardpeers/config in wgmesh.io",
            StatusCode.PermissionDenied);
        await RefusedAsync(await cluster.Server.RequestTokenAsync("default", "allowed", KubernetesServer.Issuer), "wgmesh is wanted");
    }

    private Task<TokenVerdict> FindAsync(string token) => _lookup.FindAsync(token, CancellationToken.None);

    /// <summary>The owner of a token that is good as soon as the API server has heard of all that makes it so.</summary>
    private async Task<Caller> FoundAsync(string token)
    {
        var deadline = DateTime.UtcNow.AddSeconds(60);
        TokenVerdict verdict;
        while ((verdict = await FindAsync(token)).Caller is null && DateTime.UtcNow < deadline)
            await Task.Delay(50);
        Assert.True(verdict.Caller is not null, verdict.Detail);
        return verdict.Caller!;
    }

    private async Task RefusedAsync(string token, string expected, StatusCode code = StatusCode.Unauthenticated)
    {
        var verdict = await FindAsync(token);
        Assert.Null(verdict.Caller);
        Assert.Equal(code, verdict.Code);
        Assert.Contains(expected, verdict.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(token, verdict.Detail, StringComparison.Ordinal);
    }
}
