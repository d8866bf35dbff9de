using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Planning;
using static WgMesh.Operator.Tests.Reconciling.KnownAgents;

namespace WgMesh.Operator.Tests.Telemetry;

public class MeshFiguresTests
{
    private static readonly MeshPlan Plan = Clusters.Three.With(Clusters.Peer("laptop", 9)).Plan();

    [Fact]
    public void Agents_that_are_connected_count_by_their_version_wherever_they_are()
    {
        var (a, b, c) = (Agent("a", Link("b", LinkState.Up)), Agent("b", Link("a", LinkState.Down)), Agent("c", Link("laptop", LinkState.Idle)));
        a.Agent = a.Agent with { Replica = "other", Report = a.Agent.Report! with { Errors = ["no"] } };
        b.Agent = b.Agent with { Hello = b.Agent.Hello with { Version = "2.0" } };
        var figures = Figures(a, b, c, Agent("x"));
        Assert.Equal([("1.0", 2), ("2.0", 1)], figures.Versions.Select(entry => (entry.Key, entry.Value)).Order());
        Assert.Equal((new LinkCounts(1, 0, 1), 1), (figures.Links, figures.NodesWithFaults));
        Assert.Equal(new LinkCounts(0, 1, 0), figures.NodeLinks["b"]);

        c.Agent = c.Agent with { IsConnected = false };
        a.Agent = a.Agent with { IsConnected = false };
        figures = Figures(a, b, c);
        Assert.Equal(("2.0", 1), (Assert.Single(figures.Versions).Key, figures.Versions["2.0"]));
        Assert.Equal(0, figures.NodesWithFaults);
        Assert.Equal(["b"], figures.NodeLinks.Keys);
    }

    [Fact]
    public void So_many_versions_are_told_apart_those_of_the_most_agents_first()
    {
        var cluster = Enumerable.Range(0, 50).Aggregate(Clusters.Three, (cluster, i) => cluster.With(Clusters.Node($"n{i}")).Announcing($"n{i}", 100 + i));
        var agents = Enumerable.Range(0, 50).Select(i => Agent($"n{i}")).Select((agent, i) =>
            (agent.Node, agent.Agent with { Hello = agent.Agent.Hello with { Version = i < 10 ? "the most" : $"{i}" } }));
        var figures = MeshFigures.Of(cluster.Plan(), Known([.. agents]), new ManualTime());
        Assert.Equal(MeshFigures.MostVersions + 1, figures.Versions.Count);
        Assert.Equal((10, 50 - 10 - (MeshFigures.MostVersions - 1)), (figures.Versions["the most"], figures.Versions[MeshFigures.OtherVersions]));
        Assert.Equal(50, figures.Versions.Values.Sum());
    }

    private static MeshFigures Figures(params (string Node, AgentStatus Agent)[] agents) => MeshFigures.Of(Plan, Known(agents), new ManualTime());
}
