using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Distribution;

public class AgentShareTests
{
    private static readonly MeshPlan Plan = Clusters.Three.With(Clusters.Peer("laptop", 9)).Plan();

    private readonly AgentRegistry _agents = new();
    private readonly AgentShare _share;

    public AgentShareTests() => _share = new AgentShare("here", _agents.Prints);

    [Fact]
    public void At_first_everything_is_told_and_then_what_changed()
    {
        var a = Connect("a");
        a.Report(Report(Link("b", 1), Link("c", 1)), Plan);
        var b = Connect("b");

        var first = Assert.Single(Next());
        Assert.Equal("here", first.Replica);
        Assert.Equal(["a", "b"], first.Agents.Select(agent => agent.Hello.Node).Order());
        Assert.Equal(2, first.Agents.Single(agent => agent.Hello.Node == "a").Report.Links.Count);
        Assert.Empty(Next());

        a.Report(new Report { Links = { Link("c", 2) }, LinksPartial = true }, Plan);
        var second = Assert.Single(Next());
        Assert.Equal("", second.Replica);
        var changed = Assert.Single(second.Agents);
        Assert.Equal(("a", true), (changed.Hello.Node, changed.Report.LinksPartial));
        Assert.Equal("c", Assert.Single(changed.Report.Links).Peer);

        a.Report(new Report { RemovedLinks = { "b" }, LinksPartial = true, Errors = { "no" } }, Plan);
        changed = Assert.Single(Assert.Single(Next()).Agents);
        Assert.Equal(["b"], changed.Report.RemovedLinks);
        Assert.Equal(["no"], changed.Report.Errors);
        Assert.Empty(changed.Report.Links);

        b.Dispose();
        Assert.Equal(["b"], Assert.Single(Next()).Left);
        Assert.Empty(Next());
    }

    [Fact]
    public void A_replica_without_agents_says_so_once()
    {
        Assert.Equal("here", Assert.Single(Next()).Replica);
        Assert.Empty(Next());
    }

    [Fact]
    public void A_new_stream_is_told_whole()
    {
        Connect("a").Report(Report(Link("b", 1)), Plan);
        var before = Assert.Single(Assert.Single(Next()).Agents);
        Connect("a").Report(Report(Link("b", 1), Link("c", 1)), Plan);
        var after = Assert.Single(Assert.Single(Next()).Agents);
        Assert.NotEqual(before.Stream, after.Stream);
        Assert.False(after.Report.LinksPartial);
        Assert.Equal(2, after.Report.Links.Count);
    }

    [Fact]
    public void Agents_of_other_replicas_are_not_passed_on()
    {
        using var other = _agents.Attach("other");
        other.Take(new SharedAgents { Agents = { new SharedAgent { Hello = FakeAgent.Hello("a", 1), Stream = 1 } } }, Plan, e => throw e);
        Assert.Empty(Assert.Single(Next()).Agents);

        using var a = Connect("a");
        Assert.Equal("a", Assert.Single(Assert.Single(Next()).Agents).Hello.Node);
        other.Take(new SharedAgents { Agents = { new SharedAgent { Hello = FakeAgent.Hello("a", 1), Stream = 2 } } }, Plan, e => throw e);
        Assert.Equal(["a"], Assert.Single(Next()).Left); // it moved
    }

    [Fact]
    public void What_an_agent_has_applied_is_told_by_the_plans_print_as_soon_as_that_is_known()
    {
        var a = Connect("a");
        a.Sending(7);
        Assert.Equal(0UL, Assert.Single(Assert.Single(Next()).Agents).Plan);
        a.Report(new Report { AppliedRevision = 7 }, Plan);
        Assert.Equal(0UL, Assert.Single(Assert.Single(Next()).Agents).Plan);

        _agents.Planned(new PublishedPlan(7, Plan, []));
        var shared = Assert.Single(Assert.Single(Next()).Agents);
        Assert.Equal(PlanPrints.Of(Plan), shared.Plan);
        Assert.Null(shared.Report);
        Assert.Empty(Next());

        a.HasNothingNewIn(8); // a plan whose print is not known yet takes nothing back
        Assert.Equal(PlanPrints.Of(Plan), Assert.Single(Assert.Single(Next()).Agents).Plan);
    }

    [Fact]
    public void A_message_holds_so_many_links_and_no_more()
    {
        var names = Enumerable.Range(0, 6000).Select(i => $"p{i:0000}").ToArray();
        var plan = names.Select((name, i) => Clusters.Peer(name, 100 + i)).Aggregate(
            Clusters.Three with { Mesh = MeshRecord.Default with { AddressPools = [] } },
            (cluster, peer) => cluster with { Peers = cluster.Peers.Add(peer) }).Plan();
        foreach (var node in new[] { "a", "b", "c" })
            Connect(node).Report(Report([.. plan.Peers.Take(6000).Select(peer => Link(peer.Name, 1))]), plan);

        var messages = Next().ToList();
        Assert.Equal([2, 1], messages.Select(message => message.Agents.Count));
    }

    [Fact]
    public void What_the_leader_comes_to_know_is_what_this_replica_knows()
    {
        var leader = new AgentRegistry();
        using var theirs = leader.Attach("here");
        var random = new Random(3);
        var names = Plan.Peers.Select(peer => peer.Name).ToArray();
        var sessions = new Dictionary<string, AgentSession>();
        for (var round = 0; round < 300; round++)
        {
            var node = "abc"[random.Next(3)].ToString();
            switch (random.Next(6))
            {
                case 0:
                    sessions[node] = Connect(node);
                    sessions[node].Report(Report(Link(names[random.Next(names.Length)], (ulong)round)), Plan);
                    break;
                case 1 when sessions.Remove(node, out var left):
                    left.Dispose();
                    break;
                case 2 or 3 when sessions.TryGetValue(node, out var session):
                    session.Report(new Report { Links = { Link(names[random.Next(names.Length)], (ulong)round) }, LinksPartial = true }, Plan);
                    break;
                case 4 when sessions.TryGetValue(node, out var session):
                    session.Report(new Report
                    {
                        RemovedLinks = { names[random.Next(names.Length)] },
                        LinksPartial = true,
                        Mtu = (uint)round,
                        Released = random.Next(2) == 0,
                    }, Plan);
                    break;
                default:
                    foreach (var message in Next())
                        theirs.Take(SharedAgents.Parser.ParseFrom(Google.Protobuf.MessageExtensions.ToByteArray(message)), Plan, e => throw e);
                    foreach (var (name, here) in _agents.Agents.Value)
                    {
                        var there = leader.Agents.Value[name];
                        Assert.Equal(here.IsConnected, there.IsConnected);
                        if (!here.IsConnected)
                            continue;
                        Assert.Equal("here", there.Replica);
                        Assert.Equal((here.Report!.Mtu, here.Report.Released), (there.Report!.Mtu, there.Report.Released));
                        Assert.Equal(here.Report.Links.ToArray(), there.Report.Links.ToArray());
                    }

                    break;
            }
        }
    }

    private IEnumerable<SharedAgents> Next() => _share.Next(_agents.Agents.Value);

    private AgentSession Connect(string node) =>
        _agents.Connect(new CheckedHello(node, Clusters.Key(node[0] - 'a' + 1), ["192.0.2.1:51820"], "1", VersionSet.One));

    private static Report Report(params LinkReport[] links) => new() { Links = { links } };

    private static LinkReport Link(string peer, ulong received) =>
        new() { Peer = peer, State = Rpc.LinkState.Up, ReceivedBytes = received, Endpoint = "192.0.2.9:1", LastHandshake = new() { Seconds = 77 } };
}
