using System.Text.Json.Nodes;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class GatewaysTests(KubernetesServer server) : IAsyncLifetime
{
    private static readonly DateTimeOffset Handshake = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public Task InitializeAsync() => server.ResetAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task The_mesh_follows_the_gateway_that_the_device_uses_and_plans_with_it()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        foreach (var (node, key) in new[] { ("a", 1), ("b", 2), ("c", 3) })
        {
            await server.CreateNodeAsync(node, $"10.244.{key}.0/24");
            if (node != "c")
                await server.PatchAsync($"/api/v1/nodes/{node}", new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["edge"] = "yes" } } });
            await replica.ConnectAsync(node, key);
            replica.Report(node);
        }

        await server.CreatePeerAsync("office", 9, new JsonObject
        {
            ["allowedIPs"] = new JsonArray("192.168.0.0/16"),
            ["gateways"] = new JsonObject { ["nodeSelector"] = new JsonObject { ["edge"] = "yes" } },
        });
        await server.WaitForPeerAsync("office", peer => GatewayOf(peer) is "a" or "b");
        replica.Report("a", ("office", Rpc.LinkState.Down, null));
        replica.Report("b", ("office", Rpc.LinkState.Up, Handshake));
        await server.WaitForPeerAsync("office", peer => GatewayOf(peer) == "b");
        await KubernetesObjects.WaitAsync(() => replica.Plan.Outcomes.Single(outcome => outcome.Name == "office").Gateway == "b", "the plan");

        replica.Report("a", ("office", Rpc.LinkState.Up, Handshake.AddMinutes(1)));
        replica.Report("b", ("office", Rpc.LinkState.Down, Handshake));
        await server.WaitForPeerAsync("office", peer => GatewayOf(peer) == "a");
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("WireGuardPeer", "office"))
                .Contains("GatewayChanged: Other nodes reach the device through node a now, and no longer through b"),
            () => "the event");

        // a device that all nodes have again has no gateway
        await server.PatchAsync($"{KubernetesObjects.Peers}/office", new JsonObject { ["spec"] = new JsonObject { ["gateways"] = null } });
        await server.WaitForPeerAsync("office", peer => GatewayOf(peer) is null);
    }

    private static string? GatewayOf(JsonObject peer) => peer["status"]?["gateway"]?.GetValue<string>();
}
