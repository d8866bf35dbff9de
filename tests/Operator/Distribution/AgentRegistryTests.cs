using System.Runtime.CompilerServices;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Rpc;
using LinkState = WgMesh.Operator.Distribution.LinkState;

namespace WgMesh.Operator.Tests.Distribution;

public class AgentRegistryTests
{
    private static readonly MeshPlan Plan = Clusters.Three.Plan();

    private readonly AgentRegistry _agents = new();

    private AgentStatus A => _agents.Agents.Value["a"];

    // ---- reports

    [Fact]
    public void A_partial_report_changes_the_links_it_names_and_keeps_the_others()
    {
        var session = _agents.Connect(Hello("a"));
        session.Report(Report(Up("c", received: 1), Up("b")), Plan);
        Assert.Equal([("b", LinkState.Up), ("c", LinkState.Up)], Links);

        session.Report(Partial(Down("b")), Plan);
        Assert.Equal([("b", LinkState.Down), ("c", LinkState.Up)], Links);
        Assert.Equal(1UL, A.Report!.Links[1].ReceivedBytes);

        session.Report(Partial(), Plan);
        Assert.Equal(2, A.Report!.Links.Length);
        session.Report(new Report { LinksPartial = true, RemovedLinks = { "b" } }, Plan);
        Assert.Equal([("c", LinkState.Up)], Links);
        session.Report(Partial(Up("b")), Plan);
        Assert.Equal([("b", LinkState.Up), ("c", LinkState.Up)], Links);
    }

    [Fact]
    public void A_node_has_released_by_the_word_of_its_agent_on_the_stream_of_now_alone()
    {
        var session = _agents.Connect(Hello("a"));
        session.Report(new Report { Released = true, Mtu = 1 }, Plan);
        Assert.True(A.Report!.Released);
        session.Dispose();
        Assert.True(A.Report.Released);

        session = _agents.Connect(Hello("a")); // perhaps started anew, and then it takes part again
        Assert.Equal((false, 1u), (A.Report.Released, A.Report.Mtu));
        session.Report(new Report { Released = true }, Plan);
        Assert.True(A.Report.Released);
        session.Report(new Report { LinksPartial = true }, Plan);
        Assert.False(A.Report.Released);
    }

    [Fact]
    public void Partial_reports_in_any_order_come_to_what_a_full_one_says()
    {
        var state = Enumerable.Range(0, 40).Aggregate(Clusters.Three, (cluster, i) => cluster.With(Clusters.Peer($"p{i}", 100 + i)));
        var plan = state.Plan();
        var names = plan.Peers.Select(peer => peer.Name).ToArray();
        var random = new Random(7);
        var session = _agents.Connect(Hello("a"));
        session.Report(Report(), plan);
        var expected = new SortedDictionary<string, ulong>(StringComparer.Ordinal);
        for (var round = 1UL; round <= 200; round++)
        {
            var report = new Report { LinksPartial = true };
            foreach (var name in names.Where(_ => random.Next(8) == 0))
            {
                if (random.Next(3) == 0)
                {
                    report.RemovedLinks.Add(name);
                    expected.Remove(name);
                }
                else
                {
                    report.Links.Add(Up(name, received: round));
                    expected[name] = round;
                }
            }

            session.Report(report, plan);
            Assert.Equal(expected.Select(entry => (entry.Key, entry.Value)), A.Report!.Links.Select(link => (link.Peer, link.ReceivedBytes)));
        }
    }

    [Fact]
    public void The_first_report_of_a_stream_replaces_what_was_known_though_it_calls_itself_partial()
    {
        _agents.Connect(Hello("a")).Report(Report(Up("b"), Up("c")), Plan);
        var again = _agents.Connect(Hello("a"));
        Assert.Equal(2, A.Report!.Links.Length); // until it says otherwise
        again.Report(Partial(Up("b")), Plan);
        Assert.Equal([("b", LinkState.Up)], Links);
    }

    [Fact]
    public void What_is_kept_is_bounded_by_the_plan()
    {
        var session = _agents.Connect(Hello("a"));
        session.Report(Report(Up("b"), Up(new string('x', 254)), Up(""), Up("b", received: 9)), Plan);
        Assert.Equal([("b", LinkState.Up)], Links);

        session.Report(Report([.. Enumerable.Range(0, 10_000).Select(i => Up($"a{i}")), Up("b"), Up("c")]), Plan);
        Assert.Equal(AgentReport.MostUnplanned + 2, A.Report!.Links.Length);
        Assert.Equal(["b", "c"], A.Report.Links[^2..].Select(link => link.Peer)); // those that are planned, whatever else there is

        // an agent that never says that a peer is gone
        for (var round = 0; round < 50; round++)
        {
            session.Report(Partial([.. Enumerable.Range(0, 100).Select(i => Up($"p{round}-{i}"))]), Plan);
            Assert.InRange(A.Report!.Links.Length, 2, AgentReport.MostUnplanned + Plan.Outcomes.Length);
        }

        Assert.Equal(["b", "c"], Links.Select(link => link.Item1).Where(Plan.HasPeer));
        var texts = new Report { Errors = { Enumerable.Repeat(new string('x', 10_000), 1000) } };
        session.Report(texts, Plan);
        Assert.Equal(32, A.Report!.Errors.Length);
        Assert.All(A.Report.Errors, error => Assert.InRange(error.Length, 1, 600));
    }

    [Fact]
    public void A_link_that_is_told_before_its_peer_is_planned_is_there_when_it_is()
    {
        var session = _agents.Connect(Hello("a"));
        session.Report(Report(Up("b"), Down("late")), Plan);
        var later = Clusters.Three.With(Clusters.Peer("late", 9)).Plan();
        session.Report(Partial(Up("c"), Down("later")), Plan);
        session.Report(Partial(), later); // it has no news of the link

        Assert.Equal([("b", LinkState.Up), ("c", LinkState.Up), ("late", LinkState.Down), ("later", LinkState.Down)], Links);
        var shown = StatusView.Of(new PublishedPlan(1, later, []), _agents.Agents.Value, new HashSet<string> { "a" });
        Assert.Equal(["b", "c", "late"], shown.Peers[0].Links.Select(link => link.Peer));
        var tally = Operator.Reconciling.LinkTally.Of(later, _agents.Agents.Value, DateTimeOffset.UtcNow);
        Assert.Equal((2, 1, 0, 1), (tally.Up, tally.Down, tally.Idle, tally["late"].Down));
    }

    [Fact]
    public void What_an_agent_says_moves_no_cursor_shows_no_key_and_is_stored_as_it_is()
    {
        var key = Clusters.Key(1).ToString();
        _agents.Connect(Hello("a")).Report(
            new Report { Errors = { "\u001b[2Jgone\r\nnode b: ready", key, new string('x', 511) + "\U0001F600" + "y" } }, Plan);
        Assert.Equal("\\u001b[2Jgone\\u000d\\u000anode b: ready", A.Report!.Errors[0]);
        Assert.DoesNotContain(key, A.Report.Errors);
        Assert.Equal(new string('x', 511) + "\U0001F600...", A.Report.Errors[2]); // no half of a character
    }

    [Theory]
    [InlineData(Rpc.LinkState.Up, 0, LinkState.Up)]
    [InlineData(Rpc.LinkState.Down, 1, LinkState.Down)]
    [InlineData(Rpc.LinkState.Idle, 1, LinkState.Idle)]
    [InlineData(Rpc.LinkState.Unspecified, 1, LinkState.Up)] // of an older agent
    [InlineData(Rpc.LinkState.Unspecified, 0, LinkState.Idle)]
    internal void A_links_state_is_what_the_agent_says_or_else_whether_there_is_a_session(Rpc.LinkState said, uint version, LinkState expected)
    {
        _agents.Connect(Hello("a")).Report(Report(new LinkReport { Peer = "b", State = said, ProtocolVersion = version }), Plan);
        Assert.Equal([("b", expected)], Links);
    }

    [Theory]
    [InlineData(1_767_268_860, 1_767_268_860)]
    [InlineData(253_402_300_799, 253_402_300_799)]
    [InlineData(253_402_300_800, 0)] // the year 10000
    [InlineData(1L << 60, 0)]
    [InlineData(long.MaxValue, 0)]
    [InlineData(-1, 0)]
    [InlineData(long.MinValue, 0)]
    public void A_handshake_at_a_time_that_cannot_be_is_none(long said, long expected)
    {
        var link = new LinkReport { Peer = "b", LastHandshake = new Google.Protobuf.WellKnownTypes.Timestamp { Seconds = said } };
        _agents.Connect(Hello("a")).Report(Report(link), Plan);
        Assert.Equal(expected, A.Report!.Links[0].LastHandshake);
        _ = A.Report.Links[0].ToReport().LastHandshake?.ToDateTimeOffset(); // what tools and other replicas get can be read
    }

    [Fact]
    public void A_million_links_fit_in_100_MB_for_they_are_small_and_their_texts_are_shared()
    {
        Assert.InRange(Unsafe.SizeOf<LinkStatus>(), 1, 48);

        var texts = new SharedTexts();
        LinkStatus[] Links() => [.. Enumerable.Range(0, 1000).Select(i => LinkStatus.From(
            new LinkReport { Peer = $"node-{i}.example.org", Endpoint = $"192.0.{i / 250}.{(i % 250) + 1}:51820" }, texts))];
        var (one, other) = (Links(), Links());
        Assert.Equal(one, other);
        var shared = one.Zip(other, (left, right) => ReferenceEquals(left.Peer, right.Peer) && ReferenceEquals(left.Endpoint, right.Endpoint));
        Assert.InRange(shared.Count(isShared => isShared), 800, 1000); // some texts want the same place
    }

    // ---- what an agent has applied

    [Fact]
    public void An_agent_is_current_once_it_has_applied_what_was_sent_and_stays_so_while_plans_hold_nothing_for_it()
    {
        var session = _agents.Connect(Hello("a"));
        Assert.False(A.HasApplied(1));
        session.Sending(5);
        Assert.False(A.HasApplied(1));
        session.Report(new Report { AppliedRevision = 5 }, Plan);
        Assert.True(A.HasApplied(5));
        Assert.False(A.HasApplied(6));

        session.HasNothingNewIn(6);
        session.HasNothingNewIn(7);
        Assert.True(A.HasApplied(7));

        session.Sending(8);
        session.Report(new Report { AppliedRevision = 5 }, Plan); // sent before it came
        Assert.True(A.HasApplied(7));
        Assert.False(A.HasApplied(8));
        session.HasNothingNewIn(9); // nothing besides what is on its way
        Assert.False(A.HasApplied(8));
        session.Report(new Report { AppliedRevision = 8 }, Plan);
        Assert.True(A.HasApplied(9));
    }

    [Fact]
    public void An_agent_that_refuses_a_configuration_is_not_current()
    {
        var session = _agents.Connect(Hello("a"));
        session.Sending(5);
        session.Report(new Report { AppliedRevision = 5 }, Plan);
        session.Sending(6);
        session.Report(new Report { AppliedRevision = 5, Errors = { "no" } }, Plan);
        session.HasNothingNewIn(7);
        Assert.Equal(5UL, A.CurrentRevision);
    }

    [Fact]
    public void A_new_stream_goes_on_from_what_the_node_has_unless_its_key_is_another()
    {
        var session = _agents.Connect(Hello("a"));
        session.Sending(5);
        session.Report(new Report { AppliedRevision = 5 }, Plan);

        var again = _agents.Connect(Hello("a"));
        Assert.True(A.HasApplied(5));
        again.Report(new Report(), Plan); // revisions of other streams are not named
        Assert.True(A.HasApplied(5));

        _agents.Connect(Hello("a", key: 77));
        Assert.False(A.HasApplied(1));
    }

    // ---- streams

    [Fact]
    public void The_newest_stream_counts_and_those_before_it_are_told_to_end()
    {
        var first = _agents.Connect(Hello("a"));
        var second = _agents.Connect(Hello("a", version: "2"));
        Assert.True(first.Replaced.IsCancellationRequested);
        Assert.False(second.Replaced.IsCancellationRequested);
        first.Report(Report(Up("b")), Plan);
        Assert.Null(A.Report);
        first.Dispose();
        Assert.True(A.IsConnected);
        second.Dispose();
        Assert.False(A.IsConnected);
        Assert.Equal("2", A.Hello.Version);
    }

    [Fact]
    public void A_node_that_is_gone_is_forgotten_and_others_are_kept_as_away()
    {
        _agents.Connect(Hello("a")).Dispose();
        var b = _agents.Connect(Hello("b"));
        _agents.Forget(node => node == "b");
        Assert.Equal(["a"], _agents.Agents.Value.Keys);
        b.Report(Report(), Plan);
        b.Dispose();
        Assert.Equal(["a"], _agents.Agents.Value.Keys);
    }

    // ---- other replicas

    [Fact]
    public void Agents_of_another_replica_are_there_with_what_they_report_until_it_says_that_they_left()
    {
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 3, Report = Report(Up("b")) });
        Assert.Equal((true, "other", "1.2.3"), (A.IsConnected, A.Replica, A.Hello.Version));
        Assert.Equal([("b", LinkState.Up)], Links);

        Take(other, new SharedAgent { Hello = Message("a"), Stream = 3, Report = Partial(Down("b"), Up("c")) });
        Assert.Equal([("b", LinkState.Down), ("c", LinkState.Up)], Links);
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 3 });
        Assert.Equal(2, Links.Count());

        other.Take(new SharedAgents { Left = { "a", "nobody" } }, Plan, Refused);
        Assert.False(A.IsConnected);
        Assert.Equal(2, Links.Count());
    }

    [Fact]
    public void An_agent_that_moved_here_is_here_whatever_its_old_replica_still_says_of_its_old_stream()
    {
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 3 });
        using var here = _agents.Connect(Hello("a"));
        Assert.Null(A.Replica);
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 3, Report = Report(Up("b")) });
        Assert.Null(A.Replica);
        Assert.Null(A.Report);
        other.Take(new SharedAgents { Left = { "a" } }, Plan, Refused);
        Assert.True(A.IsConnected);
    }

    [Fact]
    public void An_agent_that_moved_to_another_replica_is_there_and_the_end_of_its_stream_here_does_not_matter()
    {
        var here = _agents.Connect(Hello("a"));
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1 });
        Assert.Equal("other", A.Replica);
        here.Dispose();
        Assert.Equal((true, "other"), (A.IsConnected, A.Replica));
    }

    [Fact]
    public void A_replica_that_is_late_to_notice_that_an_agent_left_does_not_take_it_along()
    {
        // both tell of it, as a new leader hears it: the one that still has the dead stream speaks last
        using var living = _agents.Attach("living");
        using var late = _agents.Attach("late");
        Take(living, new SharedAgent { Hello = Message("a"), Stream = 1, Report = Report(Up("b")) });
        Take(late, new SharedAgent { Hello = Message("a"), Stream = 1 });
        late.Take(new SharedAgents { Left = { "a" } }, Plan, Refused);
        Assert.Equal((true, "living"), (A.IsConnected, A.Replica));
        Assert.Equal([("b", LinkState.Up)], Links);
    }

    [Fact]
    public void A_new_stream_with_the_same_other_replica_counts_anew()
    {
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1, Report = Report(Up("b"), Up("c")) });
        using var here = _agents.Connect(Hello("a"));
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 2, Report = Report(Up("b")) });
        Assert.Equal((true, "other"), (A.IsConnected, A.Replica));
        Assert.Equal([("b", LinkState.Up)], Links);
    }

    [Fact]
    public void A_replica_that_went_away_takes_its_agents_along_unless_they_came_elsewhere()
    {
        _agents.Connect(Hello("c")).Dispose();
        var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1 }, new SharedAgent { Hello = Message("b"), Stream = 2 });
        using var here = _agents.Connect(Hello("a"));
        other.Dispose();
        Assert.Equal([true, false, false], new[] { "a", "b", "c" }.Select(node => _agents.Agents.Value[node].IsConnected));
    }

    [Fact]
    public void One_agent_that_cannot_be_does_not_stop_the_others()
    {
        using var other = _agents.Attach("other");
        var refused = new List<string>();
        other.Take(
            new SharedAgents { Agents = { new SharedAgent { Stream = 1 }, new SharedAgent { Hello = Message("a"), Stream = 2 } } },
            Plan,
            e => refused.Add(e.Status.Detail));
        Assert.True(A.IsConnected);
        Assert.Contains("Hello.node", Assert.Single(refused), StringComparison.Ordinal);
    }

    [Fact]
    public void An_agent_of_another_replica_is_current_when_its_replicas_plan_is_ours_whoever_made_it_first()
    {
        var (plan, next) = (new PublishedPlan(40, Plan, []), new PublishedPlan(41, Clusters.Three.With(Clusters.Peer("d", 9)).Plan(), []));
        var (print, nextPrint) = (PlanPrints.Of(plan.Plan), PlanPrints.Of(next.Plan));
        _agents.Planned(plan);
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1, Plan = print });
        Assert.Equal(40UL, A.CurrentRevision);

        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1, Plan = nextPrint }); // ahead of us
        Assert.Equal(40UL, A.CurrentRevision);
        _agents.Planned(next);
        Assert.Equal(41UL, A.CurrentRevision);

        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1, Plan = print + 1 }); // of a plan that we never had
        Assert.Equal(41UL, A.CurrentRevision);
    }

    [Fact]
    public void A_node_that_this_replica_does_not_know_yet_is_not_forgotten_while_another_has_its_agent()
    {
        using var other = _agents.Attach("other");
        Take(other, new SharedAgent { Hello = Message("a"), Stream = 1 });
        _agents.Forget(_ => true);
        Assert.True(A.IsConnected);
        other.Take(new SharedAgents { Left = { "a" } }, Plan, Refused);
        _agents.Forget(_ => true);
        Assert.Empty(_agents.Agents.Value);
    }

    private IEnumerable<(string, LinkState)> Links => A.Report!.Links.Select(link => (link.Peer, link.State));

    private static void Take(ReplicaAgents replica, params SharedAgent[] agents) =>
        replica.Take(new SharedAgents { Agents = { agents } }, Plan, Refused);

    private static void Refused(Grpc.Core.RpcException e) => Assert.Fail(e.Status.Detail);

    private static Hello Message(string node) => FakeAgent.Hello(node, node[0] - 'a' + 1);

    private static CheckedHello Hello(string node, int key = 0, string version = "1.2.3") =>
        new(node, Clusters.Key(key == 0 ? node[0] - 'a' + 1 : key), [], version, VersionSet.One);

    private static Report Report(params LinkReport[] links) => new() { Links = { links } };

    private static Report Partial(params LinkReport[] links) => new() { Links = { links }, LinksPartial = true };

    private static LinkReport Up(string peer, ulong received = 0) => new() { Peer = peer, State = Rpc.LinkState.Up, ReceivedBytes = received };

    private static LinkReport Down(string peer) => new() { Peer = peer, State = Rpc.LinkState.Down };
}
