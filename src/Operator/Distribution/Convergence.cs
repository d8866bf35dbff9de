using System.Collections.Immutable;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// Measures how long plans take to reach the agents of this replica: from when a plan is published to when every agent has applied it that had its
/// stream and had applied a plan by then. One that leaves, is released, or whose key the plan does not have is not waited for. A plan that some
/// agent has not applied after <see cref="Limit"/> counts as that long, and so do those after it, which the agent has not applied either; for
/// later ones it is waited for again if it has caught up when they are published, or has another stream. Not thread-safe.
/// </summary>
internal sealed class Convergence(TimeProvider time)
{
    /// <summary>For so long an agent is waited for.</summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>So many plans are measured at a time; what comes on top is not.</summary>
    internal const int MostPending = 256;

    private readonly Queue<(ulong Revision, long PublishedAt)> _pending = new();
    private readonly Dictionary<string, Known> _agents = new(StringComparer.Ordinal);
    private ulong _newest;

    /// <summary>How long until somebody has been waited for too long; null: nobody is waited for.</summary>
    public TimeSpan? Due
    {
        get
        {
            if (!_pending.TryPeek(out var oldest))
                return null;
            var left = Limit - time.GetElapsedTime(oldest.PublishedAt);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>Takes up what is known now.</summary>
    /// <param name="publishedAt">When the plan was published (timestamp).</param>
    /// <returns>How long those plans took that are through.</returns>
    public List<TimeSpan> Update(PublishedPlan published, long publishedAt, ImmutableDictionary<string, AgentStatus> agents)
    {
        var took = new List<TimeSpan>();
        if (published.Revision != _newest && Meet(agents, published) && _pending.Count < MostPending)
            _pending.Enqueue((published.Revision, publishedAt));

        if (_pending.Count == 0)
            return took;

        var behind = Behind(agents, published.Plan);
        while (_pending.TryPeek(out var oldest) && !behind.Exists(agent => IsWaitedFor(agent, oldest.Revision)))
        {
            took.Add(time.GetElapsedTime(oldest.PublishedAt));
            _pending.Dequeue();
        }

        if (Due != TimeSpan.Zero)
            return took;

        // whoever is behind the oldest is behind all
        foreach (var agent in behind.FindAll(agent => IsWaitedFor(agent, _pending.Peek().Revision)))
            _agents[agent.Hello.Node] = _agents[agent.Hello.Node] with { IsGivenUp = true };
        took.AddRange(Enumerable.Repeat(Limit, _pending.Count));
        _pending.Clear();
        return took;
    }

    /// <summary>Takes up who is there when a plan is published.</summary>
    /// <returns>Whether anybody is waited for.</returns>
    private bool Meet(ImmutableDictionary<string, AgentStatus> agents, PublishedPlan published)
    {
        var before = _newest;
        _newest = published.Revision;
        var isAnybody = false;
        foreach (var (node, agent) in agents)
        {
            if (agent is not { IsConnected: true, Replica: null })
                continue;
            if (!_agents.TryGetValue(node, out var known) || known.Stream != agent.Stream)
                known = new Known(agent.Stream, _newest, IsGivenUp: false);
            _agents[node] = known = known with { IsGivenUp = known.IsGivenUp && !agent.HasApplied(before) };
            isAnybody |= !known.IsGivenUp && IsCounted(agent, published.Plan);
        }

        foreach (var gone in _agents.Keys.Where(node => !agents.ContainsKey(node)).ToList())
            _agents.Remove(gone);
        return isAnybody;
    }

    /// <summary>Those of them that have not applied the newest plan.</summary>
    private List<AgentStatus> Behind(ImmutableDictionary<string, AgentStatus> agents, MeshPlan plan) =>
        [.. agents.Values.Where(agent => !agent.HasApplied(_newest) && IsCounted(agent, plan)
            && _agents.TryGetValue(agent.Hello.Node, out var known) && known.Stream == agent.Stream)];

    private bool IsWaitedFor(AgentStatus agent, ulong revision) =>
        !agent.HasApplied(revision) && _agents[agent.Hello.Node] is { IsGivenUp: false } known && known.Since <= revision;

    private static bool IsCounted(AgentStatus agent, MeshPlan plan) =>
        agent is { IsConnected: true, Replica: null, CurrentRevision: > 0, Report: not { Released: true } }
        && plan.Nodes.TryGetValue(agent.Hello.Node, out var node) && node.PublicKey == agent.Hello.PublicKey;

    /// <param name="Since">The first plan that was published when the stream was there.</param>
    /// <param name="IsGivenUp">It was waited for too long.</param>
    private sealed record Known(ulong Stream, ulong Since, bool IsGivenUp);
}
