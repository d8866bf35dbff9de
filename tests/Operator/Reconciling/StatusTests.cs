using System.Text.Json.Nodes;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class StatusTests(KubernetesServer server) : IAsyncLifetime
{
    private static readonly DateTimeOffset Handshake = new(2025, 1, 1, 12, 0, 0, TimeSpan.Zero); // before any clock of these tests

    public Task InitializeAsync() => server.ResetAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Nodes_and_devices_are_ready_when_their_agents_say_so()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await replica.StartNodesAsync(server, "a", "b");
        await server.CreatePeerAsync("laptop", 9);
        await KubernetesObjects.WaitAsync(() => replica.Plan.HasPeer("laptop"), "the device to be planned");
        replica.Report("a", ("b", Rpc.LinkState.Up, Handshake), ("laptop", Rpc.LinkState.Up, Handshake.AddMinutes(1)));
        replica.Report("b", ("a", Rpc.LinkState.Up, Handshake), ("laptop", Rpc.LinkState.Down, null));

        var node = await server.WaitForPeerAsync("a", peer => peer.Is("Ready", "True", "Connected"));
        Assert.True(node.Is("Accepted", "True", "Accepted") && node.Is("Programmed", "True", "Programmed"));
        Assert.Equal("1 of 1 node has a live session.", node.Condition("Ready")!["message"]!.GetValue<string>());
        Assert.Equal(node["metadata"]!["generation"]!.GetValue<long>(), node["status"]!["observedGeneration"]!.GetValue<long>());

        replica.Report("b", isStuck: true, ("a", Rpc.LinkState.Up, Handshake), ("laptop", Rpc.LinkState.Down, null));
        await server.CreatePeerAsync("phone", 10);
        var phone = await server.WaitForPeerAsync("phone", peer => peer.Is("Programmed", "False", "Pending"));
        Assert.Equal("1 of 2 nodes has applied it; waiting for b.", phone.Condition("Programmed")!["message"]!.GetValue<string>());
        Assert.True(phone.Is("Ready", "False", "NotProgrammed"));

        var device = await server.WaitForPeerAsync("laptop", peer => peer.Is("Ready", "True", "PartlyConnected"));
        Assert.Equal("1 of 2 nodes has a live session; b: never an answer.", device.Condition("Ready")!["message"]!.GetValue<string>());
        Assert.Equal(
            ("1/2", "192.0.2.9:51820", "2025-01-01T12:01:00Z"),
            (device["status"]!["connectedNodes"]!.GetValue<string>(), device["status"]!["endpoint"]!.GetValue<string>(), device["status"]!["lastHandshakeTime"]!.GetValue<string>()));
        Assert.Equal(device.Allocated(), device["status"]!["addresses"]!.AsArray().Select(text => text!.GetValue<string>()));

        await KubernetesObjects.WaitAsync(
            async () => await server.FindAsync($"{KubernetesObjects.Meshes}/default") is { } mesh && mesh.Is("Ready", "True", "Ready"), () => "the mesh");
        var status = (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))!["status"]!;
        Assert.Equal((2, 1420, "1.0"), (status["nodes"]!.GetValue<int>(), status["mtu"]!.GetValue<int>(), status["agentVersions"]![0]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_node_whose_agent_leaves_is_not_ready_and_people_are_told()
    {
        var time = new ManualTime();
        await using var replica = LeadingReplica.Lead(server.Admin, time);
        await replica.StartNodesAsync(server, "a", "b");
        ReportAll(replica, null);
        await replica.PassAsync(TimeSpan.FromSeconds(40), () => server.WaitForPeerAsync("b", peer => peer.Is("Ready", "True", "Idle")));

        replica.Disconnect("b");
        await replica.PassAsync(TimeSpan.FromSeconds(1), () => server.WaitForPeerAsync("b", peer => peer.Is("Ready", "False", "AgentNotConnected")));
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("WireGuardPeer", "b")).Any(text => text.StartsWith("AgentDisconnected: ", StringComparison.Ordinal)),
            () => "the event");
        await replica.PassAsync(TimeSpan.FromSeconds(1), () => KubernetesObjects.WaitAsync(
            async () => (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))!.Is("Ready", "False", "NodesNotReady"), () => "the mesh"));
        var mesh = await server.FindAsync($"{KubernetesObjects.Meshes}/default");
        Assert.StartsWith("1 of 2 nodes is ready; b: The node's agent is not connected", mesh!.Condition("Ready")!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_faults_of_a_node_are_told_on_its_peer_and_its_Node_once_for_each_change()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await replica.StartNodesAsync(server, "a", "b");
        ReportAll(replica, null);
        replica.Fail("a", "cni: /etc/cni/net.d is read-only: make it writable");
        await server.WaitForPeerAsync("a", peer => peer.Is("Ready", "False", "AgentFailed"));
        const string Told = "AgentFailed: The node's agent reports: cni: /etc/cni/net.d is read-only: make it writable";
        await EventsAsync([Told]);
        await KubernetesObjects.WaitAsync(
            async () => (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))?.Condition("Ready")?["message"]?.GetValue<string>()
                .EndsWith("; the agent of 1 node reports errors.", StringComparison.Ordinal) == true, () => "the mesh");

        replica.Fail("a");
        await server.WaitForPeerAsync("a", peer => peer.Is("Ready", "True", "Idle"));
        await EventsAsync([Told, "AgentRecovered: The node's agent reports no errors any more"]);

        async Task EventsAsync(string[] expected)
        {
            foreach (var kind in (string[])["WireGuardPeer", "Node"])
            {
                await KubernetesObjects.WaitAsync(
                    async () => (await server.EventsAsync(kind, "a")).Where(text => text.StartsWith("Agent", StringComparison.Ordinal)).Order().SequenceEqual(expected.Order()),
                    async () => $"the events of {kind}: {string.Join(" | ", await server.EventsAsync(kind, "a"))}");
            }
        }
    }

    [Fact]
    public async Task The_loser_of_a_conflict_is_told_and_the_winner_and_all_others_are_untouched()
    {
        await using var replica = LeadingReplica.Lead(server.Admin);
        await server.CreatePeerAsync("first", 9, new JsonObject { ["allowedIPs"] = new JsonArray("192.168.1.0/24") });
        await server.WaitForPeerAsync("first", peer => peer.Is("Accepted", "True", "Accepted"));
        // the time of creation has no more than seconds
        await KubernetesObjects.WaitAsync(
            async () => DateTimeOffset.UtcNow > (await server.PeerAsync("first"))!["metadata"]!["creationTimestamp"]!.GetValue<DateTimeOffset>().AddSeconds(1), () => "a second");
        var winner = (await server.PeerAsync("first"))!;

        await server.CreatePeerAsync("twin", 9);
        await server.CreatePeerAsync("greedy", 10, new JsonObject { ["allowedIPs"] = new JsonArray("192.168.1.0/24", "192.168.2.0/24") });
        await server.CreatePeerAsync("other", 11);
        var twin = await server.WaitForPeerAsync("twin", peer => peer.Is("Accepted", "False", "DuplicatePublicKey"));
        Assert.Contains("WireGuardPeer first", twin.Condition("Accepted")!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(twin.Is("Programmed", "False", "NotAccepted") && twin.Is("Ready", "False", "NotAccepted"));
        var greedy = await server.WaitForPeerAsync("greedy", peer => peer.Is("Accepted", "True", "AllowedIPsConflict"));
        Assert.Contains("192.168.1.0/24", greedy.Condition("Accepted")!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        await server.WaitForPeerAsync("other", peer => peer.Is("Accepted", "True", "Accepted") && peer.Allocated().Length == 2);
        foreach (var (name, reason) in ((string, string)[])[("twin", "DuplicatePublicKey: "), ("greedy", "AllowedIPsConflict: "), ("other", "PeerAdmitted: ")])
        {
            await KubernetesObjects.WaitAsync(
                async () => (await server.EventsAsync("WireGuardPeer", name)).Any(text => text.StartsWith(reason, StringComparison.Ordinal)),
                () => $"the event {reason}");
        }

        await KubernetesObjects.WaitAsync(
            async () => (await server.FindAsync($"{KubernetesObjects.Meshes}/default"))?["status"]?["conflicts"]?.AsArray().Count == 2, () => "the conflicts");
        var after = (await server.PeerAsync("first"))!;
        Assert.Equal(winner["status"]!.ToJsonString(), after["status"]!.ToJsonString());
        Assert.Equal(winner["metadata"]!["resourceVersion"]!.GetValue<string>(), after["metadata"]!["resourceVersion"]!.GetValue<string>());
    }

    [Fact]
    public async Task Objects_from_before_the_rules_of_today_stop_nobody_else_and_people_are_told()
    {
        await server.InstallAsync(KubernetesObjects.Definitions().Select(KubernetesObjects.WithoutSpecSchema));
        await server.CreateAsync(KubernetesObjects.Peers, "half", new JsonObject { ["endpoint"] = "192.0.2.1:51820", ["allowedIPs"] = new JsonArray(1, "x") });
        await server.CreateAsync(KubernetesObjects.Peers, "empty", []);
        await server.CreateAsync(KubernetesObjects.Peers, "newer", new JsonObject { ["publicKey"] = Key(7).ToString(), ["colour"] = "red" });
        await server.CreateAsync(KubernetesObjects.Meshes, "default", new JsonObject { ["listenPort"] = "many", ["mtu"] = 1300 });
        await server.InstallAsync(KubernetesObjects.Definitions());

        await using var replica = LeadingReplica.Lead(server.Admin);
        await server.CreateNodeAsync("a", "10.244.1.0/24");
        await server.CreatePeerAsync("good", 8);
        await server.WaitForPeerAsync("good", peer => peer.Is("Accepted", "True", "Accepted") && peer.Allocated().Length == 2);
        await server.WaitForPeerAsync("a", peer => peer.Allocated().Length == 2);
        await server.WaitForPeerAsync("newer", peer => peer.Is("Accepted", "True", "Accepted"));
        await KubernetesObjects.WaitAsync(
            async () => (await server.EventsAsync("WireGuardPeer", "half")).Any(text => text.Contains("spec.endpoint: is a string", StringComparison.Ordinal))
                && (await server.EventsAsync("WireGuardPeer", "empty")).Any(text => text.StartsWith("Invalid: spec.publicKey", StringComparison.Ordinal)),
            () => "the events");
        Assert.Equal((1300u, 51820u), (replica.Plan.Settings.Mtu, replica.Plan.Settings.ListenPort));
        Assert.Contains(replica.Plans.Value.Problems, problem => problem.StartsWith("WireGuardMesh/default: spec.listenPort", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_quiet_mesh_writes_nothing_and_counters_are_written_at_most_once_a_minute()
    {
        var time = new ManualTime();
        await using var replica = LeadingReplica.Lead(server.Admin, time);
        await replica.StartNodesAsync(server, "a", "b");
        await server.CreatePeerAsync("laptop", 9);
        await KubernetesObjects.WaitAsync(() => replica.Plan.HasPeer("laptop"), "the device to be planned");
        ReportAll(replica, null);
        await replica.PassAsync(TimeSpan.FromSeconds(40), () => server.WaitForPeerAsync("laptop", peer => peer.Is("Ready", "True", "Idle")));
        await replica.PassAsync(TimeSpan.FromSeconds(70), () => MarkAsync(replica, "settled"));

        // what is the same as before is reported every now and then
        var before = await VersionsAsync("a", "b", "laptop");
        for (var i = 0; i < 4; i++)
        {
            ReportAll(replica, null);
            time.Advance(TimeSpan.FromSeconds(20));
        }

        await MarkAsync(replica, "quiet");
        Assert.Equal(before, await VersionsAsync("a", "b", "laptop"));

        ReportAll(replica, Handshake);
        await MarkAsync(replica, "first");
        foreach (var node in (string[])["a", "b"])
            await replica.PassAsync(TimeSpan.Zero, () => server.WaitForPeerAsync(node, peer => peer["status"]!["lastHandshakeTime"] is not null));
        var first = await VersionsAsync("a", "b");
        ReportAll(replica, Handshake.AddSeconds(30));
        await MarkAsync(replica, "second");
        Assert.Equal(first, await VersionsAsync("a", "b"));
        await replica.PassAsync(TimeSpan.FromSeconds(60), () => server.WaitForPeerAsync(
            "a", peer => peer["status"]!["lastHandshakeTime"]!.GetValue<string>() == "2025-01-01T12:00:30Z"));
    }

    [Fact]
    public async Task A_new_leader_says_nothing_worse_before_agents_had_time_to_come()
    {
        await using (var first = LeadingReplica.Lead(server.Admin))
        {
            await first.StartNodesAsync(server, "a");
            first.Report("a");
            await server.WaitForPeerAsync("a", peer => peer.Is("Ready", "True", "Idle"));
        }

        var before = await server.PeerAsync("a");
        var time = new ManualTime();
        await using var second = LeadingReplica.Lead(server.Admin, time);
        await MarkAsync(second, "mark");
        Assert.Equal(before!["status"]!.ToJsonString(), (await server.PeerAsync("a"))!["status"]!.ToJsonString());
        await second.PassAsync(TimeSpan.FromSeconds(31), () => server.WaitForPeerAsync("a", peer => peer.Is("Ready", "False", "AgentNotConnected")));
    }

    private static void ReportAll(LeadingReplica replica, DateTimeOffset? handshake)
    {
        replica.Report("a", ("b", Rpc.LinkState.Idle, handshake));
        replica.Report("b", ("a", Rpc.LinkState.Idle, handshake));
    }

    /// <summary>Waits until all that was to be written before now has been: something that came after it was.</summary>
    private async Task MarkAsync(LeadingReplica replica, string name)
    {
        await server.CreatePeerAsync(name, name.GetHashCode(StringComparison.Ordinal), new JsonObject { ["allowedIPs"] = new JsonArray() });
        await KubernetesObjects.WaitAsync(() => replica.Cluster.View.Value.Peers.ContainsKey(name), "the mark to be seen");
        await replica.PassAsync(TimeSpan.FromSeconds(2), () => server.WaitForPeerAsync(name, peer => peer.Is("Accepted", "True", "Accepted")));
    }

    private async Task<string[]> VersionsAsync(params string[] names)
    {
        var versions = new List<string>();
        foreach (var name in names)
            versions.Add((await server.PeerAsync(name))!["metadata"]!["resourceVersion"]!.GetValue<string>());
        return [.. versions];
    }
}
