using System.Collections.Immutable;
using WgMesh.Engine;

namespace WgMesh.Operator.State;

/// <summary>Where the cluster comes from: manifests and a folder of the operator's own, or a Kubernetes API server. Thread-safe.</summary>
internal interface ICluster
{
    /// <summary>The cluster now: <see cref="ClusterState.Empty"/>, that very object, until all of it has been read once.</summary>
    Latest<ClusterState> Current { get; }

    /// <summary>Whether <see cref="Current"/> is the whole cluster. Never act on "there are no peers" before it is.</summary>
    bool IsComplete => !ReferenceEquals(Current.Value, ClusterState.Empty);

    /// <summary>Follows the cluster until cancelled.</summary>
    Task RunAsync(CancellationToken cancellationToken);

    /// <summary>Takes up what a node's agent said of itself. The node is known.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    void Announce(string node, PublicKey key, ImmutableArray<string> endpoints, VersionSet versions);
}
