namespace WgMesh.Kubernetes;

/// <summary>A pod (core/v1 Pod), as far as it is used here.</summary>
public sealed class Pod : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "Pod";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>What is wanted of the pod.</summary>
    public PodSpec Spec { get; set; } = new();
}

/// <summary>What is wanted of a pod.</summary>
public sealed class PodSpec
{
    /// <summary>The node it runs on; null until it is scheduled.</summary>
    public string? NodeName { get; set; }
}
