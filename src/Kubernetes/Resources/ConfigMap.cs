using System.Text.Json;
using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Named texts (core/v1 ConfigMap).</summary>
public sealed class ConfigMap : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "ConfigMap";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>Texts by key.</summary>
    public Dictionary<string, string> Data { get; set; } = [];

    /// <summary>What the server said and nothing here reads: it is written back as it was.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
