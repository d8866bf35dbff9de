namespace WgMesh.Kubernetes;

/// <summary>What every Kubernetes object has.</summary>
public interface IKubernetesObject
{
    /// <summary>Group and version, e.g. <c>wgmesh.io/v1alpha1</c>, or <c>v1</c> for the core group.</summary>
    string ApiVersion { get; set; }

    /// <summary>The type's name, e.g. <c>Node</c>.</summary>
    string Kind { get; set; }

    /// <summary>Name, labels and what the API server keeps about the object.</summary>
    ObjectMeta Metadata { get; set; }
}
