using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using WgMesh.Crds;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Operator.Tests.Telemetry;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Distribution.FakeAgent;
using static WgMesh.Operator.Tests.Manifest;

namespace WgMesh.Operator.Tests.Distribution;

[Collection(OperatorMetersCollection.Name)]
public class SyncTests
{
    [Fact]
    public async Task An_agent_gets_its_whole_configuration_and_then_what_changes()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        using var a = await ConnectAsync(running.Client("token-a"), Hello("a", 1, "192.0.2.1:5000"));

        Assert.Equal(OperatorMessage.KindOneofCase.Full, a.Last.KindCase);
        Assert.Equal(["laptop"], a.Peers);
        Assert.Equal(["10.1.0.0/24"], a.Config.Settings.PodCidrs);

        using var b = await ConnectAsync(running.Client("token-b"), Hello("b", 2));
        Assert.Equal(["a", "laptop"], b.Peers);
        Assert.Equal("192.0.2.1:5000", b.Config.Peers[0].Endpoint);

        await a.NextAsync();
        Assert.Equal("b", Assert.Single(a.Last.Delta.Upserts).Name); // the change, and nothing else
        Assert.Null(a.Last.Delta.Settings);
        Assert.Equal(["b", "laptop"], a.Peers);

        running.Put("peers.yaml", Peer("phone", 10));
        await a.NextAsync();
        Assert.Equal(["laptop"], a.Last.Delta.Removed);
        Assert.Equal("phone", Assert.Single(a.Last.Delta.Upserts).Name);

        running.Put("mesh.yaml", Mesh("mtu: 1400"));
        await a.NextAsync();
        Assert.Equal(1400u, a.Last.Delta.Settings!.Mtu);
        Assert.Empty(a.Last.Delta.Upserts);
    }

    [Fact]
    public async Task A_broken_file_changes_nothing_and_its_repair_does()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));

        running.Put("peers.yaml", "kind: [unfinished");
        await StatusAsync(running, status => status.Rejected.Count > 0 && status.Peers.Any(peer => peer.Name == "laptop"));

        running.Put("peers.yaml", Peer("laptop", 9) + Peer("phone", 10));
        await a.NextAsync();
        Assert.Equal("phone", Assert.Single(a.Last.Delta.Upserts).Name); // laptop was there all the time
    }

    [Theory]
    [InlineData(null, "a", StatusCode.Unauthenticated)]
    [InlineData("token-x", "a", StatusCode.Unauthenticated)]
    [InlineData("token-", "a", StatusCode.Unauthenticated)]
    [InlineData("*", "a", StatusCode.Unauthenticated)]
    [InlineData("token-b", "a", StatusCode.PermissionDenied)]
    [InlineData("token-a", "x", StatusCode.PermissionDenied)]
    [InlineData(RunningOperator.AnyNode, "x", StatusCode.NotFound)]
    public async Task A_token_speaks_for_its_node_alone(string? token, string node, StatusCode expected)
    {
        await using var running = await RunningOperator.StartAsync();
        using var agent = await SendAsync(running.Client(token), new AgentMessage { Hello = Hello(node, 1) });
        Assert.Equal(expected, (await agent.EndAsync()).StatusCode);
    }

    public static TheoryData<string, Action<Hello>> BadHellos => new()
    {
        { "Hello.node", hello => hello.Node = "" },
        { "31 bytes", hello => hello.PublicKey = ByteString.CopyFrom(new byte[31].Select(_ => (byte)7).ToArray()) },
        { "0 bytes", hello => hello.PublicKey = ByteString.Empty },
        { "all zero", hello => hello.PublicKey = ByteString.CopyFrom(new byte[32]) },
        { "Hello.endpoints: \"nonsense\"", hello => hello.Endpoints.Add("nonsense") },
        { "Hello.endpoints: \"192.0.2.1\"", hello => hello.Endpoints.Add("192.0.2.1") },
        { "Hello.endpoints: \"[fe80::1%2]:51820\" has a zone", hello => hello.Endpoints.Add("[fe80::1%2]:51820") },
        { "belongs to WireGuardPeer laptop", hello => hello.PublicKey = ByteString.CopyFrom(Clusters.Key(9).ToArray()) },
        { "Hello.endpoints has 17", hello => hello.Endpoints.AddRange(Enumerable.Repeat("192.0.2.1:1", 17)) },
        { "Hello.protocol_versions", hello => hello.ProtocolVersions.Add(0) },
        { "Hello.protocol_versions", hello => hello.ProtocolVersions.Add(64) },
        { "Hello.protocol_versions names 17 versions; at most 16", hello => hello.ProtocolVersions.AddRange(Enumerable.Range(1, 17).Select(number => (uint)number)) },
    };

    [Theory]
    [MemberData(nameof(BadHellos), DisableDiscoveryEnumeration = true)]
    public async Task A_hello_that_does_not_hold_is_refused_with_the_field(string expected, Action<Hello> spoil)
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        var hello = Hello("a", 1);
        spoil(hello);
        using var agent = await SendAsync(running.Client(), new AgentMessage { Hello = hello });

        var status = await agent.EndAsync();
        Assert.Equal(StatusCode.InvalidArgument, status.StatusCode);
        Assert.Contains(expected, status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_begins_with_hello_and_stays_with_its_node()
    {
        await using var running = await RunningOperator.StartAsync();
        using (var agent = await SendAsync(running.Client(), new AgentMessage { Report = new Report() }))
            Assert.Equal(StatusCode.InvalidArgument, (await agent.EndAsync()).StatusCode);

        using (var agent = await ConnectAsync(running.Client(), Hello("a", 1)))
        {
            await agent.SendAsync(new AgentMessage());
            Assert.Equal(StatusCode.InvalidArgument, (await agent.EndAsync()).StatusCode);
        }

        using (var agent = await ConnectAsync(running.Client(), Hello("a", 1)))
        {
            await agent.SendAsync(new AgentMessage { Hello = Hello("b", 2) });
            Assert.Equal(StatusCode.InvalidArgument, (await agent.EndAsync()).StatusCode);
        }
    }

    [Fact]
    public async Task What_an_agent_says_of_itself_is_short_and_without_control_characters()
    {
        await using var running = await RunningOperator.StartAsync();
        var hello = Hello("a", 1);
        hello.AgentVersion = "1\u001b[2J\n" + new string('x', 100);
        using var agent = await ConnectAsync(running.Client(), hello);
        var status = await StatusAsync(running, status => status.Peers.Any(peer => peer.AgentConnected));
        Assert.Matches(@"^1\[2Jx{58}\.\.\.$", status.Peers.Single(peer => peer.AgentConnected).AgentVersion);

        using var refused = await SendAsync(running.Client("token-a"), new AgentMessage { Hello = Hello("b\n\u001b" + new string('x', 100), 1) });
        Assert.Matches("node bx{61}\\.\\.\\.$", (await refused.EndAsync()).Detail);
    }

    [Fact]
    public async Task State_that_cannot_be_written_refuses_an_agent_until_it_can()
    {
        await using var running = await RunningOperator.StartAsync();
        var inTheWay = Directory.CreateDirectory(Path.Combine(running.State, "peers", ".a.yaml.new")); // a file's deletion is not permitted here
        using (var agent = await SendAsync(running.Client(), new AgentMessage { Hello = Hello("a", 1) }))
            Assert.Equal(StatusCode.Unavailable, (await agent.EndAsync()).StatusCode);

        inTheWay.Delete();
        using var again = await ConnectAsync(running.Client(), Hello("a", 1));
    }

    [Fact]
    public async Task A_message_of_more_than_4_MiB_ends_the_stream()
    {
        await using var running = await RunningOperator.StartAsync();
        using var agent = await ConnectAsync(running.Client(), Hello("a", 1));
        var sending = agent.SendAsync(new AgentMessage { Report = new Report { Errors = { new string('x', 5 << 20) } } });
        Assert.Equal(StatusCode.ResourceExhausted, (await agent.EndAsync()).StatusCode);
        await Task.WhenAny(sending); // it may not get all of it out
    }

    [Fact]
    public async Task A_second_stream_of_a_node_replaces_the_first()
    {
        await using var running = await RunningOperator.StartAsync();
        using var first = await ConnectAsync(running.Client(), Hello("a", 1));
        using var second = await ConnectAsync(running.Client(), Hello("a", 1));

        Assert.Equal(StatusCode.Aborted, (await first.EndAsync()).StatusCode);
        using var b = await ConnectAsync(running.Client(), Hello("b", 2));
        await second.UntilAsync(agent => agent.Peers.Contains("b"));
        await StatusAsync(running, status => status.Peers.Single(peer => peer.Name == "a").AgentConnected);
    }

    [Fact]
    public async Task A_node_that_is_deleted_loses_its_stream_and_its_place()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));
        using var b = await ConnectAsync(running.Client(), Hello("b", 2));

        running.Put("nodes.yaml", Node("a", "10.1.0.0/24"));

        Assert.Equal(StatusCode.NotFound, (await b.EndAsync()).StatusCode);
        await a.UntilAsync(agent => !agent.Peers.Any() && agent.Config.Revision > 1);
        Assert.False(File.Exists(Path.Combine(running.State, "peers", "b.yaml")));
    }

    [Fact]
    public async Task A_key_that_people_pinned_keeps_any_other_out()
    {
        await using var running = await RunningOperator.StartAsync(Peer("a", 77, "nodeName: a"));
        using (var wrong = await SendAsync(running.Client(), new AgentMessage { Hello = Hello("a", 1) }))
        {
            var status = await wrong.EndAsync();
            Assert.Equal(StatusCode.PermissionDenied, status.StatusCode);
            Assert.Contains(Clusters.Key(77).ToString(), status.Detail, StringComparison.Ordinal);
        }

        using var right = await ConnectAsync(running.Client(), Hello("a", 77));
        running.Put("peers.yaml", Peer("a", 78, "nodeName: a"));
        Assert.Equal(StatusCode.PermissionDenied, (await right.EndAsync()).StatusCode);
    }

    [Fact]
    public async Task A_node_cannot_take_another_nodes_key()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));
        using var b = await SendAsync(running.Client(), new AgentMessage { Hello = Hello("b", 1) });

        var status = await b.EndAsync();
        Assert.Equal(StatusCode.InvalidArgument, status.StatusCode);
        Assert.Contains("belongs to Node a", status.Detail, StringComparison.Ordinal);
        using var again = await ConnectAsync(running.Client(), Hello("a", 1));
    }

    [Fact]
    public async Task An_agent_may_change_its_key_and_endpoint_on_its_stream()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));
        using var c = await ConnectAsync(running.Client(), Hello("c", 3, "198.51.100.3:1000"));
        await a.UntilAsync(agent => agent.Peers.Contains("c"));

        await c.SendAsync(new AgentMessage { Hello = Hello("c", 4, "198.51.100.3:2000") });

        await a.UntilAsync(agent => agent.Config.Peers.Any(peer => peer.Endpoint == "198.51.100.3:2000"
            && peer.PublicKey.Span.SequenceEqual(Clusters.Key(4).ToArray())));
    }

    [Fact]
    public async Task Links_move_one_by_one_as_their_agents_come_to_speak_a_newer_version()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        using var a = await ConnectAsync(running.Client(), Speaking("a", 1, 1, 2));
        using var b = await ConnectAsync(running.Client(), Speaking("b", 2, 1));
        using var c = await ConnectAsync(running.Client(), Speaking("c", 3, 1));
        await a.UntilAsync(agent => Versions(agent) == "b1 c1 laptop1");

        using var newB = await ConnectAsync(running.Client(), Speaking("b", 2, 1, 2)); // it was replaced by a newer one
        Assert.Equal("a2 c1 laptop1", Versions(newB)); // the first configuration is for what it speaks now
        await a.UntilAsync(agent => Versions(agent) == "b2 c1 laptop1");
        Assert.Equal(["b"], a.Last.Delta.Upserts.Select(peer => peer.Name));

        using var newC = await ConnectAsync(running.Client(), Speaking("c", 3, 1, 2));
        await a.UntilAsync(agent => Versions(agent) == "b2 c2 laptop1");

        using var oldB = await ConnectAsync(running.Client(), Speaking("b", 2, 1)); // and back: never a version that it does not speak
        Assert.Equal("a1 c1 laptop1", Versions(oldB));
        await a.UntilAsync(agent => Versions(agent) == "b1 c2 laptop1");
    }

    [Fact]
    public async Task A_planned_switch_happens_at_its_generation_also_when_the_operator_was_restarted_before()
    {
        await using var running = await RunningOperator.StartAsync();
        running.Put("mesh.yaml", Mesh("protocol: {version: 2, atGeneration: 2}"));
        await StatusAsync(running, status => status.Protocol is { AtGeneration: 2, Generation: 1 });
        using (var a = await ConnectAsync(running.Client(), Speaking("a", 1, 1, 2)))
        using (var b = await ConnectAsync(running.Client(), Speaking("b", 2, 1, 2)))
        {
            await a.UntilAsync(agent => Versions(agent) == "b1");
            await running.RestartAsync();
        }

        using var again = await ConnectAsync(running.Client(), Speaking("a", 1, 1, 2)); // b has not been seen yet, and is known all the same
        Assert.Equal("b1", Versions(again));
        running.Put("mesh.yaml", Mesh("protocol: {version: 2, atGeneration: 2}, mtu: 1400"));
        await again.UntilAsync(agent => Versions(agent) == "b2");

        using var c = await ConnectAsync(running.Client(), Speaking("c", 3, 1));
        var status = await StatusAsync(running, status => status.Conflicts.Count > 0);
        Assert.Contains("protocol version 2 is not spoken by Node c", status.Conflicts[0], StringComparison.Ordinal);
        Assert.Equal(new Rpc.ProtocolStatus { Version = 2, AtGeneration = 2, Generation = 2, Nodes = 3, ReadyNodes = 2 }, status.Protocol);
        Assert.Equal([[1u, 2u], [1u, 2u], [1u]], status.Peers.Select(peer => peer.ProtocolVersions.ToArray()));
    }

    [Fact]
    public async Task An_operator_starts_again_with_as_many_versions_as_an_agent_may_announce()
    {
        // 48 to 63, each said twice: what counts is how many there are
        var versions = Enumerable.Range(48, WireGuardPeerSpec.MostProtocolVersions).Select(number => (uint)number).ToArray();
        await using var running = await RunningOperator.StartAsync();
        using (await ConnectAsync(running.Client(), Speaking("a", 1, [.. versions, .. versions])))
            await running.RestartAsync();

        var status = await StatusAsync(running, status => status.Peers.Any(peer => peer.Name == "a"));
        Assert.Equal(versions, status.Peers.Single(peer => peer.Name == "a").ProtocolVersions);
    }

    private static Hello Speaking(string node, int key, params uint[] versions)
    {
        var hello = Hello(node, key);
        hello.ProtocolVersions.Clear();
        hello.ProtocolVersions.AddRange(versions);
        return hello;
    }

    private static string Versions(FakeAgent agent) => string.Join(' ', agent.Config.Peers.Select(peer => $"{peer.Name}{peer.ProtocolVersion}"));

    [Fact]
    public async Task A_token_that_is_taken_away_ends_the_stream_and_a_new_one_is_known_at_once()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client("token-a"), Hello("a", 1));

        Put(running.Tokens, "another-token a\n");
        await a.SendAsync(new AgentMessage { Report = new Report() });
        Assert.Equal(StatusCode.Unauthenticated, (await a.EndAsync()).StatusCode);
        using var again = await ConnectAsync(running.Client("another-token"), Hello("a", 1));

        Put(running.Tokens, "a line of many words\n"); // cannot be read: what was known stays
        using var still = await ConnectAsync(running.Client("another-token"), Hello("a", 1));
    }

    [Fact]
    public async Task A_token_that_moves_to_another_node_ends_silent_streams_and_a_tools_too()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client("token-a"), Hello("a", 1));
        using var status = running.Client().WatchStatus(new WatchStatusRequest());
        Assert.True(await status.ResponseStream.MoveNext(CancellationToken.None));

        Put(running.Tokens, "token-a b\n"); // in one step: a file that is empty for a moment would know nobody

        Assert.Equal(StatusCode.PermissionDenied, (await a.EndAsync()).StatusCode);
        var e = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await status.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(RunningOperator.Patience))
            {
            }
        });
        Assert.Equal(StatusCode.Unauthenticated, e.StatusCode);
    }

    [Fact]
    public async Task An_agent_that_does_not_read_gets_one_change_for_many()
    {
        await using var running = await RunningOperator.StartAsync();
        using var a = await ConnectAsync(running.Client(), Hello("a", 1));
        using var watcher = await ConnectAsync(running.Client(), Hello("b", 2));

        // far more than the windows of HTTP/2 hold
        string Many(int generation) => string.Concat(Enumerable.Range(0, 400).Select(i =>
            Peer($"p{i}", 1000 + i, $"endpoint: {{host: {new string('x', 60)}.example.org, port: {1000 + generation}}}")));
        const int generations = 12;
        for (var i = 1; i <= generations; i++)
        {
            running.Put("peers.yaml", Many(i));
            await watcher.UntilAsync(agent => agent.Peers.Count() >= 400
                && agent.Config.Peers.Last().Endpoint.EndsWith($":{1000 + i}", StringComparison.Ordinal));
        }

        var messages = 0;
        while (!a.Peers.Contains("p0") || !a.Config.Peers.Last().Endpoint.EndsWith($":{1000 + generations}", StringComparison.Ordinal))
        {
            await a.NextAsync();
            messages++;
        }

        Assert.InRange(messages, 1, generations - 2);
        Assert.Equal(watcher.Config.Peers.Where(peer => peer.Kind == PeerKind.External),
            a.Config.Peers.Where(peer => peer.Kind == PeerKind.External));
    }

    [Fact]
    public async Task A_restart_gives_every_agent_what_it_had()
    {
        await using var running = await RunningOperator.StartAsync(Peer("laptop", 9));
        using (var a = await ConnectAsync(running.Client(), Hello("a", 1)))
        using (var b = await ConnectAsync(running.Client(), Hello("b", 2)))
        {
            await a.UntilAsync(agent => agent.Peers.Contains("b"));
            await running.RestartAsync();
            Assert.Equal(StatusCode.Unavailable, (await a.EndAsync()).StatusCode);

            using var again = await ConnectAsync(running.Client(), Hello("a", 1)); // b has not been seen yet
            Assert.Equal(a.Config.Settings, again.Config.Settings);
            Assert.Equal(a.Config.Peers, again.Config.Peers);
        }
    }

    [Fact]
    public async Task The_operator_is_known_by_its_authority_alone()
    {
        await using var running = await RunningOperator.StartAsync();
        await using var other = await RunningOperator.StartAsync();
        using var channel = Grpc.Net.Client.GrpcChannel.ForAddress(running.Address, new Grpc.Net.Client.GrpcChannelOptions
        {
            HttpHandler = ChannelHandler.Create([X509CertificateLoader.LoadCertificateFromFile(other.Authority)]),
        });

        var e = await Assert.ThrowsAsync<RpcException>(async () =>
            await running.Client(channel: channel).GetPeerConfigAsync(new GetPeerConfigRequest { Peer = "x" }));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
    }

    /// <summary>The first status that fulfils the condition.</summary>
    internal static async Task<MeshStatus> StatusAsync(RunningOperator running, Predicate<MeshStatus> condition, params string[] linksOf)
    {
        using var timeout = new CancellationTokenSource(RunningOperator.Patience);
        using var call = running.Client().WatchStatus(new WatchStatusRequest { LinksOf = { linksOf } }, cancellationToken: timeout.Token);
        while (await call.ResponseStream.MoveNext(timeout.Token))
        {
            if (condition(call.ResponseStream.Current))
                return call.ResponseStream.Current;
        }

        throw new EndOfStreamException();
    }
}
