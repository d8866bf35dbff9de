using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>The custom resources as the API server's client reads and writes them.</summary>
public static class CustomResources
{
    /// <summary>Peers as they are stored, perhaps since before the schema of today.</summary>
    public static ResourceType<StoredResource> StoredPeers { get; } = Type("WireGuardPeer", "wireguardpeers", CrdsJson.Default.StoredResource);

    /// <summary>Settings as they are stored.</summary>
    public static ResourceType<StoredResource> StoredMeshes { get; } =
        Type("WireGuardMesh", "wireguardmeshes", CrdsJson.Default.StoredResource);

    private static ResourceType<T> Type<T>(string kind, string plural, JsonTypeInfo<T> json) where T : class, IKubernetesObject =>
        new(CustomResourceAttribute.ApiVersion, kind, plural, IsNamespaced: false, json);
}

/// <summary>
/// A custom resource as an API server stored it, whatever schema it had then: <see cref="ReadPeer"/> and <see cref="ReadMesh"/> say whether it
/// can be used.
/// </summary>
public sealed class StoredResource : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = CustomResourceAttribute.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; set; } = "";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>What is wanted, unchecked.</summary>
    public JsonNode? Spec { get; set; }

    /// <summary>What was observed, unchecked.</summary>
    public JsonNode? Status { get; set; }

    /// <summary>What is wanted of a peer.</summary>
    /// <param name="problems">Takes the field and what is wrong with it, for each that is; if there is one, the result is null.</param>
    public WireGuardPeerSpec? ReadPeer(Action<string, string> problems) => (Read("WireGuardPeer", Spec, problems) as WireGuardPeer)?.Spec;

    /// <summary>
    /// The settings, always: a field that cannot be used is taken from <paramref name="fallback"/>, the last good settings, or else is that field's
    /// default.
    /// </summary>
    /// <inheritdoc cref="ReadPeer"/>
    public WireGuardMeshSpec ReadMesh(JsonNode? fallback, Action<string, string> problems)
    {
        var bad = new HashSet<string>(StringComparer.Ordinal);
        if (Read("WireGuardMesh", Spec, Note) is WireGuardMesh mesh)
            return mesh.Spec;

        var usable = Spec is JsonObject ? Spec.DeepClone().AsObject() : [];
        foreach (var field in bad)
        {
            usable.Remove(field);
            if (fallback is JsonObject good && good[field] is { } value)
                usable[field] = value.DeepClone();
        }

        return (Read("WireGuardMesh", usable, (_, _) => { }) as WireGuardMesh)?.Spec ?? new WireGuardMeshSpec();

        void Note(string field, string message)
        {
            if (field.Split('.', '[') is ["spec", var name, ..])
                bad.Add(name);
            problems(field, message);
        }
    }

    /// <summary>The status of a peer; null if there is none, or none that can be read: it is written anew then.</summary>
    public WireGuardPeerStatus? ReadPeerStatus() => StatusAs(CrdsJson.Default.WireGuardPeerStatus);

    /// <summary>The status of the mesh; null as for <see cref="ReadPeerStatus"/>.</summary>
    public WireGuardMeshStatus? ReadMeshStatus() => StatusAs(CrdsJson.Default.WireGuardMeshStatus);

    private T? StatusAs<T>(JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return Status is JsonObject status ? ((JsonObject)ManifestKind.WithoutNulls(status)!).Deserialize(type) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // the name is the API server's to check, and so is what it does not know: it drops that
    private IKubernetesObject? Read(string kindName, JsonNode? spec, Action<string, string> problems)
    {
        var kind = ManifestKind.All.Single(kind => kind.Kind == kindName);
        var content = new JsonObject
        {
            ["apiVersion"] = kind.ApiVersion,
            ["kind"] = kind.Kind,
            ["metadata"] = new JsonObject { ["name"] = Metadata.Name },
        };
        if (spec is not null)
            content["spec"] = spec.DeepClone();

        var isGood = true;
        kind.Check(content, (_, field, message) =>
        {
            isGood = false;
            problems(field, message);
        }, refuseUnknown: false);
        return isGood ? kind.Deserialize(content) : null;
    }
}
