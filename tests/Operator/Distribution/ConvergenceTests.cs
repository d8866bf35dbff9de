using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Tests.Planning;
using static WgMesh.Operator.Tests.Reconciling.KnownAgents;

namespace WgMesh.Operator.Tests.Distribution;

/// <summary>Of nodes a, b and c, whose agents have applied revision 5.</summary>
public class ConvergenceTests
{
    private static readonly MeshPlan Plan = Clusters.Three.Plan();

    private readonly ManualTime _time = new();
    private readonly Convergence _convergence;
    private ImmutableDictionary<string, AgentStatus> _agents = Known(Agent("a"), Agent("b"), Agent("c"));
    private ulong _revision;
    private long _publishedAt;

    public ConvergenceTests()
    {
        _convergence = new Convergence(_time);
        Assert.Empty(Publish(0)); // nothing was planned yet
    }

    [Fact]
    public void A_plan_takes_from_its_publication_until_the_last_agent_has_applied_it()
    {
        Assert.Empty(Publish(6));
        Assert.Empty(Apply("a", 6, after: 0.1));
        Assert.Empty(Apply("c", 6, after: 0.2));
        Assert.Equal([0.7], Apply("b", 6, after: 0.4));
        Assert.Null(_convergence.Due);
        Assert.Empty(Apply("b", 7, after: 1));
    }

    [Fact]
    public void Whoever_applies_a_later_plan_has_applied_those_before()
    {
        Publish(6);
        Pass(1);
        Publish(7);
        Apply("a", 7);
        Apply("b", 6);
        Assert.Equal([3.0], Apply("c", 7, after: 2)); // 7 waits for b
        Assert.Equal([3.0], Apply("b", 7, after: 1));
    }

    [Fact]
    public void Nobody_waits_for_agents_that_come_later_leave_or_are_another_replicas()
    {
        Set("b", agent => agent with { Replica = "other" });
        Publish(6);
        Assert.Empty(Apply("a", 6, after: 1));
        Set("d", _ => Agent("d").Agent);           // which the plan does not have
        Set("b", agent => agent with { Replica = null, Stream = 2 }); // it moved here later
        Assert.Equal([2.0], Set("c", agent => agent with { IsConnected = false }, after: 1));

        Publish(7);
        Assert.Empty(Apply("a", 7));
        Assert.Equal([1.0], Apply("b", 7, after: 1));
    }

    [Fact]
    public void An_agent_that_comes_between_two_plans_is_waited_for_with_the_second()
    {
        Publish(6);
        Set("b", agent => agent with { Stream = 2 });
        Publish(7);
        Apply("a", 7);
        Assert.Equal([1.0], Apply("c", 7, after: 1));
        Assert.Equal([3.0], Apply("b", 7, after: 2));
    }

    [Fact]
    public void Nobody_waits_for_an_agent_that_has_applied_nothing_yet_has_released_or_has_another_key()
    {
        Set("a", agent => agent with { CurrentRevision = 0 });
        Set("b", agent => agent with { Report = agent.Report! with { Released = true } });
        Publish(6);
        Assert.Equal([1.0], Apply("c", 6, after: 1));
        Set("c", agent => agent with { Hello = agent.Hello with { PublicKey = Clusters.Key(77) } });
        Assert.Empty(Publish(7)); // there is nobody to apply it: nothing to measure
        Assert.Null(_convergence.Due);
    }

    [Fact]
    public void A_plan_without_agents_is_not_measured()
    {
        _agents = _agents.Clear();
        Assert.Empty(Publish(6));
        Assert.Empty(Set("a", _ => Agent("a").Agent with { CurrentRevision = 6 }));
        Assert.Null(_convergence.Due);
    }

    [Fact]
    public void An_agent_that_never_answers_costs_the_plans_of_two_minutes_and_none_after_them()
    {
        var limit = Convergence.Limit.TotalSeconds;
        Publish(6);
        Apply("a", 6);
        Apply("b", 6);
        Assert.Equal(Convergence.Limit, _convergence.Due);
        Pass(limit - 1);
        Assert.Empty(Publish(7));
        Apply("a", 7);
        Apply("b", 7);
        Assert.Equal(TimeSpan.FromSeconds(1), _convergence.Due);
        Pass(1);
        Assert.Equal([limit, limit], Update());
        Assert.Null(_convergence.Due);

        Publish(8);
        Assert.Empty(Apply("a", 8));
        Assert.Equal([1.0], Apply("b", 8, after: 1));

        Apply("c", 8); // it has caught up
        Publish(9);
        Apply("a", 9);
        Assert.Empty(Apply("b", 9));
        Assert.Equal([2.0], Apply("c", 9, after: 2));
    }

    [Fact]
    public void An_agent_that_was_given_up_is_waited_for_again_when_it_has_another_stream()
    {
        Publish(6);
        Apply("a", 6);
        Apply("b", 6);
        Pass(Convergence.Limit.TotalSeconds);
        Assert.Single(Update());
        Set("c", agent => agent with { Stream = 2 });
        Publish(7);
        Apply("a", 7);
        Assert.Empty(Apply("b", 7));
        Assert.Equal([1.0], Apply("c", 7, after: 1));
    }

    [Fact]
    public void So_many_plans_are_measured_at_a_time_and_no_more()
    {
        for (var revision = 6UL; revision < 6 + 2 * Convergence.MostPending; revision++)
            Assert.Empty(Publish(revision));
        Apply("a", 10_000);
        Apply("b", 10_000);
        Assert.Equal(Convergence.MostPending, Apply("c", 10_000).Length);
    }

    private double[] Publish(ulong revision)
    {
        (_revision, _publishedAt) = (revision, _time.GetTimestamp());
        return Update();
    }

    private double[] Apply(string node, ulong revision, double after = 0) => Set(node, agent => agent with { CurrentRevision = revision }, after);

    private double[] Set(string node, Func<AgentStatus, AgentStatus> change, double after = 0)
    {
        Pass(after);
        _agents = _agents.SetItem(node, change(_agents.GetValueOrDefault(node)!));
        return Update();
    }

    private void Pass(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    /// <summary>How long plans took, in seconds.</summary>
    private double[] Update() =>
        [.. _convergence.Update(new PublishedPlan(_revision, Plan, []), _publishedAt, _agents).Select(took => Math.Round(took.TotalSeconds, 6))];
}
