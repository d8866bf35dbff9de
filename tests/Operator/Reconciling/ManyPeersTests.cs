using System.Text.Json.Nodes;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class ManyPeersTests(KubernetesServer server) : IAsyncLifetime
{
    private const int Count = 2_000;

    public Task InitializeAsync() => server.ResetAsync();

    public async Task DisposeAsync() => await server.DeleteAsync(KubernetesObjects.Peers);

    [Fact]
    public async Task Thousands_of_peers_at_once_are_planned_and_hold_up_nobody_who_comes_later()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await server.CreateNodeAsync("a", "10.244.1.0/24");
        await replica.ConnectAsync("a", 1);
        replica.Report("a");
        await KubernetesObjects.WaitAsync(() => replica.Plan.HasPeer("a"), "the node to be planned");

        // as one kubectl apply brings them; with prefixes of their own, so that each is served without an address from the pools
        await Parallel.ForAsync(0, Count, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
            await server.CreatePeerAsync($"peer-{i}", 1000 + i, new JsonObject { ["allowedIPs"] = new JsonArray($"172.{16 + (i / 65536)}.{i / 256 % 256}.{i % 256}/32") }));
        await KubernetesObjects.WaitAsync(() => replica.Plan.Peers.Length == Count + 1, "all to be planned");

        await server.CreateNodeAsync("b", "10.244.2.0/24");
        await replica.ConnectAsync("b", 2);
        await server.CreatePeerAsync("laptop", 3);
        await server.WaitForPeerAsync("laptop", peer => peer.Allocated().Length == 2);
        await KubernetesObjects.WaitAsync(() => replica.Plan.HasPeer("b") && replica.Plan.HasPeer("laptop"), "those that came later to be planned");
    }
}
