using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests.Reconciling;

/// <summary>Objects of an API server, as kubectl would put and read them.</summary>
internal static class KubernetesObjects
{
    public const string Namespace = "wgmesh";
    public const string Peers = "/apis/wgmesh.io/v1alpha1/wireguardpeers";
    public const string Meshes = "/apis/wgmesh.io/v1alpha1/wireguardmeshes";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Takes away what tests before left, and installs the definitions.</summary>
    public static async Task ResetAsync(this KubernetesServer server, IEnumerable<JsonObject>? definitions = null)
    {
        await server.AddNamespaceAsync(Namespace);
        await server.InstallAsync(definitions ?? Definitions());
        await server.SendAsync(HttpMethod.Delete, "/api/v1/nodes");
        await server.SendAsync(HttpMethod.Delete, Peers);
        await server.SendAsync(HttpMethod.Delete, Meshes);
        await server.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{Namespace}/configmaps");
        await server.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{Namespace}/secrets");
        await server.SendAsync(HttpMethod.Delete, "/api/v1/namespaces/default/events");
    }

    public static IEnumerable<JsonObject> Definitions() => KubernetesManifests.Documents(CrdYaml.Generate(CrdYaml.Oldest));

    /// <summary>A definition of before there were rules: it takes every spec.</summary>
    public static JsonObject WithoutSpecSchema(JsonObject definition)
    {
        definition["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"] =
            new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true };
        return definition;
    }

    public static Task<JsonObject> CreatePeerAsync(this KubernetesServer server, string name, int key, JsonObject? spec = null)
    {
        var all = spec ?? [];
        all["publicKey"] = Clusters.Key(key).ToString();
        return server.CreateAsync(Peers, name, all);
    }

    public static Task<JsonObject> CreateAsync(this KubernetesServer server, string path, string name, JsonObject spec) =>
        server.SendAsync(HttpMethod.Post, path, new JsonObject
        {
            ["apiVersion"] = "wgmesh.io/v1alpha1",
            ["kind"] = path == Peers ? "WireGuardPeer" : "WireGuardMesh",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = spec,
        });

    public static Task<JsonObject> PatchAsync(this KubernetesServer server, string path, JsonObject patch) =>
        server.SendAsync(HttpMethod.Patch, path, patch, "application/merge-patch+json");

    public static Task DeleteAsync(this KubernetesServer server, string path) => server.SendAsync(HttpMethod.Delete, path);

    public static Task<JsonObject?> PeerAsync(this KubernetesServer server, string name) => server.FindAsync($"{Peers}/{name}");

    /// <summary>Waits until a peer is as it should be, and returns it.</summary>
    public static async Task<JsonObject> WaitForPeerAsync(this KubernetesServer server, string name, Func<JsonObject, bool> isGood)
    {
        JsonObject? peer = null;
        await WaitAsync(
            async () => (peer = await server.PeerAsync(name)) is not null && isGood(peer),
            () => $"WireGuardPeer {name}: {peer?.ToJsonString() ?? "none"}");
        return peer!;
    }

    /// <summary>Waits until something holds.</summary>
    public static Task WaitAsync(Func<Task<bool>> condition, Func<string> what) => WaitAsync(condition, () => Task.FromResult(what()));

    public static async Task WaitAsync(Func<Task<bool>> condition, Func<Task<string>> what)
    {
        var deadline = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (!await condition())
        {
            if (Environment.TickCount64 > deadline)
                Assert.Fail($"{Limit.TotalSeconds:0} seconds were not enough for {await what()}\nThe operator said:\n{RecentLog.Text}");
            await Task.Delay(50);
        }
    }

    public static Task WaitAsync(Func<bool> condition, string what) => WaitAsync(() => Task.FromResult(condition()), () => what);

    public static JsonObject? Condition(this JsonObject item, string type) =>
        item["status"]?["conditions"]?.AsArray().FirstOrDefault(one => one!["type"]!.GetValue<string>() == type)?.AsObject();

    /// <summary>Whether a condition has this status and reason.</summary>
    public static bool Is(this JsonObject item, string type, string status, string reason) =>
        item.Condition(type) is { } one && one["status"]!.GetValue<string>() == status && one["reason"]!.GetValue<string>() == reason;

    public static string[] Allocated(this JsonObject item) =>
        item["status"]?["allocatedAddresses"]?.AsArray().Select(text => text!.GetValue<string>()).ToArray() ?? [];

    public static string Uid(this JsonObject item) => item["metadata"]!["uid"]!.GetValue<string>();

    /// <summary>The events about an object, as <c>REASON: MESSAGE</c>.</summary>
    public static async Task<IReadOnlyList<string>> EventsAsync(this KubernetesServer server, string kind, string name)
    {
        var list = await server.SendAsync(
            HttpMethod.Get, $"/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind={kind},involvedObject.name={name}");
        return [.. list["items"]!.AsArray().Select(one => $"{one!["reason"]}: {one["message"]}")];
    }
}
