using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Operator.Tests.Telemetry;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Distribution.FakeAgent;
using static WgMesh.Operator.Tests.Distribution.SyncTests;
using static WgMesh.Operator.Tests.Manifest;

namespace WgMesh.Operator.Tests.Distribution;

/// <summary>What tools see: the status, peers' configurations, metrics and health.</summary>
[Collection(OperatorMetersCollection.Name)]
public class ToolTests
{
    [Fact]
    public async Task The_status_shows_the_plan_and_what_the_agents_report()
    {
        await using var running = await RunningOperator.StartAsync(
            Peer("laptop", 9) + Peer("thief", 10, "allowedIPs: [10.2.0.0/24]") + Peer("twin", 9));
        running.Put("bad.yaml", "kind: Nothing");
        using (var a = await ConnectAsync(running.Client("token-a"), Hello("a", 1)))
        {
            var report = new Report { AppliedRevision = 1, Mtu = 1420, Errors = { "a route is in the way" } };
            report.Links.Add(new LinkReport { Peer = "laptop", LastHandshake = Timestamp.FromDateTimeOffset(Clusters.Day),
                ReceivedBytes = 7, SentBytes = 8, Endpoint = "203.0.113.9:4", State = Rpc.LinkState.Up });
            report.Links.Add(new LinkReport { Peer = "nobody", Endpoint = new string('x', 10_000) }); // of no plan: not shown
            await a.SendAsync(new AgentMessage { Report = report });

            var status = await StatusAsync(running, status => status.Peers.Any(peer => peer.Links.Count > 0), "a");

            Assert.Equal(["a", "b", "c", "laptop", "thief", "twin"], status.Peers.Select(peer => peer.Name));
            var (node, waiting, laptop) = (status.Peers[0], status.Peers[1], status.Peers[3]);
            var (thief, twin) = (status.Peers[4], status.Peers[5]);
            Assert.Equal(
                (true, 1ul, "1.2.3", "a", ""), (node.AgentConnected, node.AppliedRevision, node.AgentVersion, node.Node, node.Message));
            Assert.Equal(report.Links.Where(link => link.Peer != "nobody"), node.Links);
            Assert.Equal(report.Errors, node.Errors);
            Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], node.Addresses);
            Assert.Equal("waiting for its agent to announce a key", waiting.Message);
            Assert.Equal(["10.90.0.4/32", "fd90:90::4/128"], laptop.AllowedIps);
            Assert.Contains("a pod CIDR of Node b", thief.Message, StringComparison.Ordinal);
            Assert.StartsWith("refused: ", twin.Message, StringComparison.Ordinal);
            Assert.Equal(2, status.Conflicts.Count);
            Assert.Contains(status.Rejected, text => text.Contains("bad.yaml", StringComparison.Ordinal));
        }

        await StatusAsync(running, status => !status.Peers[0].AgentConnected && status.Peers[0].Links.Count == 1, "a");
    }

    [Fact]
    public async Task Links_are_not_shown_of_more_peers_than_a_message_holds()
    {
        await using var running = await RunningOperator.StartAsync();
        var names = Enumerable.Range(0, StatusView.MostLinksOf + 1).Select(i => $"p{i}").ToArray();
        await StatusAsync(running, _ => true, names[1..]);
        var e = await Assert.ThrowsAsync<RpcException>(() => StatusAsync(running, _ => true, names));
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
        Assert.Contains("65 names", e.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("at most 64", e.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_has_released_as_its_manifest_asks_is_shown_so()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client("token-a"), Hello("a", 1));
        Assert.False(a.Config.Settings.Released);
        running.Put("mesh.yaml", Mesh("released: true"));
        await a.UntilAsync(agent => agent.Config.Settings.Released);
        await a.SendAsync(new AgentMessage { Report = new Report { AppliedRevision = a.Config.Revision, Released = true } });
        await StatusAsync(running, status => status.Peers.Single(peer => peer.Name == "a").Released);
    }

    [Theory]
    [InlineData(0, 250)]
    [InlineData(12, 250)]
    [InlineData(13, 260)]
    [InlineData(100, 2000)]
    public void The_longer_a_status_takes_to_make_the_later_comes_the_next(int took, int expected) =>
        Assert.Equal(TimeSpan.FromMilliseconds(expected), MeshService.IntervalAfter(TimeSpan.FromMilliseconds(took)));

    [Fact]
    public async Task A_peers_configuration_is_complete_but_for_its_private_key()
    {
        await using var running = await RunningOperator.StartAsync(
            Peer("laptop", 9, "presharedKeySecretRef: {name: psk}") + Secret("psk", Clusters.Key(5).ToString()) + Mesh("mtu: 1380"));
        using var a = await ConnectAsync(running.Client(), Hello("a", 1, "192.0.2.1:5000"));
        using var c = await ConnectAsync(running.Client(), Hello("c", 3));

        var file = await running.Client().GetPeerConfigAsync(new GetPeerConfigRequest { Peer = "laptop" });

        Assert.Equal($"""
            # WireGuardPeer laptop
            [Interface]
            # PrivateKey = the key that {Clusters.Key(9)} is the public key of; only the device has it
            Address = 10.90.0.4/32, fd90:90::4/128
            MTU = 1380

            [Peer]
            # a
            PublicKey = {Clusters.Key(1)}
            PresharedKey = {Clusters.Key(5)}
            AllowedIPs = 10.1.0.0/24, 10.90.0.1/32, fd90:90::1/128
            Endpoint = 192.0.2.1:5000
            PersistentKeepalive = 25

            [Peer]
            # c
            PublicKey = {Clusters.Key(3)}
            PresharedKey = {Clusters.Key(5)}
            AllowedIPs = 10.3.0.0/24, 10.90.0.3/32, fd90:90::3/128
            PersistentKeepalive = 25

            """, file.Text);
    }

    [Fact]
    public async Task A_peer_with_an_endpoint_listens_there_and_needs_no_keepalive()
    {
        await using var running = await RunningOperator.StartAsync(Peer("site", 9,
            "endpoint: {host: \"2001:db8::7\", port: 4500}, allowedIPs: [192.168.1.0/24]"));
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));

        var text = (await running.Client().GetPeerConfigAsync(new GetPeerConfigRequest { Peer = "site" })).Text;

        Assert.Contains("ListenPort = 4500\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("PersistentKeepalive", text, StringComparison.Ordinal);
        Assert.Contains("# Address = none was given", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configuration_of_a_peer_that_did_not_get_its_prefixes_says_why()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9, "allowedIPs: [10.99.0.1/32]") + Mesh("serviceCIDRs: [10.96.0.0/12]"));
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));

        var text = (await running.Client().GetPeerConfigAsync(new GetPeerConfigRequest { Peer = "laptop" })).Text;

        Assert.StartsWith("""
            # WireGuardPeer laptop
            # allowed IP 10.99.0.1/32 is refused: it overlaps 10.96.0.0/12, a service CIDR of the mesh
            [Interface]

            """, text, StringComparison.Ordinal);
        Assert.Contains("# Address = none was given, and none of its allowed IPs is routed to it", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nobody", StatusCode.NotFound)]
    [InlineData("a", StatusCode.FailedPrecondition)]
    [InlineData("twin", StatusCode.FailedPrecondition)]
    public async Task A_configuration_that_cannot_be_had_is_refused_with_the_reason(string peer, StatusCode expected)
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9) + Peer("twin", 9));
        var e = await Assert.ThrowsAsync<RpcException>(async () =>
            await running.Client().GetPeerConfigAsync(new GetPeerConfigRequest { Peer = peer }));
        Assert.Equal(expected, e.StatusCode);
        Assert.Contains(peer, e.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_nodes_token_is_not_for_tools()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        var e = await Assert.ThrowsAsync<RpcException>(async () =>
            await running.Client("token-a").GetPeerConfigAsync(new GetPeerConfigRequest { Peer = "laptop" }));
        Assert.Equal(StatusCode.PermissionDenied, e.StatusCode);
        using var call = running.Client("token-a").WatchStatus(new WatchStatusRequest());
        e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(StatusCode.PermissionDenied, e.StatusCode);
    }

    [Fact]
    public async Task Metrics_and_health_are_on_a_port_of_their_own()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9) + Peer("twin", 9));
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));
        using var http = new HttpClient { BaseAddress = running.MetricsAddress };

        Assert.Equal("ok\n", await http.GetStringAsync("/healthz"));
        Assert.Equal("ok\n", await http.GetStringAsync("/readyz"));
        var text = "";
        for (var waited = Stopwatch.StartNew(); !text.Contains("type=\"full\"} 1", StringComparison.Ordinal);)
        {
            // a configuration is counted when it has been sent, which the agent may know before the operator does
            Assert.True(waited.Elapsed < RunningOperator.Patience, text);
            text = await http.GetStringAsync("/metrics");
        }

        foreach (var expected in (string[])[
            "wgmesh_operator_nodes 3", "wgmesh_operator_agents_connected 1",
            "wgmesh_operator_conflicts 1", "wgmesh_operator_manifest_problems 0",
            "kind=\"external\",outcome=\"refused\"} 1", "kind=\"node\",outcome=\"waiting\"} 2", "kind=\"node\",outcome=\"accepted\"} 1",
            "wgmesh_operator_plans_total", "wgmesh_operator_plan_duration_seconds_bucket"])
        {
            Assert.Contains(expected, text.Replace("{otel_scope_name=\"WgMesh.Operator\"}", "", StringComparison.Ordinal),
                StringComparison.Ordinal);
        }

        // what an agent has applied before counts
        await a.SendAsync(new AgentMessage { Report = new Report
        {
            AppliedRevision = a.Config.Revision,
            Errors = { "cni: the folder is read-only" },
            Links = { new LinkReport { Peer = "laptop", State = Rpc.LinkState.Down } },
        } });
        await UntilAsync("wgmesh_operator_nodes_with_faults 1", "wgmesh_operator_failure_policy_open 0");
        running.Put("mesh.yaml", Mesh("failurePolicy: Open"));
        await a.UntilAsync(agent => agent.Config.Settings.FailurePolicy == FailurePolicy.Open);
        await a.SendAsync(new AgentMessage { Report = new Report { AppliedRevision = a.Config.Revision, LinksPartial = true } });
        await UntilAsync(
            "wgmesh_operator_failure_policy_open 1", "wgmesh_operator_released 0", "wgmesh_operator_nodes_with_faults 0",
            "wgmesh_operator_links{state=\"up\"} 0", "wgmesh_operator_links{state=\"down\"} 1", "wgmesh_operator_links{state=\"idle\"} 0",
            "wgmesh_operator_node_links{node=\"a\",state=\"down\"} 1", "wgmesh_operator_agents{version=\"1.2.3\"} 1",
            "wgmesh_operator_convergence_duration_seconds_count 1");

        using var secured = new HttpClient(ChannelHandler.Create([X509CertificateLoader.LoadCertificateFromFile(running.Authority)]))
        {
            BaseAddress = running.Address,
            DefaultRequestVersion = System.Net.HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await secured.GetAsync(new Uri("/metrics", UriKind.Relative))).StatusCode);

        async Task UntilAsync(params string[] lines)
        {
            for (var waited = Stopwatch.StartNew(); lines.FirstOrDefault(line => !text.Contains($"\n{line}\n", StringComparison.Ordinal)) is { } missing;)
            {
                Assert.True(waited.Elapsed < RunningOperator.Patience, $"{missing} is not in {text}");
                text = (await http.GetStringAsync("/metrics"))
                    .Replace("{otel_scope_name=\"WgMesh.Operator\"}", "", StringComparison.Ordinal)
                    .Replace("otel_scope_name=\"WgMesh.Operator\",", "", StringComparison.Ordinal);
            }
        }
    }
}
