namespace WgMesh.Kubernetes;

/// <summary>Which objects are listed: as they are now (a quorum read).</summary>
public sealed record ListOptions
{
    /// <summary>Null: all namespaces, or a cluster-scoped kind.</summary>
    public string? Namespace { get; init; }

    /// <summary>E.g. <c>metadata.name=default</c>; null: all.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>Objects in a page; 0: as many as there are.</summary>
    public int Limit { get; init; }

    /// <summary>From the page before; null: the first page.</summary>
    public string? Continue { get; init; }
}

/// <summary>One page of a list.</summary>
/// <param name="Items">The objects that could be read.</param>
/// <param name="Unreadable">Those that could not, by name: the rest is not to suffer from them.</param>
/// <param name="ResourceVersion">Of the list: where a watch goes on.</param>
/// <param name="Continue">For the next page; null: this is the last.</param>
public sealed record ListPage<T>(
    IReadOnlyList<T> Items, IReadOnlyList<UnreadableObject> Unreadable, string ResourceVersion, string? Continue)
    where T : class, IKubernetesObject;

/// <summary>An object that is not what its type says.</summary>
/// <param name="Metadata">As far as it could be read.</param>
/// <param name="Problem">Which field, and what is wrong; no values of secrets.</param>
public sealed record UnreadableObject(ObjectMeta Metadata, string Problem);
