using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>
/// The cluster as a Kubernetes API server has it: nodes, peers, the mesh's settings, and the Secrets that peers refer to. What agents announce
/// comes back as the peers that the leader makes of it. Thread-safe.
/// </summary>
internal sealed class KubernetesCluster : ICluster
{
    /// <summary>What comes in a burst is planned with in one go.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly Informer<Node> _nodes;
    private readonly Informer<StoredResource> _peers;
    private readonly Informer<StoredResource> _meshes;
    private readonly PresharedKeys _keys;
    private readonly ClusterComposer _composer;
    private readonly TimeProvider _time;
    private readonly ILogger<KubernetesCluster> _logger;
    private readonly Lock _lock = new();
    private readonly Flag _changed;
    private readonly HashSet<string> _changedNodes = new(StringComparer.Ordinal); // under the lock, as all below
    private readonly HashSet<string> _changedPeers = new(StringComparer.Ordinal);
    private bool _isDirty;
    private bool _hasKeys;
    private volatile bool _isComplete;

    /// <param name="space">The operator's namespace: that of Secrets that are named without one.</param>
    public KubernetesCluster(KubernetesClient client, string space, TimeProvider time, ILogger<KubernetesCluster> logger)
    {
        (_time, _logger, _changed) = (time, logger, new Flag(time));
        _composer = new ClusterComposer(space);
        _keys = new PresharedKeys(client, time, logger);
        _keys.Changed += () => Note(null, []);
        _nodes = new Informer<Node>(client, ResourceTypes.Nodes, new InformerOptions(), time, logger);
        _nodes.Changed += change => Note(_changedNodes, change.Changed);
        _peers = new Informer<StoredResource>(client, CustomResources.StoredPeers, new InformerOptions(), time, logger);
        _peers.Changed += change => Note(_changedPeers, change.Changed);
        _meshes = new Informer<StoredResource>(client, CustomResources.StoredMeshes, new InformerOptions(), time, logger);
        _meshes.Changed += _ => Note(null, []);
    }

    /// <inheritdoc/>
    public Latest<ClusterState> Current { get; } = new(ClusterState.Empty);

    /// <summary>Whether <see cref="Current"/> and <see cref="View"/> are the whole cluster.</summary>
    public bool IsComplete => _isComplete;

    /// <summary>Complete lists after the first, of all kinds.</summary>
    public long Relists => _nodes.Relists + _peers.Relists + _meshes.Relists;

    /// <summary>Whether the API server cannot be asked, so that all this may be old.</summary>
    public bool IsInOutage => _nodes.IsInOutage || _peers.IsInOutage || _meshes.IsInOutage;

    /// <summary>The objects that <see cref="Current"/> came of; empty until that is complete.</summary>
    public Latest<ClusterView> View { get; } = new(ClusterView.Empty);

    /// <summary>Agents' words reach the leader, which writes them into peers; nothing is kept here.</summary>
    public void Announce(string node, PublicKey key, ImmutableArray<string> endpoints, VersionSet versions)
    {
    }

    /// <inheritdoc/>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Together.RunAsync(cancellationToken, _nodes.RunAsync, _peers.RunAsync, _meshes.RunAsync, ComposeAsync);

    /// <summary>
    /// What the API server has now, and not what it had a moment ago: a new leader must see all that the one before it wrote. It waits for
    /// <see cref="IsComplete"/>.
    /// </summary>
    public async Task<ClusterView> RefreshAsync(CancellationToken cancellationToken)
    {
        for (var view = View.Value; !IsComplete;)
            view = await View.NextAsync(view, cancellationToken);
        await Task.WhenAll(
            _nodes.RefreshAsync(cancellationToken), _peers.RefreshAsync(cancellationToken), _meshes.RefreshAsync(cancellationToken));
        lock (_lock)
        {
            Compose();
            return View.Value;
        }
    }

    private async Task ComposeAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(
            _nodes.WaitForSyncAsync(cancellationToken), _peers.WaitForSyncAsync(cancellationToken), _meshes.WaitForSyncAsync(cancellationToken));
        lock (_lock)
            Compose();
        await _keys.LookUpFirstAsync(cancellationToken);
        lock (_lock)
        {
            _hasKeys = true;
            _isDirty = true;
            Compose();
        }

        await Together.RunAsync(cancellationToken, _keys.RunAsync, ComposeChangesAsync);
    }

    private async Task ComposeChangesAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _changed.WaitAsync(cancellationToken);
            lock (_lock)
                Compose();
            await Task.Delay(Pause, _time, cancellationToken);
        }
    }

    private void Note(HashSet<string>? names, IReadOnlyCollection<string> changed)
    {
        lock (_lock)
        {
            names?.UnionWith(changed);
            _isDirty = true;
            _changed.Raise();
        }
    }

    // under the lock
    private void Compose()
    {
        if (!_isDirty || !_nodes.HasSynced || !_peers.HasSynced || !_meshes.HasSynced)
            return;

        var before = _composer.Current;
        var view = _composer.Update(_nodes.Current, _peers.Current, _meshes.Current, _keys.Current, _changedNodes, _changedPeers);
        _isDirty = false;
        _changedNodes.Clear();
        _changedPeers.Clear();
        if (view.State.Peers != before.State.Peers)
            _keys.Want([.. view.State.Peers.Select(peer => peer.PresharedKey).OfType<SecretReference>()]);
        foreach (var problem in view.State.Problems.Except(before.State.Problems, StringComparer.Ordinal))
            Log.ObjectProblem(_logger, problem);
        if (!_hasKeys)
            return;

        _isComplete = true;
        View.Publish(view);
        if (!ReferenceEquals(Current.Value, view.State))
            Current.Publish(view.State);
    }
}
