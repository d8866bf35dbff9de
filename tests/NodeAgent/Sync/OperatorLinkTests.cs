using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.NodeAgent.Tests.DataPlane;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class OperatorLinkTests : IAsyncLifetime
{
    private const string Token = "the-secret-token";

    /// <summary>Where nobody else listens: a port that was closed there stays free.</summary>
    private static readonly IPAddress OwnAddress = IPAddress.Parse("127.0.0.2");

    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new(OwnAddress);
    private readonly RecordingLog _log = new();
    private readonly ManualTime _time = new();
    private readonly FakeDataPlane _plane = new();
    private readonly AgentStatus _status = new();
    private readonly AgentMetrics _metrics;
    private readonly ConfigApplier _applier;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<FakeOperator> _operators = [];
    private Task _running = Task.CompletedTask;
    private int _firstCalled;

    public OperatorLinkTests()
    {
        File.WriteAllText(_folder.File("ca.pem"), _authority.Pem);
        File.WriteAllText(_folder.File("token"), Token + "\n");
        _metrics = new AgentMetrics(_status);
        _applier = new ConfigApplier(
            "a",
            OwnPrivateKey,
            _plane,
            new NameResolver((_, _) => Task.FromException<IPAddress[]>(new SocketException()), _time, _log),
            [],
            new ConfigCache(_folder.Path, "a", _log),
            _status,
            _metrics,
            _time,
            _log);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var @operator in _operators)
        {
            await @operator.DisposeAsync();
        }

        _stop.Dispose();
        _metrics.Dispose();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_agent_says_who_it_is_and_proves_it()
    {
        var @operator = await StartOperator();
        Start(@operator.Address);

        var stream = await @operator.NextStreamAsync();

        Assert.Equal("a", stream.Hello.Node);
        Assert.Equal(Key("own").ToArray(), stream.Hello.PublicKey.ToByteArray());
        Assert.Equal([$"Bearer {Token}"], @operator.Tokens);
    }

    [Fact]
    public async Task A_full_configuration_and_then_deltas_are_applied_and_reported()
    {
        var (_, stream) = await Connected(Config(5, Node("b"), Node("c")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 5 }]);

        await stream.SendAsync(new NodeConfigDelta
        {
            BaseRevision = 5,
            Revision = 6,
            Upserts = { Node("d"), Node("b").With(p => p.PersistentKeepalive = 7) },
            Removed = { "c" },
        });

        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 6 }]);
        Assert.Equal(["b", "d"], _plane.PeerNames);
        Assert.Equal(7, _plane.Peer("b").PersistentKeepalive);
        Assert.Equal(["b", "d"], stream.Links.Keys.Order());
        Assert.Equal(1420U, stream.Reports[^1].Mtu);
        Assert.Equal(OperatorConnection.Connected, _status.Current.Operator);
        Assert.Null(_status.Current.OperatorError);
    }

    [Fact]
    public async Task A_delta_may_change_the_settings_too()
    {
        var (_, stream) = await Connected(Config(5, Node("b")));

        await stream.SendAsync(new NodeConfigDelta { BaseRevision = 5, Revision = 6, Settings = Config(0).Settings.With(s => s.ListenPort = 4444) });

        await Wait.Until(() => _plane.Snapshot().ListenPort == 4444);
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Fact]
    public async Task A_delta_to_another_revision_starts_the_stream_over_and_touches_nothing()
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));

        await stream.SendAsync(new NodeConfigDelta { BaseRevision = 4, Revision = 6, Removed = { "b" } });

        var next = await @operator.NextStreamAsync(PassTime);
        Assert.Equal(["b"], _plane.PeerNames);
        await next.SendAsync(Config(6, Node("c")));
        await Wait.Until(() => _plane.PeerNames.SequenceEqual(["c"]));
    }

    [Fact]
    public async Task A_delta_before_a_full_configuration_starts_the_stream_over()
    {
        var @operator = await StartOperator();
        Start(@operator.Address);
        var stream = await @operator.NextStreamAsync();

        await stream.SendAsync(new NodeConfigDelta { BaseRevision = 0, Revision = 1, Upserts = { Node("b") } });

        await @operator.NextStreamAsync(PassTime);
        Assert.Empty(_plane.Updates);
    }

    [Fact]
    public async Task A_configuration_that_does_not_hold_is_refused_and_the_operator_is_told()
    {
        var (_, stream) = await Connected(Config(5, Node("b")));
        var updates = _plane.Updates.Count;

        await stream.SendAsync(new NodeConfigDelta
        {
            BaseRevision = 5,
            Revision = 6,
            Upserts = { Node("c").With(p => p.PublicKey = ByteString.CopyFrom(new byte[31])) },
            Removed = { "b" },
        });

        await Wait.Until(() => stream.Reports[^1].Errors.Any(e => e.Contains("31", StringComparison.Ordinal)));
        Assert.Equal(5UL, stream.Reports[^1].AppliedRevision);
        Assert.Equal(updates, _plane.Updates.Count);
        Assert.Equal(["b"], _plane.PeerNames);

        // the operator thinks the agent is at 6, and goes on from there
        await stream.SendAsync(new NodeConfigDelta { BaseRevision = 6, Revision = 7, Upserts = { Node("c") } });
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 7, Errors.Count: 0 }]);
        Assert.Equal(["c"], _plane.PeerNames);
    }

    public static TheoryData<string, byte[]> Malformed => new()
    {
        { "not protobuf", [0, 0, 0, 0, 3, 0xff, 0xff, 0xff] },
        { "compressed without a coding", [1, 0, 0, 0, 1, 0] },
        { "a flag that is not one", [9, 0, 0, 0, 1, 0] },
        { "larger than any configuration", [0, 0x7f, 0xff, 0xff, 0xff] },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task A_message_that_cannot_be_read_touches_nothing_and_is_told_in_health_and_in_the_next_report(string what, byte[] raw)
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));
        var updates = _plane.Updates.Count;
        @operator.Raw = raw;
        stream.End();

        await Wait.Until(() => !_status.Current.Refusals.IsEmpty, PassTime);
        Assert.True(updates == _plane.Updates.Count, what);
        Assert.Equal(["b"], _plane.PeerNames);
        Assert.NotEqual(OperatorConnection.Connected, _status.Current.Operator);
        Assert.NotNull(_status.Current.OperatorError);

        @operator.Raw = null;
        var next = await @operator.NextStreamAsync(PassTime);
        await Wait.Until(() => next.Reports.Length > 0);
        Assert.Contains("cannot be used", Assert.Single(next.Reports[0].Errors), StringComparison.Ordinal);

        await next.SendAsync(Config(6, Node("b")));
        await Wait.Until(() => next.Reports is [.., { AppliedRevision: 6, Errors.Count: 0 }]);
    }

    [Fact]
    public async Task An_oversized_configuration_touches_nothing()
    {
        var @operator = await StartOperator();
        Start(new OperatorCredentials(_folder.File("ca.pem"), _folder.File("token")) { MaxReceivedMessage = 10_000 }, @operator.Address);
        var stream = await @operator.NextStreamAsync();
        await stream.SendAsync(Config(5, Node("b")));
        await Wait.Until(() => _plane.PeerNames.Any());

        await stream.SendAsync(Config(6, [.. Enumerable.Range(0, 200).Select(i => External($"peer{i}", "", $"10.99.0.{i}/32"))]));

        await Wait.Until(() => _status.Current.Refusals.Any(r => r.Contains("10000", StringComparison.Ordinal)));
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Fact]
    public async Task A_message_that_is_neither_full_nor_delta_is_refused()
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));

        await stream.SendNothingAsync();

        await Wait.Until(() => _status.Current.Refusals.Any(r => r.Contains("neither", StringComparison.Ordinal)));
        await @operator.NextStreamAsync(PassTime);
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Theory]
    [InlineData(StatusCode.Unauthenticated)]
    [InlineData(StatusCode.PermissionDenied)]
    [InlineData(StatusCode.NotFound)]
    [InlineData(StatusCode.InvalidArgument)]
    public async Task An_operator_that_refuses_is_told_of_in_health_and_log_and_called_again_slowly(StatusCode code)
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));
        @operator.Refusal = new Status(code, "because");
        stream.End();
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Refused, PassTime);

        Assert.Equal($"{code}: because", _status.Current.OperatorError);
        await Wait.Until(() => _log.Lines.Any(l => l.Level == Microsoft.Extensions.Logging.LogLevel.Error && l.Text.Contains("because", StringComparison.Ordinal)));
        Assert.Equal(["b"], _plane.PeerNames);

        // it waits as it does for nothing else here: repairs are exactly 30 s apart, and a stream that merely broke off is missed sooner
        bool IsSlow(TimeSpan wait) => wait >= Backoff.Most / 2 && wait < Backoff.Most;
        await Wait.Until(() => _time.Waits.Any(IsSlow));
        var wait = _time.Waits.Single(IsSlow);
        var calls = @operator.Tokens.Count;
        @operator.Refusal = null;
        _time.Advance(wait - TimeSpan.FromMilliseconds(1));
        Assert.Contains(wait, _time.Waits);
        Assert.Equal(calls, @operator.Tokens.Count);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Wait.Until(() => @operator.Tokens.Count > calls);
    }

    [Fact]
    public async Task A_stream_that_ends_with_its_token_is_opened_again_at_once_with_the_next_one()
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));
        var updates = _plane.Updates.Count;
        _time.Advance(OperatorLink.Healthy);
        File.WriteAllText(_folder.File("token"), "rotated");

        stream.End(new Status(StatusCode.Unauthenticated, "the token expired"));

        // no time passes
        var next = await @operator.NextStreamAsync();
        await next.SendAsync(Config(1, Node("b")));
        await Wait.Until(() => next.Reports is [.., { AppliedRevision: 1 }]);
        Assert.Equal([$"Bearer {Token}", "Bearer rotated"], @operator.Tokens);
        Assert.Equal(updates, _plane.Updates.Count);
        Assert.DoesNotContain(_log.Lines, line => line.Level == Microsoft.Extensions.Logging.LogLevel.Error);
    }

    [Fact]
    public async Task An_operator_that_refuses_again_after_a_healthy_stream_is_called_again_slowly()
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));
        _time.Advance(OperatorLink.Healthy);
        @operator.Refusal = new Status(StatusCode.Unauthenticated, "because");

        stream.End(@operator.Refusal);

        // no time passes
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Refused);
        await Wait.Until(() => _time.Waits.Any(wait => wait >= Backoff.Most / 2 && wait < Backoff.Most));
        Assert.Equal(2, @operator.Tokens.Count);
    }

    [Fact]
    public async Task The_token_is_read_again_for_every_call()
    {
        var (@operator, stream) = await Connected(Config(5));
        File.WriteAllText(_folder.File("token"), "rotated");
        stream.End();

        await @operator.NextStreamAsync(PassTime);

        Assert.Equal([$"Bearer {Token}", "Bearer rotated"], @operator.Tokens);
    }

    [Theory]
    [InlineData("token", null, "token file")]
    [InlineData("token", "", "token file")]
    [InlineData("token", "two tokens", "token file")]
    [InlineData("token", "töken", "token file")]
    [InlineData("ca.pem", null, "ca.pem")]
    [InlineData("ca.pem", "no certificate", "ca.pem")]
    public async Task A_file_that_is_missing_or_broken_is_told_of_and_tried_again(string name, string? content, string said)
    {
        var good = File.ReadAllText(_folder.File(name));
        File.Delete(_folder.File(name));
        if (content is not null)
        {
            File.WriteAllText(_folder.File(name), content);
        }

        var @operator = await StartOperator();
        Start(@operator.Address);
        await Wait.Until(() => _status.Current.OperatorError is not null);
        Assert.Contains(said, _status.Current.OperatorError, StringComparison.Ordinal);
        Assert.DoesNotContain("two tokens", _log.All, StringComparison.Ordinal);

        File.WriteAllText(_folder.File(name), good);
        await @operator.NextStreamAsync(() => _time.Advance(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task An_operator_that_another_authority_vouches_for_gets_no_token()
    {
        using var other = new TestAuthority();
        File.WriteAllText(_folder.File("ca.pem"), other.Pem);
        var @operator = await StartOperator();
        Start(@operator.Address);

        await Wait.Until(() => _status.Current.OperatorError is not null);
        Assert.Empty(@operator.Tokens);
        Assert.Contains("certificate", _status.Current.OperatorError, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task While_the_operator_is_away_the_tunnels_stay_and_it_is_called_until_it_is_back()
    {
        var @operator = await StartOperator(OwnAddress);
        await Connect(@operator, Config(5, Node("b")));
        var endpoint = new IPEndPoint(OwnAddress, @operator.Address.Port);
        await @operator.DisposeAsync();
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Disconnected);
        var updates = _plane.Updates.Count;

        for (var i = 0; i < 50; i++)
        {
            PassTime();
            await Task.Delay(5);
        }

        Assert.Equal(updates, _plane.Updates.Count);
        Assert.Equal(["b"], _plane.PeerNames);
        Assert.NotNull(_status.Current.OperatorError);
        var back = await StartOperator(endpoint.Address, endpoint.Port);
        await back.NextStreamAsync(PassTime);
    }

    [Fact]
    public async Task Operators_are_tried_in_turn_without_a_wait()
    {
        var first = await StartOperator();
        var second = await StartOperator();
        var away = first.Address;
        await first.DisposeAsync();
        Start(away, second.Address);

        // no time passes
        var stream = await second.NextStreamAsync();
        await stream.SendAsync(Config(5, Node("b")));
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Connected);
        Assert.Equal(second.Address.Authority, _status.Current.OperatorAddress);
    }

    [Fact]
    public async Task Any_of_the_operators_may_be_the_first_that_is_called()
    {
        var (first, second) = (await StartOperator(), await StartOperator());
        _firstCalled = 1;
        Start(first.Address, second.Address);

        await second.NextStreamAsync();
        Assert.Empty(first.Tokens);
    }

    [Fact]
    public async Task An_operator_that_stops_is_left_for_another_at_once_and_the_tunnels_stay()
    {
        var (first, second) = (await StartOperator(OwnAddress), await StartOperator());
        var away = first.Address;
        await first.DisposeAsync();
        Start(away, second.Address); // one was away when the agent came
        var stream = await second.NextStreamAsync();
        await stream.SendAsync(Config(5, Node("b")));
        await Wait.Until(() => _status.Current.Applied?.Revision == 5);
        _time.Advance(OperatorLink.Healthy);
        var updates = _plane.Updates.Count;
        var back = await StartOperator(OwnAddress, away.Port);

        stream.End(new Status(StatusCode.Unavailable, "the operator is stopping"));

        // no time passes
        var next = await back.NextStreamAsync();
        await next.SendAsync(Config(1, Node("b")));
        await Wait.Until(() => next.Reports is [.., { AppliedRevision: 1 }]);
        Assert.Equal(updates, _plane.Updates.Count);
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Fact]
    public async Task An_operator_that_takes_messages_and_says_nothing_any_more_is_noticed_by_pings()
    {
        var @operator = await StartOperator();
        using var proxy = new FreezingProxy(@operator.Address.Port);
        Start(
            new OperatorCredentials(_folder.File("ca.pem"), _folder.File("token"))
            {
                PingDelay = TimeSpan.FromSeconds(1),
                PingTimeout = TimeSpan.FromSeconds(8), // no silence by intention is taken for one, however slow the machine
            },
            new Uri($"https://127.0.0.1:{proxy.Port}"));
        var stream = await @operator.NextStreamAsync();
        await stream.SendAsync(Config(5, Node("b")));
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Connected);

        proxy.Freeze();

        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Disconnected);
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Fact]
    public async Task A_link_that_comes_up_is_reported_within_a_second_and_then_nothing_until_its_counters_are_due()
    {
        var (_, stream) = await Connected(Config(5, Node("b")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 5 }] && stream.Links.ContainsKey("b"));
        Assert.Null(stream.Links["b"].LastHandshake);

        await PassSecond(() => _plane.Happen(
            "b", p => p with { HasLiveSession = true, LastHandshake = _time.GetUtcNow(), ReceivedBytes = 92, SentBytes = 148 }));
        await Wait.Until(() => stream.Links["b"].State == LinkState.Up);
        var link = stream.Links["b"];
        Assert.Equal(("b", "192.0.2.2:51820", 92UL, 148UL), (link.Peer, link.Endpoint, link.ReceivedBytes, link.SentBytes));
        Assert.NotNull(link.LastHandshake);

        // counters alone are no news; here they tell the second in which a report was made
        var before = stream.Reports.Length;
        for (var second = 1UL; second <= 35; second++)
        {
            await PassSecond(() => _plane.Happen("b", p => p with { ReceivedPackets = second, ReceivedBytes = 1_000_000 + second }));
        }

        await Wait.Until(() => stream.Reports.Length > before);
        Assert.Equal(1_000_029UL, stream.Reports[before].Links[0].ReceivedBytes); // 30 s after the first report, and one was over before

        // the agent looks every second, so each is over only when it has begun to wait for the next
        async Task PassSecond(Action happening)
        {
            await Wait.Until(() => _time.Waits.Contains(OperatorLink.LookInterval));
            happening();
            _time.Advance(OperatorLink.LookInterval);
        }
    }

    [Fact]
    public async Task A_peer_that_roams_is_reported()
    {
        var (_, stream) = await Connected(Config(5, Node("b")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 5 }]);
        Assert.True(Endpoint.TryParse("203.0.113.9:1", out var roamed));

        _plane.Happen("b", p => p with { Endpoint = roamed });

        await Wait.Until(() => stream.Links.GetValueOrDefault("b")?.Endpoint == "203.0.113.9:1", () => _time.Advance(TimeSpan.FromSeconds(0.1)));
    }

    [Fact]
    public async Task The_version_of_a_links_session_is_reported_as_soon_as_it_is_another()
    {
        var (_, stream) = await Connected(Config(5, Node("b")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 5 }]);
        await Wait.Until(() => stream.Links.ContainsKey("b"));
        Assert.Equal(0u, stream.Links["b"].ProtocolVersion);

        foreach (var version in (uint[])[1, 2])
        {
            _plane.Happen("b", p => p with { SessionVersion = version });
            await Wait.Until(() => stream.Links["b"].ProtocolVersion == version, () => _time.Advance(TimeSpan.FromSeconds(0.1)));
        }
    }

    [Fact]
    public async Task A_revision_from_another_stream_or_the_cache_is_never_claimed()
    {
        new ConfigCache(_folder.Path, "a", _log).Save(Config(57, Node("b")));
        _applier.ApplyCache();
        var @operator = await StartOperator();
        Start(@operator.Address);
        var stream = await @operator.NextStreamAsync();
        await Wait.Until(() => stream.Reports.Length > 0);
        Assert.Equal(0UL, stream.Reports[0].AppliedRevision);
        Assert.Equal("b", Assert.Single(stream.Reports[0].Links).Peer);

        await stream.SendAsync(Config(3, Node("b")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 3 }]);
        stream.End();

        var next = await @operator.NextStreamAsync(PassTime);
        await Wait.Until(() => next.Reports.Length > 0);
        Assert.Equal(0UL, next.Reports[0].AppliedRevision);
    }

    [Fact]
    public async Task The_same_configuration_from_a_new_stream_does_not_touch_the_device()
    {
        var (@operator, stream) = await Connected(Config(5, Node("b")));
        await Wait.Until(() => stream.Reports is [.., { AppliedRevision: 5 }]);
        var updates = _plane.Updates.Count;
        stream.End(new Status(StatusCode.Unavailable, "restarting"));

        var next = await @operator.NextStreamAsync(PassTime);
        await next.SendAsync(Config(1, Node("b")));

        await Wait.Until(() => next.Reports is [.., { AppliedRevision: 1 }]);
        Assert.Equal(updates, _plane.Updates.Count);
    }

    [Fact]
    public async Task The_token_is_never_logged()
    {
        var (@operator, stream) = await Connected(Config(5));
        @operator.Refusal = new Status(StatusCode.Unauthenticated, "no");
        stream.End();
        await Wait.Until(() => _status.Current.Operator == OperatorConnection.Refused, PassTime);

        Assert.NotEmpty(_log.Lines);
        Assert.DoesNotContain(Token, _log.All, StringComparison.Ordinal);
    }

    private void PassTime() => _time.Advance(TimeSpan.FromSeconds(0.1));

    private async Task<FakeOperator> StartOperator(IPAddress? address = null, int port = 0)
    {
        var @operator = await FakeOperator.StartAsync(_authority, new IPEndPoint(address ?? IPAddress.Loopback, port));
        _operators.Add(@operator);
        return @operator;
    }

    private void Start(params Uri[] operators) => Start(new OperatorCredentials(_folder.File("ca.pem"), _folder.File("token")), operators);

    private void Start(OperatorCredentials credentials, params Uri[] operators)
    {
        var hello = new Hello { Node = "a", PublicKey = ByteString.CopyFrom(Key("own").ToArray()), ProtocolVersions = { 1 } };
        var link = new OperatorLink(
            hello, [.. operators], credentials, _applier, _plane, _status, _metrics, new Chance(_firstCalled), _time, _log);
        _running = Task.WhenAll(link.RunAsync(_stop.Token), _applier.RunAsync(_stop.Token));
    }

    private async Task<(FakeOperator Operator, AgentStream Stream)> Connected(NodeConfig config)
    {
        var @operator = await StartOperator();
        return (@operator, await Connect(@operator, config));
    }

    private async Task<AgentStream> Connect(FakeOperator @operator, NodeConfig config)
    {
        Start(@operator.Address);
        var stream = await @operator.NextStreamAsync();
        await stream.SendAsync(config);
        await Wait.Until(() => _status.Current.Applied?.Revision == config.Revision);
        return stream;
    }

    /// <summary>Which operator is called first is not left to chance here.</summary>
    private sealed class Chance(int first) : Random(1)
    {
        public override int Next(int maxValue) => first;
    }
}
