using System.Collections.Immutable;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>How a peer fared.</summary>
internal enum PeerAdmission
{
    /// <summary>As declared.</summary>
    Accepted,

    /// <summary>Served, without what its messages name.</summary>
    PartlyAccepted,

    /// <summary>Not served.</summary>
    Refused,

    /// <summary>A node whose agent has not announced a key yet.</summary>
    Waiting,
}

/// <summary>Why a peer fared as it did, in one word for programs: the reasons of the condition <c>Accepted</c>.</summary>
internal static class PeerReason
{
    /// <summary>As declared.</summary>
    public const string Accepted = "Accepted";

    /// <summary>A node whose agent has not announced a key yet.</summary>
    public const string Waiting = "Waiting";

    /// <summary>Refused: the public key belongs to another peer.</summary>
    public const string DuplicatePublicKey = "DuplicatePublicKey";

    /// <summary>Refused: a node's peer has this name.</summary>
    public const string NameTaken = "NameTaken";

    /// <summary>Refused: the node that it names is not there.</summary>
    public const string UnknownNode = "UnknownNode";

    /// <summary>Refused: an older peer pins the key of the node.</summary>
    public const string PinnedTwice = "PinnedTwice";

    /// <summary>Refused: the preshared key that it names cannot be read.</summary>
    public const string PresharedKeyMissing = "PresharedKeyMissing";

    /// <summary>Refused, and it keeps its prefixes: no node that is served has the labels of its gateways.</summary>
    public const string NoGateway = "NoGateway";

    /// <summary>Refused: a field has a value that cannot be, or lacks one that has to be.</summary>
    public const string Invalid = "Invalid";

    /// <summary>Served without some of its allowed IPs: they overlap the cluster's, or belong to another peer.</summary>
    public const string AllowedIPsConflict = "AllowedIPsConflict";

    /// <summary>A node, served without some of its pod CIDRs: they overlap those of an older node, or a service CIDR.</summary>
    public const string PodCIDRConflict = "PodCIDRConflict";

    /// <summary>Served without an address that is stored for another, too.</summary>
    public const string AddressConflict = "AddressConflict";

    /// <summary>Served without an address: the pools are used up.</summary>
    public const string NoFreeAddress = "NoFreeAddress";
}

/// <summary>What became of one peer.</summary>
internal sealed record PeerOutcome
{
    public required string Name { get; init; }

    public required PeerKind Kind { get; init; }

    /// <summary>For a node's peer.</summary>
    public required string? Node { get; init; }

    /// <summary>Of the object that this is about, as it was planned with; 0: unknown.</summary>
    public required long Generation { get; init; }

    public required PeerAdmission Admission { get; init; }

    /// <summary>One of <see cref="PeerReason"/>. If there are several, that of the refusal, else of the first loss.</summary>
    public required string Reason { get; init; }

    /// <summary>Its own addresses in the mesh, e.g. <c>10.90.0.7/32</c>.</summary>
    public required ImmutableArray<string> Addresses { get; init; }

    /// <summary>What is routed to it.</summary>
    public required ImmutableArray<string> AllowedIps { get; init; }

    /// <summary>Why it is not wholly accepted, one sentence each.</summary>
    public required ImmutableArray<string> Messages { get; init; }

    /// <summary>The protocol versions that it speaks; empty while nothing is known.</summary>
    public required VersionSet Versions { get; init; }

    /// <summary>The node that those which do not admit it reach it through; null: all nodes admit it, or there is no such node.</summary>
    public required string? Gateway { get; init; }

    /// <summary>The nodes that admit it, ordered by name; empty if all do, or none.</summary>
    public required ImmutableArray<string> GatewayNodes { get; init; }

    /// <summary>Whether nodes have it as a peer.</summary>
    public bool IsServed => Admission is PeerAdmission.Accepted or PeerAdmission.PartlyAccepted;

    public bool Equals(PeerOutcome? other) =>
        other is not null && Name == other.Name && Kind == other.Kind && Node == other.Node && Generation == other.Generation
        && Admission == other.Admission && Reason == other.Reason && Versions == other.Versions && Gateway == other.Gateway
        && Same(Addresses, other.Addresses) && Same(AllowedIps, other.AllowedIps) && Same(Messages, other.Messages)
        && Same(GatewayNodes, other.GatewayNodes);

    public override int GetHashCode() => HashCode.Combine(Name, Admission, Messages.Length);

    private static bool Same(ImmutableArray<string> left, ImmutableArray<string> right) =>
        left == right || left.SequenceEqual(right, StringComparer.Ordinal);
}
