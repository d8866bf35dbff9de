using System.Text.Json;
using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>The metadata of an object (meta/v1 ObjectMeta), as far as it is used here; other fields are kept.</summary>
public sealed class ObjectMeta : IJsonOnDeserialized
{
    /// <summary>Unique within the kind (and the namespace, for namespaced kinds).</summary>
    public string Name { get; set; } = "";

    /// <summary>Null for cluster-scoped kinds.</summary>
    public string? Namespace { get; set; }

    /// <summary>Set by the API server; a deleted and recreated object gets another one. Null in a manifest.</summary>
    public string? Uid { get; set; }

    /// <summary>Opaque version of the stored object. Null in a manifest.</summary>
    public string? ResourceVersion { get; set; }

    /// <summary>Counts changes of the spec. Null in a manifest.</summary>
    public long? Generation { get; set; }

    /// <summary>Set by the API server. Null in a manifest.</summary>
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? CreationTimestamp { get; set; }

    /// <summary>Set once deletion was asked for and finalizers hold it up.</summary>
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? DeletionTimestamp { get; set; }

    /// <summary>Labels, by key.</summary>
    public Dictionary<string, string> Labels { get; set; } = [];

    /// <summary>Annotations, by key.</summary>
    public Dictionary<string, string> Annotations { get; set; } = [];

    /// <summary>Objects whose deletion deletes this one.</summary>
    public List<OwnerReference> OwnerReferences { get; set; } = [];

    /// <summary>Who must act before the object may go.</summary>
    public List<string> Finalizers { get; set; } = [];

    /// <summary>What the server said and nothing here reads: it is written back as it was.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    /// <summary>
    /// Who applied which field is more than the rest of most objects, of no use here, and need not be written back: the server does not take its
    /// absence for a change.
    /// </summary>
    void IJsonOnDeserialized.OnDeserialized()
    {
        if (Unknown is not null && Unknown.Remove("managedFields") && Unknown.Count == 0)
            Unknown = null;
    }
}

/// <summary>An owner of an object (meta/v1 OwnerReference).</summary>
public sealed class OwnerReference
{
    /// <summary>Group and version of the owner.</summary>
    public string ApiVersion { get; set; } = "";

    /// <summary>Kind of the owner.</summary>
    public string Kind { get; set; } = "";

    /// <summary>Name of the owner.</summary>
    public string Name { get; set; } = "";

    /// <summary>UID of the owner: a namesake made later is not the owner.</summary>
    public string Uid { get; set; } = "";

    /// <summary>Whether the owner is the one controller.</summary>
    public bool? Controller { get; set; }

    /// <summary>Whether the owner's foreground deletion waits for this object.</summary>
    public bool? BlockOwnerDeletion { get; set; }
}
