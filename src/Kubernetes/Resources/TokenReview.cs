namespace WgMesh.Kubernetes;

/// <summary>Asks the API server whose a token is (authentication.k8s.io/v1 TokenReview).</summary>
public sealed class TokenReview : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "authentication.k8s.io/v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "TokenReview";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>The question.</summary>
    public TokenReviewSpec Spec { get; set; } = new();

    /// <summary>The answer.</summary>
    public TokenReviewStatus? Status { get; set; }
}

/// <summary>What is asked.</summary>
public sealed class TokenReviewSpec
{
    /// <summary>The token.</summary>
    public string Token { get; set; } = "";

    /// <summary>Whom the token must be meant for, one of them.</summary>
    public List<string> Audiences { get; set; } = [];
}

/// <summary>What was answered.</summary>
public sealed class TokenReviewStatus
{
    /// <summary>Whether the token holds.</summary>
    public bool Authenticated { get; set; }

    /// <summary>Whose it is.</summary>
    public UserInfo? User { get; set; }

    /// <summary>Of the audiences asked for, those the token is meant for. A server that knows nothing of audiences leaves it empty.</summary>
    public List<string> Audiences { get; set; } = [];

    /// <summary>Why it does not hold.</summary>
    public string? Error { get; set; }
}

/// <summary>A user as the API server knows it.</summary>
public sealed class UserInfo
{
    /// <summary>E.g. <c>system:serviceaccount:wgmesh:wgmesh-agent</c>.</summary>
    public string? Username { get; set; }

    /// <summary>Tells namesakes apart.</summary>
    public string? Uid { get; set; }

    /// <summary>Groups.</summary>
    public List<string> Groups { get; set; } = [];

    /// <summary>E.g. <c>authentication.kubernetes.io/pod-name</c>.</summary>
    public Dictionary<string, List<string>> Extra { get; set; } = [];
}
