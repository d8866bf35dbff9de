using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Named secret values (core/v1 Secret). Its values appear in no message and not in <see cref="ToString"/>.</summary>
public sealed class Secret : IKubernetesObject
{
    /// <summary>The namespace of a manifest that names none, as kubectl has it.</summary>
    public const string DefaultNamespace = "default";

    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "Secret";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>The kind of secret, e.g. <c>Opaque</c>.</summary>
    public string? Type { get; set; }

    /// <summary>Values by key; base64 in JSON.</summary>
    public Dictionary<string, byte[]> Data { get; set; } = [];

    /// <summary>Values by key as plain text; only in manifests, where they win over <see cref="Data"/>.</summary>
    public Dictionary<string, string> StringData { get; set; } = [];

    /// <summary>What the server said and nothing here reads: it is written back as it was.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    /// <summary>The value under <paramref name="key"/>, or null if there is none.</summary>
    public byte[]? Find(string key) =>
        StringData.TryGetValue(key, out var text) ? Encoding.UTF8.GetBytes(text) : Data.GetValueOrDefault(key);

    /// <summary>The namespace that is meant, also by a manifest that names none.</summary>
    public string NamespaceOrDefault() => string.IsNullOrEmpty(Metadata.Namespace) ? DefaultNamespace : Metadata.Namespace;

    /// <summary>Namespace, name and the fact that values are not shown.</summary>
    public override string ToString() => $"Secret {Metadata.Namespace}/{Metadata.Name} (values hidden)";
}
