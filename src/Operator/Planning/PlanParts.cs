using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>
/// What a plan leaves to the next, which uses it again where it would make the same. It decides nothing: a plan says the same
/// whatever came before.
/// </summary>
internal sealed class PlanParts
{
    public static readonly PlanParts None = new();

    /// <summary>By kind and by the name of the Node or the WireGuardPeer.</summary>
    public Dictionary<(PeerKind, string), MemberPart> Members { get; init; } = [];

    /// <summary>
    /// Peers as some nodes have them because of devices behind them, by name and by <see cref="AdmittedDevices.Key"/> of those nodes.
    /// </summary>
    public Dictionary<(string, string), PlannedPeer> Gateways { get; } = [];
}

/// <summary>What a plan says of one member.</summary>
internal sealed class MemberPart
{
    public required PrefixTexts AllowedIps { get; init; }

    /// <summary>Its own addresses.</summary>
    public required PrefixTexts Addresses { get; init; }

    /// <summary>Of a node, its own.</summary>
    public required PrefixTexts PodCidrs { get; init; }

    public required PeerOutcome Outcome { get; init; }

    /// <summary>Of a node.</summary>
    public NodePlan? Node { get; init; }

    /// <summary>Of what is served: with its own allowed IPs.</summary>
    public PlannedPeer? Peer { get; init; }
}
