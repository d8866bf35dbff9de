using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>Moves devices from gateway to gateway, by <c>status.gateway</c> of their peers: every replica plans with that.</summary>
internal sealed class GatewayWriter(
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    AgentRegistry agents,
    ApiWriter api,
    EventRecorder events,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    private const int Writers = 8;

    /// <summary>Looking at a large mesh takes no more than a twentieth of the time.</summary>
    private const int Share = 20;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>What was written and is not seen after so long is written again.</summary>
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, Device> _devices = new(StringComparer.Ordinal);

    /// <summary>Works until cancelled.</summary>
    /// <param name="haveAgentsHadTime">Ends when all agents that are there can be expected to be connected.</param>
    public async Task RunAsync(Task haveAgentsHadTime, CancellationToken cancellationToken)
    {
        var changed = new Flag(time);
        await Together.RunAsync(
            cancellationToken,
            ended => changed.FollowAsync(cluster, plans, agents, haveAgentsHadTime, ended),
            async ended =>
            {
                while (true)
                {
                    var started = TimeProvider.System.GetTimestamp();
                    var open = Choose(haveAgentsHadTime.IsCompleted);
                    var rest = TimeProvider.System.GetElapsedTime(started) * Share;
                    var due = open.FindAll(one => one.Device.Due(one.Chosen, time) <= TimeSpan.Zero);
                    await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = Writers, CancellationToken = ended },
                        async (one, cancellation) => one.Device.Wrote(one.Chosen, await StoreAsync(one, cancellation), time));

                    await Task.Delay(rest > Pause ? rest : Pause, time, ended);
                    if (open.Count == 0)
                        await changed.WaitAsync(ended);
                    else if (open.Min(one => one.Device.Due(one.Chosen, time)) is var wait && wait > TimeSpan.Zero)
                        await changed.WaitAsync(wait, ended);
                }
            });
    }

    /// <summary>The choices that are not stored.</summary>
    private List<Move> Choose(bool haveAgentsHadTime)
    {
        var (view, plan, known) = (cluster.View.Value, plans.Value.Plan, agents.Agents.Value);
        var open = new List<Move>();
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

            if (!_devices.TryGetValue(peer.Name, out var device) || device.Uid != peer.Uid)
                _devices[peer.Name] = device = new Device(peer.Uid);
            var chosen = GatewayChoice.Choose(peer.Name, outcome.GatewayNodes, stored, device.Tried, known, haveAgentsHadTime);
            if (chosen == stored)
                device.IsStored();
            else
                open.Add(new Move(device.Chose(chosen, GatewayChoice.MayComeUp(peer.Name, outcome.GatewayNodes, stored, known), time), peer, stored, chosen));
        }

        foreach (var name in _devices.Keys.Where(name => !view.Peers.ContainsKey(name)).ToList())
            _devices.Remove(name);
        return open;
    }

    /// <summary>Whether it was written.</summary>
    private async Task<bool> StoreAsync(Move move, CancellationToken cancellationToken)
    {
        var (_, peer, before, chosen) = move;
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
            return false;
        }

        if (before is null || chosen is null)
            return true;
        events.Record(peer.Object, isWarning: false, "GatewayChanged", $"Other nodes reach the device through node {chosen} now, and no longer through {before}");
        Log.GatewayChanged(logger, peer.Name, before, chosen);
        return true;
    }

    /// <summary>A device is to be moved.</summary>
    private sealed record Move(Device Device, StoredPeer Peer, string? Before, string? Chosen);

    /// <summary>What is remembered of a device.</summary>
    internal sealed class Device(string uid)
    {
        private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);

        /// <summary>A gateway that may come up is given so long.</summary>
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

        private (string? Gateway, long At)? _better; // than one that may come up
        private string? _gateway;
        private long _at;
        private TimeSpan _wait; // zero: nothing was written
        private bool _hasFailed;

        public string Uid { get; } = uid;

        public HashSet<string> Tried { get; } = new(StringComparer.Ordinal);

        /// <summary>Another gateway is chosen than the one that is stored.</summary>
        /// <param name="mayComeUp">Whether the stored one may be the right one all the same.</param>
        public Device Chose(string? gateway, bool mayComeUp, TimeProvider time)
        {
            if (!mayComeUp)
                _better = null;
            else if (_better is not { } better || better.Gateway != gateway)
                _better = (gateway, time.GetTimestamp());
            return this;
        }

        /// <summary>How long it is until this is to be written.</summary>
        public TimeSpan Due(string? gateway, TimeProvider time)
        {
            var patience = _better is { } better ? Patience - time.GetElapsedTime(better.At) : TimeSpan.Zero;
            var rest = _wait == TimeSpan.Zero || (!_hasFailed && _gateway != gateway) ? TimeSpan.Zero : _wait - time.GetElapsedTime(_at);
            return rest > patience ? rest : patience;
        }

        /// <summary>What was written is seen after a moment; what failed is tried again after a delay that doubles.</summary>
        public void Wrote(string? gateway, bool isWritten, TimeProvider time)
        {
            var next = !_hasFailed ? FirstDelay : _wait * 2 < Unseen ? _wait * 2 : Unseen;
            (_gateway, _at, _hasFailed, _wait) = (gateway, time.GetTimestamp(), !isWritten, isWritten ? Unseen : next);
        }

        public void IsStored() => (_better, _wait, _hasFailed) = (null, TimeSpan.Zero, false);
    }
}
