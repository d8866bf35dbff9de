using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Distribution;

public class StatusViewTests
{
    private static readonly MeshPlan Plan = Clusters.Three.With(Clusters.Peer("laptop", 9), Clusters.Peer("twin", 9)).Plan();

    private readonly AgentRegistry _agents = new();

    [Fact]
    public void Links_are_counted_and_shown_one_by_one_only_of_those_who_are_asked_for()
    {
        Report("a", Link("b", Rpc.LinkState.Up, 50), Link("c", Rpc.LinkState.Down), Link("laptop", Rpc.LinkState.Up, 70));
        Report("b", Link("a", Rpc.LinkState.Up, 60), Link("c"), Link("laptop"));
        Report("c", Link("a", Rpc.LinkState.Down), Link("b"), Link("laptop"));

        Assert.Equal("", Shown());
        Assert.Equal("a-b a-c a-laptop b-a c-a", Shown("a"));
        Assert.Equal("a-laptop b-laptop c-laptop", Shown("laptop", "nobody"));
        Assert.Equal("a-b a-c b-a b-c b-laptop c-a c-b c-laptop", Shown("b", "c"));
    }

    [Fact]
    public void The_links_of_a_node_are_counted_as_its_agent_has_them()
    {
        Report("a", Link("b", Rpc.LinkState.Up, 50), Link("c", Rpc.LinkState.Down), Link("laptop", Rpc.LinkState.Up, 70));
        Report("b", Link("a"));

        Assert.Equal(new LinkSummary { Up = 2, Down = 1, LastHandshake = new() { Seconds = 70 }, ReceivedBytes = 30, SentBytes = 3 }, Summary("a"));
        Assert.Equal(new LinkSummary { Idle = 1, ReceivedBytes = 10, SentBytes = 1 }, Summary("b"));
        Assert.Null(Summary("c")); // it has not said
    }

    [Fact]
    public void The_links_of_a_device_are_counted_as_the_nodes_have_them_that_are_there()
    {
        Report("a", Link("laptop", Rpc.LinkState.Up, 70));
        Report("b", Link("laptop", Rpc.LinkState.Down, 50));
        var c = Report("c", Link("laptop", Rpc.LinkState.Up, 90));

        // what they received it sent
        Assert.Equal(new LinkSummary { Up = 2, Down = 1, LastHandshake = new() { Seconds = 90 }, ReceivedBytes = 3, SentBytes = 30 }, Summary("laptop"));
        c.Dispose();
        Assert.Equal(new LinkSummary { Up = 1, Down = 1, LastHandshake = new() { Seconds = 70 }, ReceivedBytes = 2, SentBytes = 20 }, Summary("laptop"));
    }

    [Fact]
    public void A_link_to_what_is_no_peer_is_not_shown()
    {
        Report("a", Link("a"), Link("b"), Link("nobody"), Link("twin"), Link("zulu")); // twin is refused
        Assert.Equal("a-b", Shown("a", "nobody", "twin", "zulu"));
        Assert.Equal(1u, Summary("a")!.Idle);
    }

    [Fact]
    public void What_is_sent_grows_with_the_peers_and_not_with_their_links()
    {
        var few = SizeWith(nodes: 20);
        Assert.InRange(SizeWith(nodes: 80), 0, 5 * few);
    }

    private static int SizeWith(int nodes)
    {
        var cluster = Enumerable.Range(0, nodes).Aggregate(ClusterState.Empty, (cluster, i) =>
            cluster.With(Clusters.Node($"n{i:00}", podCidrs: $"10.244.{i}.0/24")).Announcing($"n{i:00}", 1 + i));
        var plan = cluster.Plan();
        var agents = new AgentRegistry();
        for (var i = 0; i < nodes; i++)
        {
            agents.Connect(Hello($"n{i:00}", 1 + i)).Report(
                new Report { Links = { plan.Peers.Select(peer => Link(peer.Name, Rpc.LinkState.Up, 70)) } }, plan);
        }

        return StatusView.Of(new PublishedPlan(1, plan, []), agents.Agents.Value, ImmutableHashSet<string>.Empty).CalculateSize();
    }

    private LinkSummary? Summary(string peer) => Of().Peers.Single(status => status.Name == peer).LinkSummary;

    /// <summary>"FROM-TO FROM-TO ..."</summary>
    private string Shown(params string[] linksOf) => string.Join(' ',
        from peer in Of(linksOf).Peers from link in peer.Links select $"{peer.Name}-{link.Peer}");

    private MeshStatus Of(params string[] linksOf) =>
        StatusView.Of(new PublishedPlan(1, Plan, []), _agents.Agents.Value, linksOf.ToHashSet(StringComparer.Ordinal));

    private AgentSession Report(string node, params LinkReport[] links)
    {
        var session = _agents.Connect(Hello(node, node[0] - 'a' + 1));
        session.Report(new Report { Links = { links } }, Plan);
        return session;
    }

    private static CheckedHello Hello(string node, int key) => new(node, Clusters.Key(key), [], "1.2.3", VersionSet.One);

    private static LinkReport Link(string peer, Rpc.LinkState state = Rpc.LinkState.Idle, long handshake = 0) => new()
    {
        Peer = peer,
        State = state,
        LastHandshake = handshake == 0 ? null : new() { Seconds = handshake },
        ReceivedBytes = 10,
        SentBytes = 1,
    };
}
