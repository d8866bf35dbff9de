using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>The settings of the mesh: one object, named <see cref="DefaultName"/>.</summary>
[Description("WireGuardMesh holds the settings of the mesh. There is one object, named default.")]
[CustomResource("WireGuardMesh", "wireguardmeshes", "wgm", OnlyName = DefaultName)]
[PrinterColumn("Nodes", "integer", ".status.nodes")]
[PrinterColumn("Links Up", "integer", ".status.linksUp")]
[PrinterColumn("Links Down", "integer", ".status.linksDown")]
[PrinterColumn("Links Idle", "integer", ".status.linksIdle")]
[PrinterColumn("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status")]
[PrinterColumn("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason", Priority = 1)]
[PrinterColumn("MTU", "integer", ".status.mtu", Priority = 1)]
[PrinterColumn("Pools", "string", ".spec.addressPools", Priority = 1)]
[PrinterColumn("Age", "date", ".metadata.creationTimestamp")]
public sealed class WireGuardMesh : IKubernetesObject
{
    /// <summary>The name of the one object.</summary>
    public const string DefaultName = "default";

    /// <inheritdoc/>
    public string ApiVersion { get; set; } = CustomResourceAttribute.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; set; } = "WireGuardMesh";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>What is wanted.</summary>
    [Description("The settings of the mesh.")]
    public WireGuardMeshSpec Spec { get; set; } = new();

    /// <summary>What was observed; null until the operator wrote it.</summary>
    [Description("What the operator observed.")]
    public WireGuardMeshStatus? Status { get; set; }
}

/// <summary>What a node does with packets for the mesh that no tunnel takes.</summary>
public enum FailurePolicy
{
    /// <summary>No tunnel, no packet.</summary>
    Closed,

    /// <summary>Without a tunnel the packet leaves unencrypted.</summary>
    Open,
}

/// <summary>The settings of the mesh; a new instance holds the defaults.</summary>
public sealed class WireGuardMeshSpec
{
    /// <summary>Prefixes that nodes and external peers get their mesh addresses from, of one or both families.</summary>
    [Description("Address prefixes that nodes and external devices get their mesh addresses from, in CIDR notation, of one family or both.")]
    [Length(1, 16), CidrText]
    public List<string> AddressPools { get; set; } = ["10.90.0.0/16", "fd90:90::/64"];

    /// <summary>UDP port of every node, 1-65535.</summary>
    [Description("The UDP port that every node listens on.")]
    [Range(1, 65535)]
    public int ListenPort { get; set; } = 51820;

    /// <summary>MTU of the tunnel in bytes; null: found by every node itself.</summary>
    [Description("The MTU of the tunnel in bytes. Leave it out to let every node find it: that of its underlay less 80.")]
    [Range(1280, 65455)]
    public int? Mtu { get; set; }

    /// <summary>Seconds between keepalives on every link whose peer does not say otherwise; 0 is off.</summary>
    [Description("Seconds between keepalives on the links of peers that do not set their own; 0 turns them off.")]
    [Range(0, 65535)]
    public int PersistentKeepalive { get; set; }

    /// <summary>What becomes of packets that no tunnel takes.</summary>
    [Description("What a node does with packets for the mesh while there is no tunnel for them: Closed drops them, Open lets them leave unencrypted.")]
    public FailurePolicy FailurePolicy { get; set; } = FailurePolicy.Closed;

    /// <summary>The protocol version of the mesh's links; null: every link has the newest that both its ends speak.</summary>
    [Description("The version of the WireGuard protocol that links between nodes are to use. Leave it out to let every link use the newest that both its ends speak.")]
    public ProtocolSettings? Protocol { get; set; }

    /// <summary>
    /// Whether everything of the mesh is to be taken off the nodes, as before an uninstall. An agent that has done so stays so until its
    /// process is started again.
    /// </summary>
    [Description("True takes the mesh off every node: interface, routes and CNI configuration; pods on its network lose it. A node takes part again when its agent is restarted after this is false.")]
    public bool Released { get; set; }

    /// <summary>Prefixes of the cluster's pods: never given to an external peer.</summary>
    [Description("Address prefixes of the cluster's pods, in CIDR notation; never given to an external device.")]
    [MaxLength(256), CidrText]
    [JsonPropertyName("podCIDRs")]
    public List<string> PodCidrs { get; set; } = [];

    /// <summary>Prefixes of the cluster's services: never given to an external peer.</summary>
    [Description("Address prefixes of the cluster's services, in CIDR notation; never given to an external device.")]
    [MaxLength(256), CidrText]
    [JsonPropertyName("serviceCIDRs")]
    public List<string> ServiceCidrs { get; set; } = [];
}

/// <summary>
/// Holds the links of the mesh at a protocol version, or moves them to it at a set point. A link of which an end does not speak it has
/// the newest version that both ends speak.
/// </summary>
[Atomic]
public sealed class ProtocolSettings
{
    /// <summary>1-63. No link has a newer one, unless its ends have no other in common.</summary>
    [Description("The version: no link uses a newer one. A link of which an end does not speak it uses the newest older one that both ends speak.")]
    [Required, Range(1, 63)]
    public int Version { get; set; }

    /// <summary>The metadata.generation of the mesh from which on links use the version: until then they have older ones. Null: at once.</summary>
    [Description("The metadata.generation of this object from which on links use the version; until then they use older ones. Leave it out to use the version at once.")]
    [Range(1, int.MaxValue)]
    public long? AtGeneration { get; set; }
}

/// <summary>How far a mesh is with a protocol version.</summary>
[Atomic]
public sealed class ProtocolStatus
{
    /// <summary>The one of <see cref="WireGuardMeshSpec.Protocol"/>, or without it the newest that any node speaks.</summary>
    [Description("The version that links are to use: that of spec.protocol, or the newest that a node speaks.")]
    public int? Version { get; set; }

    /// <summary>Nodes whose agents said what they speak.</summary>
    [Description("The number of nodes that said which versions they speak.")]
    public int? Nodes { get; set; }

    /// <summary>Those of them that speak <see cref="Version"/>.</summary>
    [Description("The number of nodes that speak the version.")]
    public int? ReadyNodes { get; set; }
}

/// <summary>What was observed of the mesh.</summary>
public sealed class WireGuardMeshStatus
{
    /// <summary>At most one condition of each type.</summary>
    [Description("The conditions of the mesh: Accepted, Ready and FailClosed.")]
    [MaxLength(16), ListMapKey("type")]
    public List<Condition> Conditions { get; set; } = [];

    /// <summary>The metadata.generation that the status speaks of.</summary>
    [Description("The metadata.generation that the status was computed from.")]
    public long? ObservedGeneration { get; set; }

    /// <summary>Number of nodes in the mesh.</summary>
    [Description("The number of nodes in the mesh.")]
    public int? Nodes { get; set; }

    /// <summary>Number of nodes from which everything of the mesh was taken off; null unless that was asked for.</summary>
    [Description("The number of nodes that have released, while spec.released asks for it.")]
    public int? ReleasedNodes { get; set; }

    /// <summary>Links with a live session.</summary>
    [Description("The number of links that have a live session.")]
    public int? LinksUp { get; set; }

    /// <summary>Links that should have a live session and do not.</summary>
    [Description("The number of links that should have a live session and do not.")]
    public int? LinksDown { get; set; }

    /// <summary>Links over which nobody wants to send, and which have no session for that reason.</summary>
    [Description("The number of links that have no session because nothing was to be sent over them.")]
    public int? LinksIdle { get; set; }

    /// <summary>Bytes; the smallest of all nodes' tunnels. Null while no agent said it.</summary>
    [Description("The MTU of the nodes' tunnels in bytes; the smallest one, if they differ.")]
    public int? Mtu { get; set; }

    /// <summary>How far the nodes are with the protocol version that links between them are to have.</summary>
    [Description("The protocol version that links between nodes are to use, and how many nodes speak it.")]
    public ProtocolStatus? Protocol { get; set; }

    /// <summary>The versions of the agents that are connected.</summary>
    [Description("The versions of the agents in the mesh.")]
    [MaxLength(64)]
    public List<string> AgentVersions { get; set; } = [];

    /// <summary>Who lost what to whom, one sentence each.</summary>
    [Description("Conflicts between peers, one sentence each.")]
    [MaxLength(256)]
    public List<string> Conflicts { get; set; } = [];
}
