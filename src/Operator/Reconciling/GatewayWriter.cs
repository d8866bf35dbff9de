using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>Which gateway the other nodes reach a device through: the one that the device really uses.</summary>
internal static class GatewayChoice
{
    /// <summary>
    /// Stays with a gateway for as long as its agent is connected and its link to the device is up, or merely idle while no other gateway's is up.
    /// Else takes one whose link is up, else one whose agent is connected, the first by name each.
    /// </summary>
    /// <param name="peer">The device.</param>
    /// <param name="gateways">The nodes that admit it, ordered by name.</param>
    /// <param name="current">The gateway now; null: none yet.</param>
    /// <param name="haveAgentsHadTime">If not, an agent that is not connected may be about to come.</param>
    /// <returns>Null: there is none.</returns>
    public static string? Choose(
        string peer,
        ImmutableArray<string> gateways,
        string? current,
        ImmutableDictionary<string, AgentStatus> agents,
        bool haveAgentsHadTime)
    {
        var isStill = current is not null && gateways.Contains(current, StringComparer.Ordinal);
        var firstUp = gateways.FirstOrDefault(node => StateOf(node) == LinkState.Up);
        if (isStill && (StateOf(current!) == LinkState.Up || (StateOf(current!) == LinkState.Idle && firstUp is null)))
            return current;
        if (firstUp is not null)
            return firstUp;
        if (isStill && !haveAgentsHadTime && !IsConnected(current!))
            return current;

        return gateways.FirstOrDefault(node => StateOf(node) == LinkState.Idle)
            ?? (isStill && IsConnected(current!) ? current : gateways.FirstOrDefault(IsConnected))
            ?? (isStill ? current : gateways.FirstOrDefault());

        bool IsConnected(string node) => agents.TryGetValue(node, out var agent) && agent.IsConnected;

        // an agent that has not said yet is not worse than one that has nothing to say
        LinkState? StateOf(string node) =>
            !agents.TryGetValue(node, out var agent) || !agent.IsConnected ? null
            : agent.Report is { } report && LinkTally.Find(report, peer) is { } link ? link.State
            : LinkState.Idle;
    }
}

/// <summary>Moves devices from gateway to gateway, by <c>status.gateway</c> of their peers: every replica plans with that.</summary>
internal sealed class Gateways(
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    AgentRegistry agents,
    ApiWriter api,
    EventRecorder events,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>What was written and is not seen after so long is written again.</summary>
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, (string? Gateway, long At)> _written = new(StringComparer.Ordinal);

    /// <summary>Works until cancelled.</summary>
    /// <param name="haveAgentsHadTime">Ends when all agents that are there can be expected to be connected.</param>
    public async Task RunAsync(Task haveAgentsHadTime, CancellationToken cancellationToken)
    {
        var changed = new Flag(time);
        await Together.RunAsync(
            cancellationToken,
            ended => cluster.View.FollowAsync(_ => changed.Raise(), ended),
            ended => plans.FollowAsync(_ => changed.Raise(), ended),
            ended => agents.Agents.FollowAsync(_ => changed.Raise(), ended),
            async ended =>
            {
                while (true)
                {
                    var hadTime = haveAgentsHadTime.IsCompleted;
                    var isDone = await ChooseAsync(hadTime, ended);
                    await Task.Delay(Pause, time, ended);
                    if (isDone && hadTime)
                        await changed.WaitAsync(ended);
                    else
                        await changed.WaitAsync(Unseen, ended);
                }
            });
    }

    /// <summary>Whether every choice is stored.</summary>
    private async Task<bool> ChooseAsync(bool haveAgentsHadTime, CancellationToken cancellationToken)
    {
        var (view, plan, known) = (cluster.View.Value, plans.Value.Plan, agents.Agents.Value);
        var isDone = true;
        foreach (var outcome in plan.Outcomes)
        {
            if (!view.Peers.TryGetValue(outcome.Name, out var peer) || peer.Owner is not null || outcome.Node is not null)
                continue;
            // what is refused for now keeps it for when it is not
            if (!outcome.IsServed && peer.Record is null or { GatewaySelector: not null })
                continue;

            var stored = peer.Status?.Gateway is { Length: > 0 } gateway ? gateway : null;
            if (outcome.GatewayNodes.IsEmpty && stored is null)
                continue;

            var chosen = GatewayChoice.Choose(peer.Name, outcome.GatewayNodes, stored, known, haveAgentsHadTime);
            if (chosen == stored)
            {
                _written.Remove(peer.Name);
                continue;
            }

            isDone = false;
            if (_written.TryGetValue(peer.Name, out var written) && written.Gateway == chosen && time.GetElapsedTime(written.At) < Unseen)
                continue;
            _written[peer.Name] = (chosen, time.GetTimestamp());
            await StoreAsync(peer, stored, chosen, cancellationToken);
        }

        return isDone;
    }

    private async Task StoreAsync(StoredPeer peer, string? before, string? chosen, CancellationToken cancellationToken)
    {
        try
        {
            var status = new JsonObject();
            if (chosen is not null)
                status["gateway"] = chosen;
            await api.ApplyStatusAsync(CustomResources.StoredPeers, peer.Object.Metadata, status, ApiWriter.GatewaysManager, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            metrics.ReconcileFailed("gateways");
            Log.ReconcileFailed(logger, $"the gateway of WireGuardPeer {peer.Name}", e.Message);
            return;
        }

        if (before is null || chosen is null)
            return;
        events.Record(peer.Object, isWarning: false, "GatewayChanged", $"Other nodes reach the device through node {chosen} now, and no longer through {before}");
        Log.GatewayChanged(logger, peer.Name, before, chosen);
    }
}
