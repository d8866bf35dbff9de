using WgMesh.Operator.Distribution;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.Tests.Planning;
using static WgMesh.Operator.Tests.Reconciling.KnownAgents;

namespace WgMesh.Operator.Tests.Reconciling;

public class LinkTallyTests
{
    private static readonly DateTimeOffset Now = Clusters.Day;

    [Fact]
    public void A_link_between_two_nodes_counts_once_and_is_up_if_an_end_says_so_and_else_down_if_an_end_says_so()
    {
        var tally = Tally(
            Agent("a", Link("b", LinkState.Up), Link("c", LinkState.Idle)),
            Agent("b", Link("a", LinkState.Down), Link("c", LinkState.Idle)),
            Agent("c", Link("a", LinkState.Down), Link("b", LinkState.Idle)));
        Assert.Equal((1, 1, 1), (tally.Up, tally.Down, tally.Idle));
        Assert.Equal((0, 2), (tally["a"].Up, tally["a"].Down));
        Assert.Equal((1, 0), (tally["b"].Up, tally["b"].Down));
    }

    [Fact]
    public void Each_link_to_a_device_counts_and_what_is_not_in_the_plan_does_not()
    {
        var tally = Tally(
            Agent("a", Link("a", LinkState.Up), Link("gone", LinkState.Up), Link("laptop", LinkState.Up)),
            Agent("b", Link("laptop", LinkState.Down)),
            Agent("c", Link("laptop", LinkState.Idle)),
            Agent("stranger", Link("laptop", LinkState.Up)));
        Assert.Equal((1, 1, 1), (tally.Up, tally.Down, tally.Idle));
        Assert.Equal((1, 1), (tally["laptop"].Up, tally["laptop"].Down));
        Assert.Same(PeerTally.None, tally["gone"]);
    }

    [Fact]
    public void Of_each_node_its_own_links_are_counted_as_its_agent_says()
    {
        var tally = Tally(
            Agent("a", Link("a", LinkState.Up), Link("b", LinkState.Up), Link("c", LinkState.Down), Link("gone", LinkState.Up), Link("laptop", LinkState.Up)),
            Agent("b", Link("a", LinkState.Down), Link("laptop", LinkState.Idle)),
            Agent("stranger", Link("a", LinkState.Up)));
        Assert.Equal(new LinkCounts(2, 1, 0), tally.Nodes["a"]);
        Assert.Equal(new LinkCounts(0, 1, 1), tally.Nodes["b"]);
        Assert.Equal(2, tally.Nodes.Count);
    }

    [Fact]
    public void An_agent_that_is_away_says_nothing()
    {
        var away = Agent("a", Link("b", LinkState.Up));
        var tally = Tally((away.Node, away.Agent with { IsConnected = false }));
        Assert.Equal((0, 0, 0), (tally.Up, tally.Down, tally.Idle));
        Assert.Empty(tally.Nodes);
    }

    [Fact]
    public void The_endpoint_is_that_of_the_newest_handshake_and_of_two_in_one_second_always_the_same()
    {
        var time = Now.ToUnixTimeSeconds() - 100;
        var tally = Tally(
            Agent("a", Link("laptop", LinkState.Up, time, "192.0.2.8:1")),
            Agent("b", Link("laptop", LinkState.Up, time + 1, "192.0.2.1:1")),
            Agent("c", Link("laptop", LinkState.Up, time + 1, "192.0.2.2:1")));
        Assert.Equal((time + 1, "192.0.2.2:1"), (tally["laptop"].LastHandshake, tally["laptop"].Endpoint));
    }

    [Fact]
    public void A_handshake_of_the_future_is_none()
    {
        var now = Now.ToUnixTimeSeconds();
        var tally = Tally(
            Agent("a", Link("b", LinkState.Up, now + 61, "192.0.2.8:1"), Link("laptop", LinkState.Up, long.MaxValue, "192.0.2.8:1")),
            Agent("b", Link("a", LinkState.Up, now + 60, "192.0.2.9:1"), Link("laptop", LinkState.Down, long.MinValue, "192.0.2.9:1")),
            Agent("c", Link("laptop", LinkState.Up, now - 5, "192.0.2.1:1")));
        Assert.Equal((0, ""), (tally["b"].LastHandshake, tally["b"].Endpoint));
        Assert.Equal((now + 60, "192.0.2.9:1"), (tally["a"].LastHandshake, tally["a"].Endpoint));
        Assert.Equal((now - 5, "192.0.2.1:1"), (tally["laptop"].LastHandshake, tally["laptop"].Endpoint));
        Assert.Equal([("b", 0L)], tally["laptop"].DownNodes);
    }

    [Fact]
    public void The_first_nodes_by_name_that_get_no_answer_are_named()
    {
        var cluster = Clusters.Three.With(Clusters.Node("d"), Clusters.Node("e")).Announcing("d", 4).Announcing("e", 5).With(Clusters.Peer("laptop", 9));
        var agents = Known([.. "ecadb".Select(node => Agent($"{node}", Link("laptop", LinkState.Down)))]);
        var tally = LinkTally.Of(cluster.Plan(), agents, Now);
        Assert.Equal((5, 5), (tally.Down, tally["laptop"].Down));
        Assert.Equal(["a", "b", "c"], tally["laptop"].DownNodes.Select(node => node.Node));
    }

    [Fact]
    public void One_link_of_a_report_is_found_by_name()
    {
        var report = Agent("a", Link("b", LinkState.Up), Link("c", LinkState.Down), Link("laptop", LinkState.Idle)).Agent.Report!;
        Assert.Equal(LinkState.Down, LinkTally.Find(report, "c")!.Value.State);
        Assert.Equal(LinkState.Up, LinkTally.Find(report, "b")!.Value.State);
        Assert.Equal("laptop", LinkTally.Find(report, "laptop")!.Value.Peer);
        Assert.Null(LinkTally.Find(report, "bb"));
    }

    private static LinkTally Tally(params (string Node, AgentStatus Agent)[] agents) =>
        LinkTally.Of(Clusters.Three.With(Clusters.Peer("laptop", 9)).Plan(), Known(agents), Now);
}
