using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Tests.Shared;

namespace WgMesh.Scale;

/// <summary>A real API server with nodes, and replicas of the real operator.</summary>
internal sealed class Rig(KubernetesServer server, string program, string folder) : IAsyncDisposable
{
    private const string Space = "wgmesh", AgentAccount = "wgmesh-agent", OperatorAccount = "wgmesh-operator";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly ServerProcesses _processes = new(folder);
    private JsonObject? _claims;

    public List<OperatorProcess> Operators { get; } = [];

    public KubernetesServer Server { get; } = server;

    /// <summary>Resource definitions, accounts and the mesh's settings.</summary>
    public async Task PrepareAsync()
    {
        await Server.InstallAsync(KubernetesManifests.Documents(CrdYaml.Generate(CrdYaml.Oldest)));
        await Server.AddNamespaceAsync(Space);
        await Server.CreateAllAsync(await Helm.RightsAsync(Space));
        await ApplyAsync("wireguardmeshes", "default", new JsonObject
        {
            ["spec"] = new JsonObject { ["podCIDRs"] = new JsonArray("10.128.0.0/9"), ["serviceCIDRs"] = new JsonArray("172.30.0.0/16") },
        });
    }

    /// <summary>A Node with its agent's pod, and the token of that pod.</summary>
    public async Task<string> AddNodeAsync(int number)
    {
        var name = SimulatedMesh.NodeName(number);
        await Server.SendAsync(HttpMethod.Post, "/api/v1/nodes", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["podCIDR"] = SimulatedMesh.PodCidr(number), ["podCIDRs"] = new JsonArray(SimulatedMesh.PodCidr(number)) },
            ["status"] = new JsonObject
            {
                ["addresses"] = new JsonArray(new JsonObject { ["type"] = "InternalIP", ["address"] = SimulatedMesh.NodeAddress(number) }),
            },
        });
        var pod = $"agent-{number:D5}";
        var uid = await Server.CreatePodAsync(Space, pod, AgentAccount, name);
        if (_claims is null)
        {
            var token = await Server.RequestTokenAsync(Space, AgentAccount, "wgmesh", (pod, uid), TimeSpan.FromHours(12));
            _claims = KubernetesServer.ReadClaims(token);
            return token;
        }

        // signed as the API server signs them: a thousand requests less
        var claims = _claims.DeepClone().AsObject();
        claims["kubernetes.io"]!["pod"] = new JsonObject { ["name"] = pod, ["uid"] = uid };
        return Server.SignToken(claims);
    }

    public async Task StartOperatorsAsync(int replicas)
    {
        var kubeconfig = Path.Combine(folder, "operator.conf");
        var api = await Server.RequestTokenAsync(Space, OperatorAccount, KubernetesServer.Issuer, null, TimeSpan.FromHours(12));
        await File.WriteAllTextAsync(kubeconfig, $"""
            apiVersion: v1
            kind: Config
            clusters:
            - name: c
              cluster:
                server: {Server.Url}
                certificate-authority: {Server.Folder}/ca.crt
            users:
            - name: u
              user:
                token: {api}
            contexts:
            - name: x
              context:
                cluster: c
                user: u
                namespace: {Space}
            current-context: x
            """);
        for (var i = 0; i < replicas; i++)
        {
            var token = Path.Combine(folder, $"replica{i}.token");
            await File.WriteAllTextAsync(token, await Server.RequestTokenAsync(Space, OperatorAccount, "wgmesh", null, TimeSpan.FromHours(12)));
            Operators.Add(new OperatorProcess(_processes, program, $"replica{i}", kubeconfig, token));
        }

        using var http = new HttpClient();
        foreach (var replica in Operators)
        {
            await UntilAsync($"{replica.Name} to be ready", async () =>
            {
                if (!_processes.IsRunning(replica.Name))
                    throw new InvalidOperationException($"{replica.Name} ended: {_processes.Log(replica.Name)}");
                try
                {
                    using var answer = await http.GetAsync(new Uri($"http://127.0.0.1:{replica.MetricsPort}/readyz"));
                    return answer.IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            });
        }
    }

    /// <summary>As agents have them by the ConfigMap.</summary>
    public async Task<X509Certificate2Collection> AuthoritiesAsync()
    {
        JsonObject? map = null;
        await UntilAsync("ConfigMap wgmesh-ca", async () => (map = await Server.FindAsync($"/api/v1/namespaces/{Space}/configmaps/wgmesh-ca")) is not null);
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPem(map!["data"]!["ca.crt"]!.GetValue<string>());
        return authorities;
    }

    /// <summary>Makes or changes an object of ours, as <c>kubectl apply --server-side</c> does.</summary>
    public Task<JsonObject> ApplyAsync(string plural, string name, JsonObject body)
    {
        body["apiVersion"] = "wgmesh.io/v1alpha1";
        body["kind"] = plural == "wireguardmeshes" ? "WireGuardMesh" : "WireGuardPeer";
        body["metadata"] = new JsonObject { ["name"] = name };
        return Server.SendAsync(
            HttpMethod.Patch, $"/apis/wgmesh.io/v1alpha1/{plural}/{name}?fieldManager=bench&force=true", body, "application/apply-patch+yaml");
    }

    public Task<JsonObject?> PeerAsync(string name) => Server.FindAsync($"/apis/wgmesh.io/v1alpha1/wireguardpeers/{name}");

    /// <summary>Who leads; null: nobody.</summary>
    public async Task<string?> LeaderAsync() =>
        (string?)(await Server.FindAsync($"/apis/coordination.k8s.io/v1/namespaces/{Space}/leases/wgmesh-operator"))?["spec"]?["holderIdentity"];

    public async Task<ApiServerCounters> CountersAsync() => ApiServerCounters.Parse(await Server.ReadTextAsync("/metrics"));

    public static async Task UntilAsync(string what, Func<Task<bool>> condition, int milliseconds = 50)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (!await condition())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"{what}: not within {Limit.TotalMinutes} min");
            await Task.Delay(milliseconds);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _processes.Dispose();
        await Server.DisposeAsync();
    }
}
