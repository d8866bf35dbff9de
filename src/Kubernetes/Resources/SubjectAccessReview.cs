namespace WgMesh.Kubernetes;

/// <summary>Asks the API server whether somebody may do something (authorization.k8s.io/v1 SubjectAccessReview).</summary>
public sealed class SubjectAccessReview : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "authorization.k8s.io/v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "SubjectAccessReview";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>The question.</summary>
    public SubjectAccessReviewSpec Spec { get; set; } = new();

    /// <summary>The answer.</summary>
    public SubjectAccessReviewStatus? Status { get; set; }
}

/// <summary>Who wants to do what.</summary>
public sealed class SubjectAccessReviewSpec
{
    /// <summary>What is to be done.</summary>
    public ResourceAttributes? ResourceAttributes { get; set; }

    /// <summary>By whom.</summary>
    public string? User { get; set; }

    /// <summary>Of these groups.</summary>
    public List<string> Groups { get; set; } = [];

    /// <summary>As the token review told it.</summary>
    public Dictionary<string, List<string>> Extra { get; set; } = [];

    /// <summary>Tells namesakes apart.</summary>
    public string? Uid { get; set; }
}

/// <summary>Something done to a resource.</summary>
public sealed class ResourceAttributes
{
    /// <summary>Null: cluster-scoped.</summary>
    public string? Namespace { get; set; }

    /// <summary>E.g. <c>get</c>.</summary>
    public string? Verb { get; set; }

    /// <summary>E.g. <c>wgmesh.io</c>.</summary>
    public string? Group { get; set; }

    /// <summary>Plural.</summary>
    public string? Resource { get; set; }

    /// <summary>E.g. <c>status</c>.</summary>
    public string? Subresource { get; set; }

    /// <summary>Null: any.</summary>
    public string? Name { get; set; }
}

/// <summary>Whether it may be done.</summary>
public sealed class SubjectAccessReviewStatus
{
    /// <summary>Whether it is allowed.</summary>
    public bool Allowed { get; set; }

    /// <summary>Why.</summary>
    public string? Reason { get; set; }
}
