using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Reads and writes the Kubernetes kinds used here as JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Node))]
[JsonSerializable(typeof(Secret))]
public sealed partial class KubernetesJson : JsonSerializerContext;
