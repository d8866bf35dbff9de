namespace WgMesh.Kubernetes;

/// <summary>The API server said no.</summary>
public sealed class ApiException(int statusCode, string reason, string message) : Exception(message)
{
    /// <summary>The <see cref="Reason"/> of an object that the server has and its type cannot hold.</summary>
    public const string Unreadable = "Unreadable";

    /// <summary>The HTTP status, or the code of the Status object that came in a stream.</summary>
    public int StatusCode { get; } = statusCode;

    /// <summary>The Status object's reason, e.g. <c>AlreadyExists</c>; empty if there was none.</summary>
    public string Reason { get; } = reason;

    /// <summary>How long the server asked to wait (Retry-After); null: it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether an object of the name is what is missing, rather than its kind.</summary>
    internal bool IsObjectMissing { get; init; }
}
