using System.Text.Json.Nodes;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class NodePeersTests(KubernetesServer server) : IAsyncLifetime
{
    private LeadingReplica _operator = null!;

    public async Task InitializeAsync()
    {
        await server.ResetAsync();
        _operator = LeadingReplica.Lead(server.Admin);
    }

    public async Task DisposeAsync() => await _operator.DisposeAsync();

    [Fact]
    public async Task A_node_gets_a_peer_of_its_own_with_addresses_and_with_what_its_agent_announces()
    {
        var uid = await server.CreateNodeAsync("a", "10.244.1.0/24");
        var made = await server.WaitForPeerAsync("a", peer => peer.Allocated().Length == 2);
        Assert.Null(made["spec"]!["publicKey"]);
        var owner = Assert.Single(made["metadata"]!["ownerReferences"]!.AsArray())!;
        Assert.Equal(("Node", "a", uid), (owner["kind"]!.GetValue<string>(), owner["name"]!.GetValue<string>(), owner["uid"]!.GetValue<string>()));
        Assert.Equal("wgmesh-operator", made["metadata"]!["labels"]!["app.kubernetes.io/managed-by"]!.GetValue<string>());

        await _operator.ConnectAsync("a", 1, "[2001:db8::1]:5000", "192.0.2.1:5000");
        var announced = await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"] is not null);
        Assert.Equal(
            (Key(1).ToString(), "2001:db8::1", 5000),
            (announced["spec"]!["publicKey"]!.GetValue<string>(), announced["spec"]!["endpoint"]!["host"]!.GetValue<string>(), announced["spec"]!["endpoint"]!["port"]!.GetValue<int>()));
        Assert.Equal(made.Uid(), announced.Uid());
        await KubernetesObjects.WaitAsync(() => _operator.Plan.HasPeer("a"), "the plan to have the node");
    }

    [Fact]
    public async Task The_settings_of_the_mesh_are_made_and_made_again()
    {
        await KubernetesObjects.WaitAsync(
            async () => await server.FindAsync($"{KubernetesObjects.Meshes}/default") is { } mesh && mesh["spec"]!["listenPort"]!.GetValue<int>() == 51820,
            async () => "the settings: " + (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))?.ToJsonString());
        await server.DeleteAsync($"{KubernetesObjects.Meshes}/default");
        await KubernetesObjects.WaitAsync(
            async () => await server.FindAsync($"{KubernetesObjects.Meshes}/default") is not null, () => "the settings to come back");
    }

    [Fact]
    public async Task A_deleted_node_takes_its_peer_along()
    {
        await server.CreateNodeAsync("a");
        await server.WaitForPeerAsync("a", _ => true);
        await server.DeleteAsync("/api/v1/nodes/a");
        await KubernetesObjects.WaitAsync(async () => await server.PeerAsync("a") is null, () => "the peer to go");
    }

    [Fact]
    public async Task A_node_that_does_not_run_Linux_has_no_peer_and_is_not_waited_for()
    {
        await server.CreateNodeAsync("a", "10.244.1.0/24");
        await server.CreateNodeAsync("win", "10.244.2.0/24"); // its kubelet has not said yet what it is
        await server.WaitForPeerAsync("win", peer => peer.Allocated().Length == 2);
        await KubernetesObjects.WaitAsync(() => _operator.Plan.Nodes.Count == 2, "both to be planned");

        await server.PatchAsync("/api/v1/nodes/win", new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["kubernetes.io/os"] = "windows" } } });
        await KubernetesObjects.WaitAsync(async () => await server.PeerAsync("win") is null, () => "the peer to go");
        await _operator.ConnectAsync("a", 1);
        _operator.Report("a");
        await KubernetesObjects.WaitAsync(
            async () => await server.FindAsync($"{KubernetesObjects.Meshes}/default") is { } mesh && mesh.Is("Ready", "True", "Ready"),
            async () => "the mesh to be ready: " + (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))?.ToJsonString());
        Assert.Equal("a", Assert.Single(_operator.Plan.Nodes).Key);
    }

    [Fact]
    public async Task A_node_that_is_made_anew_has_a_new_peer_and_nothing_of_the_old_one()
    {
        await server.CreateNodeAsync("a");
        await _operator.ConnectAsync("a", 1, "192.0.2.1:5000");
        var old = await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"] is not null);
        _operator.Disconnect("a");

        await server.DeleteAsync("/api/v1/nodes/a");
        await server.CreateNodeAsync("a");
        var made = await server.WaitForPeerAsync("a", peer => peer.Uid() != old.Uid());
        Assert.Null(made["spec"]!["publicKey"]);
        Assert.Null(made["spec"]!["endpoint"]);

        await _operator.ConnectAsync("a", 2);
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"]?.GetValue<string>() == Key(2).ToString());
    }

    [Fact]
    public async Task A_new_key_replaces_the_old_one_and_people_are_told()
    {
        await server.CreateNodeAsync("a");
        await _operator.ConnectAsync("a", 1, "192.0.2.1:5000");
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"] is not null);
        await _operator.ConnectAsync("a", 2);
        var peer = await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"]!.GetValue<string>() == Key(2).ToString());
        Assert.Null(peer["spec"]!["endpoint"]);
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("WireGuardPeer", "a")).Contains($"KeyChanged: The agent of node a has a new public key: {Key(2)}"),
            () => "the event");
    }

    [Fact]
    public async Task A_peer_that_pins_a_nodes_key_takes_the_place_of_the_nodes_own_with_its_addresses_and_gives_them_back()
    {
        await server.CreateNodeAsync("a");
        await _operator.ConnectAsync("a", 1);
        var addresses = (await server.WaitForPeerAsync("a", peer => peer.Allocated().Length == 2)).Allocated();

        await server.CreatePeerAsync("pin", 5, new JsonObject { ["nodeName"] = "a" });
        await server.WaitForPeerAsync("pin", peer => peer.Allocated().SequenceEqual(addresses));
        await KubernetesObjects.WaitAsync(async () => await server.PeerAsync("a") is null, () => "the node's own peer to go");

        // somebody else wants addresses before the node has its own back
        await server.CreatePeerAsync("laptop", 6);
        await server.DeleteAsync($"{KubernetesObjects.Peers}/pin");
        await server.WaitForPeerAsync("a", peer => peer.Allocated().SequenceEqual(addresses));
        var laptop = await server.WaitForPeerAsync("laptop", peer => peer.Allocated().Length == 2);
        Assert.Empty(laptop.Allocated().Intersect(addresses));
    }

    [Fact]
    public async Task People_see_at_a_node_who_pins_its_key()
    {
        await server.CreateNodeAsync("a");
        await server.CreatePeerAsync("pin", 5, new JsonObject { ["nodeName"] = "a" });
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("Node", "a")).Any(text => text.StartsWith($"KeyPinned: WireGuardPeer pin pins this node's key to {Key(5)}", StringComparison.Ordinal)),
            () => "the event");
    }

    [Fact]
    public async Task A_peer_that_names_a_node_and_has_no_key_is_refused_and_takes_nothing_from_the_node()
    {
        await server.CreateNodeAsync("a");
        await server.CreateAsync(KubernetesObjects.Peers, "empty", new JsonObject { ["nodeName"] = "a" });
        await server.WaitForPeerAsync("empty", peer => peer.Is("Accepted", "False", "Invalid"));
        await _operator.ConnectAsync("a", 1);
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"]?.GetValue<string>() == Key(1).ToString());
        await KubernetesObjects.WaitAsync(() => _operator.Plan.HasPeer("a"), "the plan to have the node");
        Assert.Null(_operator.Plan.Nodes["a"].PinnedBy);
    }

    [Fact]
    public async Task A_copy_of_a_nodes_peer_under_another_name_is_left_alone()
    {
        await server.CreateNodeAsync("a");
        await _operator.ConnectAsync("a", 1);
        var made = await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"] is not null);

        var copy = made.DeepClone().AsObject();
        copy["metadata"] = new JsonObject
        {
            ["name"] = "laptop",
            ["labels"] = made["metadata"]!["labels"]!.DeepClone(),
            ["ownerReferences"] = made["metadata"]!["ownerReferences"]!.DeepClone(),
        };
        copy["spec"] = new JsonObject { ["publicKey"] = Key(9).ToString() };
        copy.Remove("status");
        var created = await server.SendAsync(HttpMethod.Post, KubernetesObjects.Peers, copy);
        var laptop = await server.WaitForPeerAsync("laptop", peer => peer.Is("Accepted", "True", "Accepted"));
        Assert.Equal(created.Uid(), laptop.Uid());
    }

    [Fact]
    public async Task An_endpoint_that_people_write_holds_until_the_agent_announces_one()
    {
        await server.CreateNodeAsync("a");
        await _operator.ConnectAsync("a", 1);
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["publicKey"] is not null);
        await server.PatchAsync($"{KubernetesObjects.Peers}/a", new JsonObject
        {
            ["spec"] = new JsonObject { ["endpoint"] = new JsonObject { ["host"] = "192.0.2.99", ["port"] = 7000 } },
        });
        await KubernetesObjects.WaitAsync(
            () => _operator.Plan.Peers.SingleOrDefault(peer => peer.Name == "a")?.Endpoint == "192.0.2.99:7000", "the endpoint to be planned with");
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["endpoint"]?["port"]?.GetValue<int>() == 7000);

        await _operator.ConnectAsync("a", 1, "192.0.2.1:5000");
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["endpoint"]?["port"]?.GetValue<int>() == 5000);
        await _operator.ConnectAsync("a", 1);
        await server.WaitForPeerAsync("a", peer => peer["spec"]!["endpoint"] is null);
    }

    [Fact]
    public async Task A_leader_that_has_not_seen_a_node_yet_does_not_delete_its_peer()
    {
        var blind = new BlindHandler("late");
        await using var other = LeadingReplica.Lead(server.Admin, handler: blind);
        await server.CreateNodeAsync("late");
        var made = await server.WaitForPeerAsync("late", _ => true);
        await KubernetesObjects.WaitAsync(() => blind.Asked > 0, "the node to be asked for");

        Assert.False(other.Cluster.View.Value.Nodes.ContainsKey("late"));
        await server.WaitForPeerAsync("late", peer => peer.Allocated().Length == 2);
        Assert.Equal(made.Uid(), (await server.PeerAsync("late"))!.Uid());
    }

    [Fact]
    public async Task A_peer_of_somebodys_that_has_a_nodes_name_is_left_alone_and_people_are_told_at_both()
    {
        await server.CreatePeerAsync("a", 5);
        await server.CreateNodeAsync("a");
        await server.WaitForPeerAsync("a", peer => peer.Is("Accepted", "False", "NameTaken"));
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("Node", "a")).Any(text => text.StartsWith("NameTaken: ", StringComparison.Ordinal)), () => "the event");
        Assert.Null((await server.PeerAsync("a"))!["metadata"]!["ownerReferences"]);

        await server.DeleteAsync($"{KubernetesObjects.Peers}/a");
        await server.WaitForPeerAsync("a", peer => peer["metadata"]!["ownerReferences"] is not null);
    }
}

/// <summary>Keeps a node from whoever lists or watches all, as if that were behind, and counts who asks for it by name.</summary>
internal sealed class BlindHandler(string node) : DelegatingHandler
{
    private int _asked;

    public int Asked => Volatile.Read(ref _asked);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request is { Method.Method: "GET", RequestUri: { AbsolutePath: "/api/v1/nodes" } uri })
        {
            if (!uri.Query.Contains("fieldSelector", StringComparison.Ordinal))
                request.RequestUri = new Uri($"{uri}{(uri.Query.Length > 0 ? '&' : '?')}fieldSelector=metadata.name!%3D{node}");
            else if (Uri.UnescapeDataString(uri.Query).Contains($"metadata.name={node}", StringComparison.Ordinal))
                Interlocked.Increment(ref _asked);
        }

        return base.SendAsync(request, cancellationToken);
    }
}
