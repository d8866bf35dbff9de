using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>Everything in the mesh that holds a key: a node (the operator makes its object) or an external device.</summary>
[Description("WireGuardPeer is a member of the mesh that holds a WireGuard key: a node of the cluster, or an external device.")]
[CustomResource("WireGuardPeer", "wireguardpeers", "wgp")]
[PrinterColumn("Node", "string", ".spec.nodeName")]
[PrinterColumn("Endpoint", "string", ".status.endpoint")]
[PrinterColumn("Addresses", "string", ".status.addresses")]
[PrinterColumn("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status")]
[PrinterColumn("Connected", "string", ".status.connectedNodes")]
[PrinterColumn("Last Handshake", "date", ".status.lastHandshakeTime")]
[PrinterColumn("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason", Priority = 1)]
[PrinterColumn("Gateway", "string", ".status.gateway", Priority = 1)]
[PrinterColumn("Public Key", "string", ".spec.publicKey", Priority = 1)]
[PrinterColumn("Age", "date", ".metadata.creationTimestamp")]
public sealed class WireGuardPeer : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = CustomResourceAttribute.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; set; } = "WireGuardPeer";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>What is wanted.</summary>
    [Description("What is wanted of the peer.")]
    [Required]
    public WireGuardPeerSpec Spec { get; set; } = new();

    /// <summary>What was observed; null until the operator wrote it.</summary>
    [Description("What the mesh observed; written by the operator.")]
    public WireGuardPeerStatus? Status { get; set; }
}

/// <summary>What is wanted of a peer.</summary>
[AnyOf("publicKey", "nodeName", "is missing; write what `wg pubkey` prints on the device. Only the peer of a node, which has a nodeName, may be without")]
[NotTogether("gateways", "nodeName", "is for external devices; remove it from the peer of a node, or remove nodeName")]
public sealed class WireGuardPeerSpec
{
    /// <summary>How many <see cref="ProtocolVersions"/> there may be; who announces its own to the operator may name no more either.</summary>
    public const int MostProtocolVersions = 16;

    /// <summary>The peer's Curve25519 public key: 44 base64 characters; null only for a node whose agent has not announced one yet.</summary>
    [Description("The peer's WireGuard public key: 32 bytes in base64, as `wg pubkey` prints it. Only the peer of a node may be without, until its agent announces one.")]
    [PublicKeyText]
    public string? PublicKey { get; set; }

    /// <summary>Where the peer can be reached; null if it always calls first.</summary>
    [Description("Where the peer can be reached. Leave it out for a device that always calls first, such as one behind NAT.")]
    public PeerEndpoint? Endpoint { get; set; }

    /// <summary>Prefixes behind the peer, without host bits. Empty for an external peer: the operator allocates an address.</summary>
    [Description("Address prefixes that are reached through the peer and that it may send from, in CIDR notation. Leave it out for an external device to get an address from the mesh's pools.")]
    [MaxLength(256), CidrText]
    [JsonPropertyName("allowedIPs")]
    public List<string> AllowedIPs { get; set; } = [];

    /// <summary>Seconds between keepalives that the mesh's nodes send to the peer; 0 is off, null means the mesh's setting.</summary>
    [Description("Seconds between the keepalives that nodes send to this peer; 0 turns them off. Leave it out to use the mesh's setting.")]
    [Range(0, 65535)]
    public int? PersistentKeepalive { get; set; }

    /// <summary>The Secret that holds the preshared key shared with the peer; null: none.</summary>
    [Description("The Secret that holds a preshared key (32 bytes in base64, as `wg genpsk` prints it) for this peer.")]
    public SecretKeyReference? PresharedKeySecretRef { get; set; }

    /// <summary>The Node that the peer is; null for an external device.</summary>
    [Description("The name of the Node that this peer is. Left out for external devices; peers with it are made by the operator.")]
    [ObjectNameText]
    public string? NodeName { get; set; }

    /// <summary>The nodes that admit the external peer; null: all of them.</summary>
    [Description("The nodes that have a tunnel to this device; the others reach it through one of them. Leave it out for all nodes.")]
    public PeerGateways? Gateways { get; set; }

    /// <summary>Versions of the WireGuard protocol that the device speaks. Of a node, its agent says it.</summary>
    [Description("The versions of the WireGuard protocol that the device speaks. For a node the operator writes what its agent says.")]
    [Length(1, MostProtocolVersions), Range(1, 63)]
    public List<int> ProtocolVersions { get; set; } = [1];
}

/// <summary>Which nodes admit a peer.</summary>
public sealed class PeerGateways
{
    /// <summary>Labels that a node must have, all of them.</summary>
    [Description("Labels that a node must have to be a gateway for this device, all of them.")]
    [Required, Length(1, 16), Labels]
    public Dictionary<string, string> NodeSelector { get; set; } = [];
}

/// <summary>A host, by name or address, and a UDP port.</summary>
[Atomic]
public sealed class PeerEndpoint
{
    /// <summary>A DNS name, an IPv4 address or an IPv6 address (without brackets).</summary>
    [Description("A DNS name, an IPv4 address or an IPv6 address (without brackets).")]
    [Required, HostText]
    public string Host { get; set; } = "";

    /// <summary>UDP port, 1-65535.</summary>
    [Description("The UDP port.")]
    [Required, Range(1, 65535)]
    public int Port { get; set; }

    /// <summary><c>gate.example.org:51820</c> or <c>[2001:db8::1]:51820</c>.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>A value within a Secret.</summary>
[Atomic]
public sealed class SecretKeyReference
{
    /// <summary>Name of the Secret.</summary>
    [Description("The name of the Secret.")]
    [Required, ObjectNameText]
    public string Name { get; set; } = "";

    /// <summary>Namespace of the Secret; null: the operator's own.</summary>
    [Description("The namespace of the Secret. Leave it out for the namespace of the operator.")]
    [NamespaceText]
    public string? Namespace { get; set; }

    /// <summary>Key within the Secret's data.</summary>
    [Description("The key within the data of the Secret.")]
    [SecretKeyText]
    public string Key { get; set; } = "presharedKey";
}

/// <summary>What the mesh observed of a peer.</summary>
public sealed class WireGuardPeerStatus
{
    /// <summary>At most one condition of each type.</summary>
    [Description("The peer's conditions: Accepted, Programmed and Ready.")]
    [MaxLength(16), ListMapKey("type")]
    public List<Condition> Conditions { get; set; } = [];

    /// <summary>The metadata.generation that the status speaks of.</summary>
    [Description("The metadata.generation that the status was computed from.")]
    public long? ObservedGeneration { get; set; }

    /// <summary>The peer's addresses in the mesh, e.g. <c>10.90.0.7/32</c>.</summary>
    [Description("The peer's own addresses in the mesh.")]
    [MaxLength(256)]
    public List<string> Addresses { get; set; } = [];

    /// <summary>The addresses that it was given from the mesh's pools: they stay with it until it is deleted.</summary>
    [Description("The addresses that were given to the peer from the mesh's pools. They stay with it until it is deleted.")]
    [MaxLength(16)]
    public List<string> AllocatedAddresses { get; set; } = [];

    /// <summary>The node through which nodes that do not admit the peer reach it; null: there is none, or all admit it.</summary>
    [Description("The gateway node through which the other nodes reach the peer.")]
    public string? Gateway { get; set; }

    /// <summary>Where its datagrams came from last, e.g. <c>192.0.2.1:51820</c>.</summary>
    [Description("Where the peer's packets came from last.")]
    public string? Endpoint { get; set; }

    /// <summary>The newest handshake with any node.</summary>
    [Description("When the peer last completed a handshake with any node.")]
    public DateTimeOffset? LastHandshakeTime { get; set; }

    /// <summary>Nodes with a live session, of all that should have one, e.g. <c>2/3</c>.</summary>
    [Description("The number of nodes that have a live session with the peer, of those that should have one, such as 2/3.")]
    public string? ConnectedNodes { get; set; }
}
