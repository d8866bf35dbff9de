using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>Speaks with a Kubernetes API server. Thread-safe.</summary>
public sealed class KubernetesClient : IDisposable
{
    /// <param name="configuration">Where the server is, and who asks.</param>
    public KubernetesClient(KubernetesClientConfiguration configuration) => throw new NotImplementedException();

    /// <summary>One object.</summary>
    /// <param name="space">Its namespace; null for cluster-scoped kinds.</param>
    /// <exception cref="ApiException">The server refused; <see cref="ApiException.StatusCode"/> 404: there is none.</exception>
    public Task<T> GetAsync<T>(ResourceType<T> type, string name, string? space, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>One object, or null if there is none.</summary>
    public Task<T?> FindAsync<T>(ResourceType<T> type, string name, string? space, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>One page.</summary>
    public Task<ListPage<T>> ListAsync<T>(ResourceType<T> type, ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>The changes after a version, in order, until the server ends the watch (which is normal) or it breaks.</summary>
    /// <exception cref="ApiException">The server refused, or sent an ERROR, e.g. 410: the version is too old.</exception>
    public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ResourceType<T> type, WatchOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>Makes an object; also how reviews are asked for.</summary>
    public Task<T> CreateAsync<T>(ResourceType<T> type, T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>Writes an object that was read, if it is still at its resourceVersion (409 if not). Fields that the type does not know are kept.</summary>
    public Task<T> ReplaceAsync<T>(ResourceType<T> type, T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>
    /// Server-side apply of the fields that are in <paramref name="item"/>: these and only these belong to <paramref name="manager"/> then. A
    /// metadata.uid in it makes sure that no namesake is made or changed.
    /// </summary>
    /// <param name="item">The object as far as it is to be applied, with metadata.name; apiVersion and kind are put in.</param>
    /// <param name="force">Take fields from other managers; if not, a conflict is a 409.</param>
    public Task<T> ApplyAsync<T>(ResourceType<T> type, JsonObject item, string manager, bool force, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>The same through the status subresource.</summary>
    public Task<T> ApplyStatusAsync<T>(ResourceType<T> type, JsonObject item, string manager, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <summary>Deletes an object. One that is not there, or (409) has another uid, is for the caller to mind.</summary>
    /// <param name="uid">Only the object with this uid; null: whichever has the name.</param>
    public Task DeleteAsync<T>(ResourceType<T> type, string name, string? space, string? uid, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}

/// <summary>Where the API server is, and who asks.</summary>
public sealed class KubernetesClientConfiguration
{
    /// <summary>From the environment and the files that every pod has; the token is read again as it rotates.</summary>
    /// <exception cref="KubeConfigException">This is no pod, or a file is missing.</exception>
    public static KubernetesClientConfiguration InClusterConfig() => throw new NotImplementedException();

    /// <summary>From a kubeconfig file. Null: what kubectl would take (KUBECONFIG, else ~/.kube/config).</summary>
    /// <exception cref="KubeConfigException">The file, or something it points to, does not hold; the message says which field.</exception>
    public static KubernetesClientConfiguration FromKubeConfig(string? path, string? context = null) => throw new NotImplementedException();

    /// <summary>The server's URL.</summary>
    public required Uri Host { get; init; }

    /// <summary>The namespace of the pod or of the context; "default" if none is said.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>The authorities that the server's certificate is checked against; null: the system's.</summary>
    public X509Certificate2Collection? SslCaCerts { get; init; }

    /// <summary>With its private key; null: none.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>The bearer token; null: none, or from elsewhere.</summary>
    public string? AccessToken { get; init; }
}

/// <summary>A kubeconfig that cannot be used.</summary>
public sealed class KubeConfigException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The API server said no.</summary>
public sealed class ApiException(int statusCode, string reason, string message) : Exception(message)
{
    /// <summary>The HTTP status, or the code of the Status object that came in a stream.</summary>
    public int StatusCode { get; } = statusCode;

    /// <summary>The Status object's reason, e.g. <c>AlreadyExists</c>; empty if there was none.</summary>
    public string Reason { get; } = reason;

    /// <summary>How long the server asked to wait (Retry-After); null: it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>Which objects are listed.</summary>
public sealed record ListOptions
{
    /// <summary>Null: all namespaces, or a cluster-scoped kind.</summary>
    public string? Namespace { get; init; }

    /// <summary>E.g. <c>metadata.name=default</c>.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>E.g. <c>app=x</c>.</summary>
    public string? LabelSelector { get; init; }

    /// <summary>Objects in a page; 0: as many as there are.</summary>
    public int Limit { get; init; }

    /// <summary>From the page before; null: the first page.</summary>
    public string? Continue { get; init; }

    /// <summary>Null: the newest (a quorum read); "0": whatever the server has at hand.</summary>
    public string? ResourceVersion { get; init; }
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

/// <summary>Which changes are watched.</summary>
public sealed record WatchOptions
{
    /// <inheritdoc cref="ListOptions.Namespace"/>
    public string? Namespace { get; init; }

    /// <inheritdoc cref="ListOptions.FieldSelector"/>
    public string? FieldSelector { get; init; }

    /// <inheritdoc cref="ListOptions.LabelSelector"/>
    public string? LabelSelector { get; init; }

    /// <summary>Changes after this.</summary>
    public required string ResourceVersion { get; init; }

    /// <summary>After so long the server ends the watch; the client gives up somewhat later.</summary>
    public required TimeSpan Timeout { get; init; }
}

/// <summary>What happened to an object.</summary>
public enum WatchEventType
{
    /// <summary>It is new, or new to the selector.</summary>
    Added,

    /// <summary>It changed.</summary>
    Modified,

    /// <summary>It is gone, or the selector no longer matches.</summary>
    Deleted,

    /// <summary>Nothing: all changes up to this version have been sent.</summary>
    Bookmark,
}

/// <summary>A change of an object.</summary>
/// <param name="Item">Null: it could not be read (see <paramref name="Unreadable"/>), or it is a bookmark.</param>
/// <param name="ResourceVersion">Where a later watch goes on.</param>
public sealed record WatchEvent<T>(WatchEventType Type, T? Item, string ResourceVersion, UnreadableObject? Unreadable = null)
    where T : class, IKubernetesObject;
