using System.Collections.Immutable;
using System.Text;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.State;

/// <summary>
/// The cluster without Kubernetes: what a folder of manifests says, and what the operator keeps itself. A state is published when
/// everything that the operator decided for it is kept: the addresses given, since when an object is there. Thread-safe.
/// </summary>
internal sealed class StandaloneCluster : ICluster
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly ManifestFolder _manifests;
    private readonly StateFolder _kept;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private ClusterState? _newest;  // under the lock, like all below; what is published once it is kept
    private KeptMesh? _mesh;
    private bool _isKept;           // whether all of the newest but what agents announced is
    private string? _complaint;     // why it is not; told once

    /// <summary>Reads everything once; the first state is there when this returns, unless it could not be kept.</summary>
    public StandaloneCluster(ManifestFolder manifests, StateFolder kept, TimeProvider time, ILogger<StandaloneCluster> logger)
    {
        (_manifests, _kept, _time, _logger) = (manifests, kept, time, logger);
        _manifests.Load();
        _mesh = kept.Mesh;
        lock (_lock)
            Publish(Compose(_manifests.Current.Value));
    }

    /// <inheritdoc/>
    public Latest<ClusterState> Current { get; } = new(ClusterState.Empty);

    /// <summary>Follows the manifests until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var seen = _manifests.Current.Value;
        Task[] tasks = [_manifests.WatchAsync(ended.Token), FollowAsync(seen, ended.Token), RetryAsync(ended.Token)];
        await Task.WhenAny(tasks); // none ends by itself
        await ended.CancelAsync();
        await Task.WhenAll(tasks);
    }

    /// <summary>Takes up what a node's agent said of itself. The node is known.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    public void Announce(string node, PublicKey key, ImmutableArray<string> endpoints, VersionSet versions)
    {
        lock (_lock)
        {
            // the peer is as old as the node's first word, whatever it said later
            var before = _kept.Announcements.GetValueOrDefault(node);
            var announcement = new Announcement(key, endpoints, before?.Since ?? _time.GetUtcNow()) { Versions = versions };
            if (announcement.Equals(before))
                return;

            _kept.Announce(node, announcement);
            Publish(_newest! with { Announcements = _kept.Announcements });
        }
    }

    private async Task FollowAsync(Manifests seen, CancellationToken cancellationToken)
    {
        while (true)
        {
            seen = await _manifests.Current.NextAsync(seen, cancellationToken);
            lock (_lock)
                Publish(Compose(seen));
        }
    }

    private async Task RetryAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(Retry, _time, cancellationToken);
            lock (_lock)
            {
                if (!_isKept)
                    Publish(_newest!);
            }
        }
    }

    /// <summary>
    /// Gives the addresses that are missing, keeps what is new, and forgets what is gone; only then anybody is told. If it cannot be
    /// kept the state before stays, and it is tried again.
    /// </summary>
    private void Publish(ClusterState state)
    {
        _newest = state with { Addresses = _kept.Addresses };
        var addresses = AddressPlanner.Give(_newest);
        _isKept &= ReferenceEquals(addresses, _kept.Addresses);
        try
        {
            if (!_isKept)
            {
                _kept.Keep(
                    state.Nodes.Select(node => (node.Name, node.Created)),
                    state.Peers.Select(peer => (peer.Name, peer.Created)),
                    addresses,
                    _mesh);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (e.Message != _complaint)
                Log.StateNotKept(_logger, e.Message);
            _complaint = e.Message;
            return;
        }

        (_isKept, _complaint) = (true, null);
        _newest = _newest with { Announcements = _kept.Announcements, Addresses = _kept.Addresses };
        Current.Publish(_newest);
    }

    private ClusterState Compose(Manifests manifests)
    {
        var (now, before) = (_time.GetUtcNow(), _newest);
        _isKept = false;
        var nodes = manifests.Objects.OfType<Node>().ToLookup(node => node.IsOutside());
        var peers = manifests.Objects.OfType<WireGuardPeer>();
        var nodesBefore = before?.Nodes.ToDictionary(node => node.Name, node => node.Created, StringComparer.Ordinal);
        var peersBefore = before?.Peers.ToDictionary(peer => peer.Name, peer => peer.Created, StringComparer.Ordinal);
        var secrets = manifests.Objects.OfType<Secret>()
            .DistinctBy(secret => (secret.NamespaceOrDefault(), secret.Metadata.Name)) // the manifests give each once
            .ToDictionary(secret => (secret.NamespaceOrDefault(), secret.Metadata.Name));

        var problems = manifests.Problems.ToList();
        var declared = peers.Select(peer => Records.From(
            peer.Spec, peer.Metadata.Name, Since(peer, peersBefore, _kept.PeerSince), generation: 0, Secret.DefaultNamespace)).ToImmutableArray();
        return new ClusterState
        {
            Mesh = manifests.Objects.OfType<WireGuardMesh>().FirstOrDefault() is { } mesh
                ? MeshRecord.From(mesh.Spec, GenerationOf(mesh))
                : MeshRecord.Default,
            Nodes = [.. nodes[false].Select(node => Records.From(node, Since(node, nodesBefore, _kept.NodeSince), problems.Add))],
            Outside = [.. nodes[true].Select(node => Records.From(node, now, problems.Add))],
            Peers = declared,
            Announcements = _kept.Announcements,
            Addresses = _kept.Addresses,
            PresharedKeys = declared
                .Select(peer => peer.PresharedKey).OfType<SecretReference>().Distinct()
                .Select(reference => (Reference: reference, Key: Find(reference)))
                .Where(found => found.Key is not null)
                .ToImmutableDictionary(found => found.Reference, found => found.Key!),
            Problems = [.. problems],
        };

        // an API server stamps what is created: here the first sight of an object counts
        DateTimeOffset Since(IKubernetesObject item, Dictionary<string, DateTimeOffset>? seen, Func<string, DateTimeOffset?> kept) =>
            item.Metadata.CreationTimestamp
            ?? (seen is null ? kept(item.Metadata.Name) : seen.TryGetValue(item.Metadata.Name, out var since) ? since : null)
            ?? now;

        SecretKey? Find(SecretReference reference) =>
            secrets.TryGetValue((reference.Namespace, reference.Name), out var secret) && secret.Find(reference.Key) is { } value
                ? SecretKey.ParseBase64(Encoding.UTF8.GetString(value).Trim())
                : null;
    }

    // an API server counts the changes of a spec, from 1: here that is done as it does it
    private long GenerationOf(WireGuardMesh mesh)
    {
        if (_mesh?.IsOf(mesh.Spec) is not true)
            _mesh = new KeptMesh { Generation = (_mesh?.Generation ?? 0) + 1, Spec = mesh.Spec };
        return mesh.Metadata.Generation ?? _mesh.Generation;
    }
}
