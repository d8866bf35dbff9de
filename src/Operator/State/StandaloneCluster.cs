using System.Collections.Immutable;
using System.Text;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.State;

/// <summary>
/// The cluster without Kubernetes: what a folder of manifests says, and what the operator keeps itself. Thread-safe.
/// </summary>
internal sealed class StandaloneCluster : ICluster
{
    private readonly ManifestFolder _manifests;
    private readonly StateFolder _kept;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private KeptMesh? _mesh; // under the lock

    /// <summary>Reads everything once; the first state is there when this returns.</summary>
    public StandaloneCluster(ManifestFolder manifests, StateFolder kept, TimeProvider time)
    {
        (_manifests, _kept, _time) = (manifests, kept, time);
        _manifests.Load();
        _mesh = kept.Mesh;
        Current = new Latest<ClusterState>(Compose(_manifests.Current.Value, null));
    }

    /// <summary>The cluster now.</summary>
    public Latest<ClusterState> Current { get; }

    /// <inheritdoc/>
    public bool IsComplete => true;

    /// <summary>Follows the manifests until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var watching = _manifests.WatchAsync(cancellationToken);
        var seen = _manifests.Current.Value;
        while (!watching.IsCompleted)
        {
            var next = _manifests.Current.NextAsync(seen, cancellationToken);
            await Task.WhenAny(watching, next);
            if (watching.IsCompleted)
                break;

            seen = await next;
            lock (_lock)
                Current.Publish(Compose(seen, Current.Value));
        }

        await watching;
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
            Current.Publish(Current.Value with { Announcements = _kept.Announcements });
        }
    }

    /// <summary>Keeps what a plan gave, before anyone is told of it. Forgets what is gone.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public void Keep(ClusterState planned, MeshPlan plan)
    {
        lock (_lock)
        {
            // what came since the plan was begun is kept too, or an agent's first word would be lost
            var current = Current.Value;
            _kept.Keep(
                current.Nodes.Concat(planned.Nodes).DistinctBy(node => node.Name).Select(node => (node.Name, node.Created)),
                current.Peers.Concat(planned.Peers).DistinctBy(peer => peer.Name).Select(peer => (peer.Name, peer.Created)),
                plan.Addresses,
                _mesh);

            var (announcements, addresses) = (_kept.Announcements, _kept.Addresses);
            if (announcements != current.Announcements || !addresses.Equals(current.Addresses))
                Current.Publish(current with { Announcements = announcements, Addresses = addresses });
        }
    }

    private ClusterState Compose(Manifests manifests, ClusterState? before)
    {
        var now = _time.GetUtcNow();
        var nodes = manifests.Objects.OfType<Node>();
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
            Nodes = [.. nodes.Select(node => Records.From(node, Since(node, nodesBefore, _kept.NodeSince), problems.Add))],
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
