using System.Text.Json.Serialization.Metadata;

namespace WgMesh.Kubernetes;

/// <summary>A kind as the client reads and writes it.</summary>
/// <param name="ApiVersion">Group and version, e.g. <c>wgmesh.io/v1alpha1</c>, or <c>v1</c> for the core group.</param>
/// <param name="Kind">The kind's name, e.g. <c>Node</c>.</param>
/// <param name="Plural">Its name in paths, e.g. <c>nodes</c>.</param>
/// <param name="IsNamespaced">Whether its objects belong to a namespace.</param>
/// <param name="Json">How its objects are read and written, without reflection.</param>
public sealed record ResourceType<T>(string ApiVersion, string Kind, string Plural, bool IsNamespaced, JsonTypeInfo<T> Json)
    where T : class, IKubernetesObject
{
    /// <inheritdoc cref="KubernetesJson.OnTheWire"/>
    internal JsonTypeInfo<T> OnTheWire { get; } = KubernetesJson.OnTheWire(Json);
}

/// <summary>The kinds of Kubernetes itself that are used here.</summary>
public static class ResourceTypes
{
    /// <summary>core/v1 Node.</summary>
    public static ResourceType<Node> Nodes { get; } = new("v1", "Node", "nodes", false, KubernetesJson.Default.Node);

    /// <summary>core/v1 Secret.</summary>
    public static ResourceType<Secret> Secrets { get; } = new("v1", "Secret", "secrets", true, KubernetesJson.Default.Secret);

    /// <summary>core/v1 ConfigMap.</summary>
    public static ResourceType<ConfigMap> ConfigMaps { get; } = new("v1", "ConfigMap", "configmaps", true, KubernetesJson.Default.ConfigMap);

    /// <summary>core/v1 Pod.</summary>
    public static ResourceType<Pod> Pods { get; } = new("v1", "Pod", "pods", true, KubernetesJson.Default.Pod);

    /// <summary>core/v1 Event.</summary>
    public static ResourceType<Event> Events { get; } = new("v1", "Event", "events", true, KubernetesJson.Default.Event);

    /// <summary>coordination.k8s.io/v1 Lease.</summary>
    public static ResourceType<Lease> Leases { get; } = new("coordination.k8s.io/v1", "Lease", "leases", true, KubernetesJson.Default.Lease);

    /// <summary>authentication.k8s.io/v1 TokenReview: created to be answered, never stored.</summary>
    public static ResourceType<TokenReview> TokenReviews { get; } =
        new("authentication.k8s.io/v1", "TokenReview", "tokenreviews", false, KubernetesJson.Default.TokenReview);

    /// <summary>authorization.k8s.io/v1 SubjectAccessReview: created to be answered, never stored.</summary>
    public static ResourceType<SubjectAccessReview> SubjectAccessReviews { get; } =
        new("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", false, KubernetesJson.Default.SubjectAccessReview);
}
