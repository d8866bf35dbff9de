using System.Collections.Immutable;
using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>Keeps the objects of a kind as the API server has them, by list and watch, for as long as it runs.</summary>
public sealed class Informer<T>(KubernetesClient client, ResourceType<T> type, InformerOptions options, TimeProvider time, ILogger logger)
    where T : class, IKubernetesObject
{
    /// <summary>The objects now. Before the first complete list: none; during an outage: the last that were known.</summary>
    public InformerStore<T> Current => throw new NotImplementedException();

    /// <summary>Whether there has been a complete list.</summary>
    public bool HasSynced => throw new NotImplementedException();

    /// <summary>Raised on the informer's own task after <see cref="Current"/> changed, once for a whole list; handlers are quick and do not throw.</summary>
    public event Action<InformerChange<T>>? Changed;

    /// <summary>Lists and watches until cancelled; nothing else ends it.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Ends when there has been a complete list.</summary>
    public Task WaitForSyncAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <summary>Which objects an informer keeps.</summary>
public sealed record InformerOptions
{
    /// <inheritdoc cref="ListOptions.Namespace"/>
    public string? Namespace { get; init; }

    /// <inheritdoc cref="ListOptions.FieldSelector"/>
    public string? FieldSelector { get; init; }

    /// <inheritdoc cref="ListOptions.LabelSelector"/>
    public string? LabelSelector { get; init; }

    /// <summary>Objects in a page of a list.</summary>
    public int PageSize { get; init; } = 500;
}

/// <summary>All objects of a kind at one moment.</summary>
/// <param name="Items">By <c>name</c>, or <c>namespace/name</c>.</param>
/// <param name="Unreadable">What the server has and the type cannot hold, by the same keys.</param>
public sealed record InformerStore<T>(ImmutableDictionary<string, T> Items, ImmutableDictionary<string, UnreadableObject> Unreadable)
    where T : class, IKubernetesObject;

/// <summary>A change of the store.</summary>
/// <param name="Changed">Keys that were added, changed or removed.</param>
public sealed record InformerChange<T>(InformerStore<T> Before, InformerStore<T> After, IReadOnlyCollection<string> Changed)
    where T : class, IKubernetesObject;
