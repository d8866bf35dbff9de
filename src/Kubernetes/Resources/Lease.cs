using System.Text.Json;
using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Who leads, and since when nothing was heard of it (coordination.k8s.io/v1 Lease).</summary>
public sealed class Lease : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "coordination.k8s.io/v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "Lease";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>The lease itself.</summary>
    public LeaseSpec Spec { get; set; } = new();

    /// <summary>What the server said and nothing here reads: it is written back as it was.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>The holder of a lease and its times.</summary>
public sealed class LeaseSpec
{
    /// <summary>Who holds it; null or empty: nobody.</summary>
    public string? HolderIdentity { get; set; }

    /// <summary>Seconds after <see cref="RenewTime"/> from which on others may take it.</summary>
    public int? LeaseDurationSeconds { get; set; }

    /// <summary>When the holder took it (MicroTime).</summary>
    [JsonConverter(typeof(MicroTimeConverter))]
    public DateTimeOffset? AcquireTime { get; set; }

    /// <summary>When the holder last renewed it (MicroTime).</summary>
    [JsonConverter(typeof(MicroTimeConverter))]
    public DateTimeOffset? RenewTime { get; set; }

    /// <summary>How often it changed hands.</summary>
    public int? LeaseTransitions { get; set; }

    /// <summary>What the server said and nothing here reads: it is written back as it was.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
