namespace WgMesh.Kubernetes;

/// <summary>Which changes are watched.</summary>
public sealed record WatchOptions
{
    /// <inheritdoc cref="ListOptions.Namespace"/>
    public string? Namespace { get; init; }

    /// <summary>Changes after this.</summary>
    public required string ResourceVersion { get; init; }

    /// <summary>After so long (whole seconds) the server ends the watch; the client gives up somewhat later.</summary>
    public required TimeSpan Timeout { get; init; }
}

/// <summary>What happened to an object.</summary>
public enum WatchEventType
{
    /// <summary>It is new.</summary>
    Added,

    /// <summary>It changed.</summary>
    Modified,

    /// <summary>It is gone.</summary>
    Deleted,

    /// <summary>Nothing: all changes up to this version have been sent.</summary>
    Bookmark,
}

/// <summary>A change of an object.</summary>
/// <param name="Item">Null: it could not be read (see <paramref name="Unreadable"/>), or it is a bookmark.</param>
/// <param name="ResourceVersion">Where a later watch goes on.</param>
public sealed record WatchEvent<T>(WatchEventType Type, T? Item, string ResourceVersion, UnreadableObject? Unreadable = null)
    where T : class, IKubernetesObject;
