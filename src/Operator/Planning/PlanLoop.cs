using System.Diagnostics;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Planning;

/// <summary>Plans anew whenever the cluster changes, and publishes what is different.</summary>
internal sealed class PlanLoop(
    ICluster cluster, AgentRegistry agents, OperatorMetrics metrics, TimeProvider time, ILogger<PlanLoop> logger)
    : BackgroundService
{
    /// <summary>
    /// A plan is at rest for so long per agent, and no longer than the limit, before the next: every plan is a message to every agent, and when n nodes
    /// join at once, n plans would be n² messages. The first change after a rest goes out at once.
    /// </summary>
    private static readonly TimeSpan RestPerAgent = TimeSpan.FromMicroseconds(250), LongestRest = TimeSpan.FromMilliseconds(500);

    /// <summary>The plan in force.</summary>
    public Latest<PublishedPlan> Published { get; } = new(PublishedPlan.None);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // neither ends by itself: if one fails, the process is to end and not to go on with half of its work
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var planning = Task.Run(() => PlanAsync(ended.Token), CancellationToken.None);
        var following = cluster.RunAsync(ended.Token);
        await Task.WhenAny(planning, following);
        await ended.CancelAsync();
        await Task.WhenAll(planning, following);
    }

    private async Task PlanAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var state = cluster.Current.Value;
            if (!ReferenceEquals(state, ClusterState.Empty) && Plan(state)) // Empty: the cluster has not been read yet
            {
                var rest = RestPerAgent * agents.Agents.Value.Count;
                await Task.Delay(rest < LongestRest ? rest : LongestRest, time, cancellationToken);
            }

            await cluster.Current.NextAsync(state, cancellationToken);
        }
    }

    /// <summary>Whether agents are told something new.</summary>
    private bool Plan(ClusterState state)
    {
        var before = Published.Value;
        var started = Stopwatch.GetTimestamp();
        var plan = MeshPlanner.Plan(state, before.Plan);
        metrics.Planned(Stopwatch.GetElapsedTime(started));

        var next = before.Next(plan, state.Problems);
        if (ReferenceEquals(next, before))
            return false;

        Published.Publish(next);
        metrics.Published(next);
        if (next.Revision == before.Revision)
            return false;

        // an agent may have come for a node that is newer than what was planned with
        agents.Forget(node => !plan.Nodes.ContainsKey(node) && !cluster.Current.Value.Nodes.Any(known => known.Name == node));
        Log.PlanPublished(logger, next.Revision, plan.Nodes.Count, plan.Peers.Length, plan.Conflicts.Length);
        foreach (var conflict in plan.Conflicts.Except(before.Plan.Conflicts, StringComparer.Ordinal))
            Log.Conflict(logger, conflict);
        return true;
    }
}
