using System.Diagnostics;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Tests.Trust;

/// <summary>
/// An API server of these tests' own, with the project's definitions, and with accounts that have exactly the rights of
/// the chart.
/// </summary>
public sealed class WgMeshCluster : IAsyncLifetime
{
    public const string Namespace = "wgmesh";
    public const string OperatorAccount = "wgmesh-operator";
    public const string AgentAccount = "wgmesh-agent";
    public const string Audience = "wgmesh";

    public KubernetesServer Server { get; } = new();

    public async Task InitializeAsync()
    {
        await Server.InitializeAsync();
        try
        {
            await Server.InstallAsync(KubernetesManifests.Documents(CrdYaml.Generate(CrdYaml.Oldest)));
            await Server.AddNamespaceAsync(Namespace);
            await Server.CreateAllAsync(await Helm.RightsAsync(Namespace));

            // the server's authorizer learns of roles and bindings by watching them; it has each of them whole or not at all
            await UntilMayAsync("create", "authorization.k8s.io", "subjectaccessreviews");
            await UntilMayAsync("create", "", "secrets", Namespace);
        }
        catch
        {
            await Server.DisposeAsync();
            throw;
        }
    }

    public Task DisposeAsync() => Server.DisposeAsync();

    /// <summary>The API server as the operator's service account sees it.</summary>
    public async Task<KubernetesClientConfiguration> AsOperatorAsync() =>
        Server.Configuration(await Server.RequestTokenAsync(Namespace, OperatorAccount, KubernetesServer.Issuer), null);

    /// <summary>A token of the operator's service account for other replicas.</summary>
    public Task<string> ReplicaTokenAsync() => Server.RequestTokenAsync(Namespace, OperatorAccount, Audience);

    /// <summary>An agent's pod on a node.</summary>
    public async Task<(string Name, string Uid)> AddAgentAsync(string node, string? name = null)
    {
        name ??= $"agent-{node}";
        return (name, await Server.CreatePodAsync(Namespace, name, AgentAccount, node));
    }

    /// <summary>The token that is projected into an agent's pod.</summary>
    public Task<string> AgentTokenAsync((string Name, string Uid) pod) => Server.RequestTokenAsync(Namespace, AgentAccount, Audience, pod);

    /// <summary>Deletes a pod at once, as if its node had let it go.</summary>
    public Task DeletePodAsync(string name) => Server.SendAsync(
        HttpMethod.Delete, $"/api/v1/namespaces/{Namespace}/pods/{name}", new JsonObject { ["gracePeriodSeconds"] = 0 });

    /// <summary>Waits until the operator's account may do this.</summary>
    private async Task UntilMayAsync(string verb, string group, string resource, string? space = null)
    {
        var question = new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["user"] = $"system:serviceaccount:{Namespace}:{OperatorAccount}",
                ["resourceAttributes"] = new JsonObject { ["verb"] = verb, ["group"] = group, ["resource"] = resource, ["namespace"] = space },
            },
        };
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            var answer = await Server.SendAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/subjectaccessreviews", question);
            if (answer["status"]!["allowed"]!.GetValue<bool>())
                return;
            if (waited.Elapsed > TimeSpan.FromSeconds(60))
                throw new TimeoutException($"The operator's account may not {verb} {resource}: {answer["status"]}");
        }
    }
}

/// <summary>Tests that share that server; they run one after the other, when all others are done.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WgMeshClusterCollection : ICollectionFixture<WgMeshCluster>
{
    public const string Name = "WgMesh on a Kubernetes API server";
}
