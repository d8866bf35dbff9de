using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// What the leader alone does: it keeps the mesh's settings and makes the nodes' peers, gives addresses, chooses gateways, and writes every status. All
/// of it bears being done by two at once, for a lease does not fence.
/// </summary>
/// <param name="isLeader">Whether the lease is held at this moment.</param>
/// <param name="space">The operator's namespace.</param>
/// <param name="installed">What the mesh's settings are to say; null: nothing in particular.</param>
internal sealed class Reconciler(
    KubernetesClient client,
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    AgentRegistry agents,
    EventRecorder events,
    OperatorMetrics metrics,
    Func<bool> isLeader,
    string space,
    TimeProvider time,
    ILogger<Reconciler> logger,
    JsonObject? installed = null)
{
    /// <summary>So long after a change of the leader agents that are not connected may be about to come.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>One term of leadership: to be run for as long as the lease is held.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        metrics.IsLeader = true;
        try
        {
            // one informer may be far behind another: what is missing here may be there
            await cluster.RefreshAsync(cancellationToken);
            for (var plan = plans.Value; plan.Revision == 0;)
                plan = await plans.NextAsync(plan, cancellationToken);

            // also in what is remembered nothing is left of an earlier term
            var api = new ApiWriter(client, isLeader, metrics);
            var patience = Task.Delay(Patience, time, cancellationToken);
            await Together.RunAsync(
                cancellationToken,
                new MeshKeeper(cluster, api, installed, events, metrics, time, logger).RunAsync,
                new NodePeers(cluster, plans, agents, api, events, metrics, time, logger).RunAsync,
                new Addresses(cluster, plans, api, space, metrics, time, logger).RunAsync,
                ended => new GatewayWriter(cluster, plans, agents, api, events, metrics, time, logger).RunAsync(patience, ended),
                ended => new StatusWriter(cluster, plans, agents, api, events, metrics, time, logger).RunAsync(patience, ended));
        }
        finally
        {
            metrics.IsLeader = false;
        }
    }
}
