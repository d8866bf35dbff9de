using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>A node of the cluster (core/v1 Node), as far as it is used here; other fields are ignored on reading.</summary>
public sealed class Node : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "Node";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>What was assigned to the node.</summary>
    public NodeSpec Spec { get; set; } = new();

    /// <summary>What the kubelet reports.</summary>
    public NodeStatus Status { get; set; } = new();
}

/// <summary>What was assigned to a node.</summary>
public sealed class NodeSpec
{
    /// <summary>The first of <see cref="PodCidrs"/>, or null if the node has none (yet).</summary>
    [JsonPropertyName("podCIDR")]
    public string? PodCidr { get; set; }

    /// <summary>Prefixes that the node's pods get their addresses from, at most one of each family.</summary>
    [JsonPropertyName("podCIDRs")]
    public List<string> PodCidrs { get; set; } = [];
}

/// <summary>What a node reports about itself.</summary>
public sealed class NodeStatus
{
    /// <summary>Addresses under which the node can be reached.</summary>
    public List<NodeAddress> Addresses { get; set; } = [];
}

/// <summary>One address of a node.</summary>
public sealed class NodeAddress
{
    /// <summary><c>InternalIP</c>, <c>ExternalIP</c>, <c>Hostname</c>, <c>InternalDNS</c> or <c>ExternalDNS</c>.</summary>
    public string Type { get; set; } = "";

    /// <summary>The address or name.</summary>
    public string Address { get; set; } = "";
}
