using System.Text.Json.Nodes;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class MeshKeeperTests(KubernetesServer server) : IAsyncLifetime
{
    private const string Mesh = $"{KubernetesObjects.Meshes}/default";

    public Task InitializeAsync() => server.ResetAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Settings_are_made_with_their_defaults_and_then_left_alone()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await UntilAsync("listenPort", 51820);
        await server.PatchAsync(Mesh, new JsonObject { ["spec"] = new JsonObject { ["listenPort"] = 51999 } });
        await KubernetesObjects.WaitAsync(() => replica.Cluster.View.Value.State.Mesh.ListenPort == 51999, "the change to be known");
        await server.DeleteAsync(Mesh);
        await UntilAsync("listenPort", 51820);
    }

    [Fact]
    public async Task What_was_installed_is_put_back_and_told_and_all_else_is_left_alone()
    {
        await using var replica = LeadingReplica.Follow(server.Admin);
        replica.TakeLead(new JsonObject { ["listenPort"] = 51000, ["podCIDRs"] = new JsonArray("10.244.0.0/16") });
        await UntilAsync("listenPort", 51000);
        Assert.Equal("""["10.244.0.0/16"]""", (await SpecAsync())["podCIDRs"]!.ToJsonString());

        await server.PatchAsync(Mesh, new JsonObject { ["spec"] = new JsonObject { ["listenPort"] = 51999, ["failurePolicy"] = "Open" } });
        await UntilAsync("listenPort", 51000);
        Assert.Equal("Open", (string)(await SpecAsync())["failurePolicy"]!);
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("WireGuardMesh", "default")).Any(told => told.StartsWith("SettingsKept: spec.listenPort of", StringComparison.Ordinal)),
            () => "an event");
    }

    [Fact]
    public async Task What_was_installed_and_is_not_any_more_gets_its_default()
    {
        await using var replica = LeadingReplica.Follow(server.Admin);
        replica.TakeLead(new JsonObject { ["listenPort"] = 51000, ["mtu"] = 1400 });
        await UntilAsync("mtu", 1400);
        await replica.LoseLeadAsync();

        replica.TakeLead(new JsonObject { ["mtu"] = 1400 });
        await UntilAsync("listenPort", 51820);
        Assert.Equal(1400, (int)(await SpecAsync())["mtu"]!);
    }

    [Fact]
    public async Task Settings_that_are_as_they_were_installed_are_not_written()
    {
        await using var replica = LeadingReplica.Follow(server.Admin);
        replica.TakeLead(new JsonObject { ["listenPort"] = 51000, ["protocol"] = new JsonObject { ["version"] = 1 } });
        await UntilAsync("listenPort", 51000);
        var version = (await server.FindAsync(Mesh))!["metadata"]!["generation"]!.GetValue<long>();
        await server.CreatePeerAsync("laptop", 9);
        await server.WaitForPeerAsync("laptop", peer => peer.Condition("Accepted") is not null);
        Assert.Equal(version, (await server.FindAsync(Mesh))!["metadata"]!["generation"]!.GetValue<long>());
        Assert.DoesNotContain(await server.EventsAsync("WireGuardMesh", "default"), told => told.StartsWith("SettingsKept", StringComparison.Ordinal));
    }

    private async Task<JsonNode> SpecAsync() => (await server.FindAsync(Mesh))!["spec"]!;

    private Task UntilAsync(string field, int value) => KubernetesObjects.WaitAsync(
        async () => (int?)(await server.FindAsync(Mesh))?["spec"]?[field] == value, () => $"spec.{field} to be {value}");
}
