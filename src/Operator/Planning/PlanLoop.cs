using System.Diagnostics;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Planning;

/// <summary>Plans anew whenever the cluster changes, and publishes what is different.</summary>
internal sealed class PlanLoop(
    ICluster cluster, AgentRegistry agents, OperatorMetrics metrics, ILogger<PlanLoop> logger)
    : BackgroundService
{
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
            if (!ReferenceEquals(state, ClusterState.Empty)) // else the cluster has not been read yet
                Plan(state);

            await cluster.Current.NextAsync(state, cancellationToken);
        }
    }

    private void Plan(ClusterState state)
    {
        var before = Published.Value;
        var started = Stopwatch.GetTimestamp();
        var plan = MeshPlanner.Plan(state, before.Plan);
        metrics.Planned(Stopwatch.GetElapsedTime(started));

        var next = before.Next(plan, state.Problems);
        if (ReferenceEquals(next, before))
            return;

        Published.Publish(next);
        metrics.Published(next);
        if (next.Revision == before.Revision)
            return;

        // an agent may have come for a node that is newer than what was planned with
        agents.Forget(node => !plan.Nodes.ContainsKey(node) && !cluster.Current.Value.Nodes.Any(known => known.Name == node));
        Log.PlanPublished(logger, next.Revision, plan.Nodes.Count, plan.Peers.Length, plan.Conflicts.Length);
        foreach (var conflict in plan.Conflicts.Except(before.Plan.Conflicts, StringComparer.Ordinal))
            Log.Conflict(logger, conflict);
    }
}
