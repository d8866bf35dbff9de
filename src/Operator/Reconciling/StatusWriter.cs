using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// Writes the status of all objects, and only what changed: conditions soon, counters and times at most once a minute for an object
/// (<see cref="StatusPace"/>), so that a quiet mesh writes nothing.
/// </summary>
internal sealed class StatusWriter(
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    AgentRegistry agents,
    ApiWriter api,
    EventRecorder events,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>After a change what follows from it is waited for, so that it is written once.</summary>
    internal static readonly TimeSpan Settling = TimeSpan.FromSeconds(1);

    /// <summary>What was written and is not seen after so long has been overwritten.</summary>
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(10);

    /// <summary>Saying how a large mesh is takes no more than a twentieth of the time.</summary>
    private const int Share = 20;

    private const int Workers = 4, WritesPerSecond = 50, Burst = 100;

    /// <summary>The mesh's key among those of peers: no object has an empty name.</summary>
    private const string MeshKey = "";

    private readonly StatusEvents _events = new(events);
    private readonly WorkQueue<string> _queue = new(time);
    private readonly TokenBucket _all = new(WritesPerSecond, Burst, time);
    private readonly StatusPace _pace = new(time);
    private readonly Newcomers _newcomers = new(time);
    private readonly FailureLog _failures = new(logger, time);
    private readonly ConcurrentDictionary<string, Written> _written = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (PeerOutcome Outcome, ulong Revision)> _changes = new(StringComparer.Ordinal);
    private volatile StatusSet _wanted = new(new Dictionary<string, WireGuardPeerStatus>(), null);

    /// <summary>Works until cancelled.</summary>
    /// <param name="haveAgentsHadTime">Ends when all agents that are there can be expected to be connected.</param>
    public Task RunAsync(Task haveAgentsHadTime, CancellationToken cancellationToken)
    {
        var changed = new Flag(time);
        return Together.RunAsync(
            cancellationToken,
            ended => changed.FollowAsync(cluster, plans, agents, haveAgentsHadTime, ended),
            ended => ComposeAsync(changed, haveAgentsHadTime, ended),
            ended => _queue.RunAsync(Workers, WriteAsync, Failed, ended));
    }

    private async Task ComposeAsync(Flag changed, Task haveAgentsHadTime, CancellationToken cancellationToken)
    {
        var delay = Settling;
        var areSomeNew = false;
        while (true)
        {
            // an agent that has applied nothing does not stay new for saying nothing
            await (areSomeNew ? changed.WaitAsync(Newcomers.Patience, cancellationToken) : changed.WaitAsync(cancellationToken));
            await Task.Delay(delay, time, cancellationToken);
            var started = TimeProvider.System.GetTimestamp();
            try
            {
                areSomeNew = Compose(haveAgentsHadTime.IsCompleted);
            }
            catch (Exception e)
            {
                // that it cannot be said how things are is no reason to let go of the lease, and with it of nodes, addresses and gateways
                metrics.ReconcileFailed("status");
                Log.StatusNotComposed(logger, e);
            }

            var took = TimeProvider.System.GetElapsedTime(started) * Share;
            delay = took > Settling ? took : Settling;
        }
    }

    /// <returns>Whether some agents are new.</returns>
    private bool Compose(bool haveAgentsHadTime)
    {
        var (view, published, known) = (cluster.View.Value, plans.Value, agents.Agents.Value);
        var newcomers = _newcomers.Update(known);
        var wanted = StatusComposer.Compose(new StatusInputs
        {
            Plan = published.Plan,
            View = view,
            Agents = known,
            Newcomers = newcomers,
            Now = time.GetUtcNow(),
            HaveAgentsHadTime = haveAgentsHadTime,
            ChangedIn = outcome => ChangedIn(outcome, published.Revision),
            Stored = name => StoredPeer(view, name),
            StoredMesh = StoredMesh(view),
        });
        _wanted = wanted;

        foreach (var (name, status) in wanted.Peers)
        {
            var stored = StoredPeer(view, name);
            if (stored is null || !StatusPatch.Same(stored, status))
                _queue.Add(name, _pace.Rest(name, view.Peers[name].Object, IsEssential(stored, status)));
        }

        if (wanted.Mesh is { } mesh)
        {
            var stored = StoredMesh(view);
            if (stored is null || !StatusPatch.Same(stored, mesh))
                _queue.Add(MeshKey, _pace.Rest(MeshKey, view.Mesh!, IsEssential(stored, mesh)));
        }

        Forget(view, published.Plan);
        return newcomers.Count > 0;
    }

    private static bool IsEssential(WireGuardPeerStatus? stored, WireGuardPeerStatus wanted) =>
        stored is null || !StatusPatch.SameInEssence(stored, wanted);

    private static bool IsEssential(WireGuardMeshStatus? stored, WireGuardMeshStatus wanted) =>
        stored is null || !StatusPatch.SameInEssence(stored, wanted);

    private ulong ChangedIn(PeerOutcome outcome, ulong revision)
    {
        var key = $"{outcome.Name}/{outcome.Kind}";
        if (!_changes.TryGetValue(key, out var last) || !last.Outcome.Equals(outcome))
            _changes[key] = last = (outcome, revision);
        return last.Revision;
    }

    private async Task WriteAsync(string key, CancellationToken cancellationToken)
    {
        // it may have waited for long
        var (view, wanted) = (cluster.View.Value, _wanted);
        if (key == MeshKey)
        {
            if (view.Mesh is not { } mesh || wanted.Mesh is not { } meshStatus || IsRefused(key, mesh))
                return;
            var before = StoredMesh(view);
            if (before is not null && StatusPatch.Same(before, meshStatus))
                return;

            if (await ApplyAsync(
                key, CustomResources.StoredMeshes, mesh, StatusPatch.Write(meshStatus), IsEssential(before, meshStatus),
                isUsable: view.MeshProblems.IsEmpty, cancellationToken))
                _events.Tell(mesh, before, meshStatus);
            return;
        }

        if (!view.Peers.TryGetValue(key, out var peer) || !wanted.Peers.TryGetValue(key, out var status) || IsRefused(key, peer.Object))
            return;
        var stored = StoredPeer(view, key);
        if (stored is not null && StatusPatch.Same(stored, status))
            return;

        if (await ApplyAsync(
            key, CustomResources.StoredPeers, peer.Object, StatusPatch.Write(status), IsEssential(stored, status),
            isUsable: peer.Unusable is null, cancellationToken))
            _events.Tell(peer, view.Nodes.GetValueOrDefault(peer.Owner?.Name ?? peer.Record?.NodeName ?? ""), stored, status);
    }

    /// <returns>Whether that was done; if not, it is not time yet, and it comes back.</returns>
    private async Task<bool> ApplyAsync(
        string key, ResourceType<StoredResource> type, StoredResource item, JsonObject status, bool inEssence, bool isUsable,
        CancellationToken cancellationToken)
    {
        // what made it urgent may have changed back, and the queue brings what failed sooner than it should be tried again
        var rest = _pace.Rest(key, item, inEssence);
        if (rest > TimeSpan.Zero)
        {
            _queue.Add(key, rest);
            return false;
        }

        await _all.TakeAsync(cancellationToken);
        try
        {
            var result = await api.ApplyStatusAsync(type, item.Metadata, status, ApiWriter.StatusManager, cancellationToken);
            _written[key] = new Written(item, result, time.GetTimestamp());
            _pace.Written(key, inEssence);
        }
        catch (ApiException e) when (!isUsable && e.StatusCode is 400 or 422 or 500)
        {
            // an API server takes no status for an object whose spec its schema would not take; an event is all that people can be told by
            _written[key] = new Written(item, null, time.GetTimestamp());
            Log.StatusRefused(logger, $"{item.Kind} {item.Metadata.Name}", e.Message);
        }
        catch (Exception)
        {
            _pace.Failed(key, item);
            throw;
        }

        return true;
    }

    /// <summary>The newest that is known to be stored: what was written may not be seen yet.</summary>
    private WireGuardPeerStatus? StoredPeer(ClusterView view, string name)
    {
        var peer = view.Peers[name];
        return IsNewest(name, peer.Object, out var written) ? written.PeerStatus : peer.Status;
    }

    private WireGuardMeshStatus? StoredMesh(ClusterView view) =>
        view.Mesh is null ? null : IsNewest(MeshKey, view.Mesh, out var written) ? written.MeshStatus : view.Mesh.ReadMeshStatus();

    private bool IsNewest(string key, StoredResource seen, out Written written) =>
        _written.TryGetValue(key, out written!) && written.Result is not null
        && ReferenceEquals(written.Before, seen) && time.GetElapsedTime(written.At) < Unseen;

    private bool IsRefused(string key, StoredResource item) =>
        _written.TryGetValue(key, out var written) && written.Result is null && ReferenceEquals(written.Before, item);

    private void Forget(ClusterView view, MeshPlan plan)
    {
        if (_written.Count > view.Peers.Count + 100)
        {
            foreach (var name in _written.Keys.Where(name => name != MeshKey && !view.Peers.ContainsKey(name)))
                _written.TryRemove(name, out _);
            _pace.Forget(name => name != MeshKey && !view.Peers.ContainsKey(name));
        }

        if (_changes.Count > 2 * plan.Outcomes.Length + 100)
        {
            var keys = plan.Outcomes.Select(outcome => $"{outcome.Name}/{outcome.Kind}").ToHashSet(StringComparer.Ordinal);
            foreach (var key in _changes.Keys.Where(key => !keys.Contains(key)).ToList())
                _changes.Remove(key);
        }
    }

    private void Failed(string key, Exception e)
    {
        metrics.ReconcileFailed("status");
        // it is gone, or another of its name is there: the next look at the cluster shows it
        if (e is not ApiException { StatusCode: 404 or 409 })
            _failures.Failed(key == MeshKey ? "the status of the mesh" : $"the status of WireGuardPeer {key}", e);
    }

    /// <param name="Before">The object as it was seen when it was written.</param>
    /// <param name="Result">The object as it was stored then; null: it was refused.</param>
    private sealed record Written(StoredResource Before, StoredResource? Result, long At)
    {
        public WireGuardPeerStatus? PeerStatus => field ??= Result?.ReadPeerStatus();

        public WireGuardMeshStatus? MeshStatus => field ??= Result?.ReadMeshStatus();
    }
}
