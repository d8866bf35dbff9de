using System.Text.Json.Serialization;

namespace WgMesh.Crds;

/// <summary>Reads and writes the custom resources as JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(WireGuardPeer))]
[JsonSerializable(typeof(WireGuardMesh))]
[JsonSerializable(typeof(StoredResource))]
public sealed partial class CrdsJson : JsonSerializerContext;
