using System.Collections.Immutable;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public class ReportBuilderTests
{
    private readonly ManualTime _time = new();
    private readonly ReportBuilder _reports;
    private AgentState _state = new() { Applied = new AppliedConfig(5, 1) };

    public ReportBuilderTests() => _reports = new ReportBuilder(stream: 1, _time);

    [Fact]
    public void The_first_report_names_every_link_and_then_nothing_is_said_while_nothing_changes()
    {
        var first = Next(Peer("b"), Peer("c"));
        Assert.Equal((5UL, 1420U, false), (first!.AppliedRevision, first.Mtu, first.LinksPartial));
        Assert.Equal(["b", "c"], first.Links.Select(link => link.Peer));

        Assert.Null(Next(Peer("b"), Peer("c")));
        _time.Advance(ReportBuilder.CounterInterval);
        Assert.Null(Next(Peer("b"), Peer("c")));
    }

    [Fact]
    public void An_agent_that_is_silent_for_long_says_that_it_is_there()
    {
        Next(Peer("b"));
        _time.Advance(ReportBuilder.LongestSilence - TimeSpan.FromTicks(1));
        Assert.Null(Next(Peer("b")));
        _time.Advance(TimeSpan.FromTicks(1));
        var report = Next(Peer("b"))!;
        Assert.Equal((5UL, true, 0, 0), (report.AppliedRevision, report.LinksPartial, report.Links.Count, report.RemovedLinks.Count));
        Assert.Null(Next(Peer("b")));
    }

    [Fact]
    public void A_link_that_changes_is_told_of_at_once_and_alone()
    {
        Next(Peer("b"), Peer("c"));

        var up = Next(Peer("b"), Peer("c") with { HasLiveSession = true, SessionVersion = 1, SentBytes = 148 })!;
        Assert.True(up.LinksPartial);
        var link = Assert.Single(up.Links);
        Assert.Equal(("c", LinkState.Up, 1U, 148UL), (link.Peer, link.State, link.ProtocolVersion, link.SentBytes));
        Assert.Null(Next(Peer("b"), Peer("c") with { HasLiveSession = true, SessionVersion = 1, SentBytes = 500 }));
    }

    [Fact]
    public void Counters_are_told_of_when_they_are_due_and_only_of_links_that_packets_passed_on()
    {
        Next(Peer("b"), Peer("c"), Peer("d"));
        _time.Advance(ReportBuilder.CounterInterval - TimeSpan.FromTicks(1));
        var (used, kept, called) = (
            Peer("b") with { SentPackets = 1, SentBytes = 96 },
            Peer("c") with { SentBytes = 32 }, // a keepalive
            Peer("d") with { LastHandshake = _time.GetUtcNow() });
        Assert.Null(Next(used, kept, called));
        _time.Advance(TimeSpan.FromTicks(1));
        var report = Next(used, kept, called)!;
        Assert.Equal(["b", "d"], report.Links.Select(link => link.Peer));
        Assert.Equal(96UL, report.Links[0].SentBytes);
        Assert.Null(Next(used, kept, called));
    }

    [Fact]
    public void A_peer_that_is_gone_is_named_once_also_when_another_comes_in_its_place()
    {
        Next(Peer("b"), Peer("c"));
        Assert.Equal(["c"], Next(Peer("b"))!.RemovedLinks);
        Assert.Null(Next(Peer("b")));

        var report = Next(Peer("d"))!;
        Assert.Equal(["b"], report.RemovedLinks);
        Assert.Equal(["d"], report.Links.Select(link => link.Peer));
        Assert.Null(Next(Peer("d")));
    }

    [Fact]
    public void A_revision_an_error_or_another_MTU_is_news_without_links()
    {
        Next(Peer("b"));
        _state = _state with { Applied = new AppliedConfig(6, 1) };
        var applied = Next(Peer("b"))!;
        Assert.Equal((6UL, 0, true), (applied.AppliedRevision, applied.Links.Count, applied.LinksPartial));

        _state = _state with { Faults = ["a route is in the way"] };
        Assert.Equal(["a route is in the way"], Next(Peer("b"))!.Errors);
        Assert.Equal(1380U, Next(1380, Peer("b"))!.Mtu);
    }

    [Fact]
    public void More_links_than_a_report_holds_follow_in_the_next()
    {
        var peers = Enumerable.Range(0, ReportBuilder.MostLinks + 2).Select(number => Peer($"p{number}")).ToImmutableArray();
        Assert.Equal(ReportBuilder.MostLinks, Next(peers)!.Links.Count);
        var rest = Next(peers)!;
        Assert.Equal((2, true, 0), (rest.Links.Count, rest.LinksPartial, rest.RemovedLinks.Count));
        Assert.Null(Next(peers));
    }

    [Theory]
    [InlineData(false, 0, LinkState.Idle)]
    [InlineData(false, 1, LinkState.Idle)] // it may just be on its way
    [InlineData(true, 0, LinkState.Up)]
    [InlineData(true, 1, LinkState.Up)]
    [InlineData(true, 2, LinkState.Down)] // a session that nobody answers on
    [InlineData(false, 2, LinkState.Down)]
    public void A_link_is_up_with_a_live_session_and_down_when_calls_go_unanswered(bool isLive, int unanswered, LinkState expected) =>
        Assert.Equal(expected, ReportBuilder.StateOf(Peer("b") with { HasLiveSession = isLive, UnansweredInitiations = unanswered }));

    private Report? Next(params ImmutableArray<PeerSnapshot> peers) => Next(1420, peers);

    private Report? Next(int mtu, params ImmutableArray<PeerSnapshot> peers) => _reports.Next(
        _state, new DeviceSnapshot { Name = "wgmesh0", ListenPort = 0, FirewallMark = 0, Mtu = mtu, Peers = peers });

    private static PeerSnapshot Peer(string name) => new()
    {
        PublicKey = Key(name),
        Name = name,
        Endpoint = default,
        PersistentKeepalive = 0,
        AllowedIps = [],
        ReceivedBytes = 0,
        SentBytes = 0,
        ReceivedPackets = 0,
        SentPackets = 0,
        ProtocolVersion = 1,
    };
}
