using System.Collections.Immutable;
using Google.Protobuf;
using WgMesh.Engine;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>One node's part of the plan.</summary>
/// <param name="Node">Its name.</param>
/// <param name="PeerName">The name of its own peer.</param>
/// <param name="PublicKey">The key it is expected to have; null while nothing is known.</param>
/// <param name="PinnedBy">The declared peer that fixes the key; null if the agent's word is taken.</param>
/// <param name="IsServed">Whether others have it as a peer, and it them.</param>
/// <param name="Versions">The protocol versions that it speaks.</param>
/// <param name="Admits">The devices that it admits and others do not (<see cref="AdmittedDevices.Key"/>).</param>
/// <param name="Addresses">Its own in the mesh.</param>
/// <param name="PodCidrs">Its own, as far as nobody else has them.</param>
internal sealed record NodePlan(
    string Node,
    string PeerName,
    PublicKey? PublicKey,
    string? PinnedBy,
    bool IsServed,
    VersionSet Versions,
    string Admits,
    ImmutableArray<string> Addresses,
    ImmutableArray<string> PodCidrs)
{
    public bool Equals(NodePlan? other) =>
        other is not null && Node == other.Node && PeerName == other.PeerName && PublicKey == other.PublicKey && PinnedBy == other.PinnedBy
        && IsServed == other.IsServed && Versions == other.Versions && Admits == other.Admits && HasSameSettings(other);

    public override int GetHashCode() => HashCode.Combine(Node, PublicKey);

    /// <summary>Whether what <see cref="OwnSettings"/> says is the same.</summary>
    public bool HasSameSettings(NodePlan other) =>
        (Addresses == other.Addresses || Addresses.SequenceEqual(other.Addresses, StringComparer.Ordinal))
        && (PodCidrs == other.PodCidrs || PodCidrs.SequenceEqual(other.PodCidrs, StringComparer.Ordinal));

    /// <summary>The node's own settings: without those of <see cref="MeshSettings"/>.</summary>
    public byte[] OwnSettings()
    {
        var settings = new NodeSettings { Node = Node };
        settings.Addresses.AddRange(Addresses);
        settings.PodCidrs.AddRange(PodCidrs);
        return settings.ToByteArray();
    }
}

/// <summary>What the settings of all nodes have in common.</summary>
/// <param name="ListenPort">UDP.</param>
/// <param name="Mtu">Of the TUN, bytes; 0: each node finds its own.</param>
/// <param name="FailurePolicy">What becomes of packets without a tunnel.</param>
/// <param name="Released">Whether everything of the mesh is to be taken off the nodes.</param>
/// <param name="MeshCidrs">What leaves a node through the mesh or not at all.</param>
/// <param name="ServiceCidrs">Of the cluster.</param>
internal sealed record MeshSettings(
    uint ListenPort, uint Mtu, FailurePolicy FailurePolicy, bool Released, PrefixTexts MeshCidrs, PrefixTexts ServiceCidrs)
{
    private byte[]? _serialized;

    /// <summary>As a part of NodeSettings.</summary>
    public byte[] Serialized => _serialized ??= Serialize();

    public bool Equals(MeshSettings? other) =>
        ReferenceEquals(this, other)
        || (other is not null && ListenPort == other.ListenPort && Mtu == other.Mtu && FailurePolicy == other.FailurePolicy
            && Released == other.Released && Same(MeshCidrs, other.MeshCidrs) && Same(ServiceCidrs, other.ServiceCidrs));

    public override int GetHashCode() => HashCode.Combine(ListenPort, Mtu, FailurePolicy, Released, MeshCidrs.Prefixes.Length);

    private byte[] Serialize()
    {
        var settings = new NodeSettings { ListenPort = ListenPort, Mtu = Mtu, FailurePolicy = FailurePolicy, Released = Released };
        settings.MeshCidrs.AddRange(MeshCidrs.Texts);
        settings.ServiceCidrs.AddRange(ServiceCidrs.Texts);
        return settings.ToByteArray();
    }

    private static bool Same(PrefixTexts left, PrefixTexts right) =>
        ReferenceEquals(left, right) || left.Prefixes.AsSpan().SequenceEqual(right.Prefixes.AsSpan());
}
