using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests.Distribution;

public class PlanPrintsTests
{
    [Fact]
    public void Equal_states_have_one_print_and_whatever_agents_are_to_do_differently_another()
    {
        var state = Clusters.Three.With(Clusters.Peer("laptop", 9, 0, "10.99.0.1/32"));
        Assert.Equal(PlanPrints.Of(state.Plan()), PlanPrints.Of(state.Plan()));

        ClusterState[] others =
        [
            Clusters.Three,
            Clusters.Three.With(Clusters.Peer("laptop", 10, 0, "10.99.0.1/32")),
            Clusters.Three.With(Clusters.Peer("laptop", 9, 0, "10.99.0.2/32")),
            Clusters.Three.With(Clusters.Peer("laptop", 9, 0, "10.99.0.1/32") with { Endpoint = "192.0.2.9:1" }),
            state with { Mesh = state.Mesh with { Mtu = 1380 } },
            state with { Mesh = state.Mesh with { Released = true } },
            state.Announcing("c", 3, 0, "192.0.2.77:1"),
        ];
        Assert.Equal(others.Length + 1, others.Append(state).Select(other => PlanPrints.Of(other.Plan())).Distinct().Count());
    }

    [Fact]
    public void A_change_for_nodes_that_speak_a_newer_version_alone_makes_another_print()
    {
        // nodes a and b speak {1, 2}, c speaks 1 alone and has the same in all of these
        var state = Clusters.Three.Announcing("a", 1, VersionSet.Of([1, 2])).Announcing("b", 2, VersionSet.Of([1, 2]));
        ClusterState[] all =
        [
            state,
            Clusters.Three,
            Clusters.Three.Announcing("a", 1, VersionSet.Of([1, 2])),
            state with { Mesh = state.Mesh with { Protocol = new ProtocolRecord(2, 1) } },
            state.Announcing("c", 3, VersionSet.Of([1, 2])) with { Mesh = state.Mesh with { Protocol = new ProtocolRecord(2, 1) } },
        ];
        Assert.Equal(all.Length, all.Select(one => PlanPrints.Of(one.Plan())).Distinct().Count());
    }

    [Fact]
    public void The_way_to_a_plan_does_not_change_its_print()
    {
        var state = Clusters.Three.Announcing("a", 1, VersionSet.Of([1, 2])).With(Clusters.Peer("laptop", 9));
        var other = state.Announcing("b", 2, VersionSet.Of([1, 2])).With(Clusters.Peer("phone", 10));
        Assert.Equal(PlanPrints.Of(state.Plan()), PlanPrints.Of(MeshPlanner.Plan(state.Settled(), other.Plan(state.Plan()))));
    }

    [Fact]
    public void A_plan_that_comes_back_is_known_by_its_newest_revision_and_old_ones_are_forgotten()
    {
        var prints = new PlanPrints();
        var (one, two) = (Clusters.Three.Plan(), Clusters.Three.With(Clusters.Peer("laptop", 9)).Plan());
        var print = prints.Add(new PublishedPlan(1, one, []));
        prints.Add(new PublishedPlan(2, two, []));
        Assert.Equal(print, prints.Add(new PublishedPlan(3, one, [])));
        Assert.Equal((3UL, 0UL), (prints.RevisionOf(print), prints.RevisionOf(print + 1)));
        Assert.Equal((print, print, 0UL), (prints.PrintOf(1), prints.PrintOf(3), prints.PrintOf(4)));

        for (var revision = 4UL; revision < 300; revision++)
            prints.Add(new PublishedPlan(revision, two, []));
        Assert.Equal((0UL, 0UL), (prints.PrintOf(3), prints.RevisionOf(print)));
        Assert.Equal(299UL, prints.RevisionOf(prints.PrintOf(299)));
    }
}
