using System.Collections.Immutable;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>Peers ordered by name, and what they are on the wire: serialized once, at the first need, for all nodes.</summary>
internal sealed class PeerList
{
    public static readonly PeerList None = new([]);

    private FieldEntries? _inConfig, _inDelta;

    private PeerList(ImmutableArray<PeerConfig> peers) => Peers = peers;

    /// <summary>The messages are shared, and not to be changed.</summary>
    public ImmutableArray<PeerConfig> Peers { get; }

    /// <summary>The same object as <paramref name="earlier"/> if that has the same messages.</summary>
    public static PeerList Of(ImmutableArray<PeerConfig> peers, PeerList? earlier)
    {
        if (peers.IsEmpty)
            return None;
        if (earlier is null || earlier.Peers.Length != peers.Length)
            return new PeerList(peers);

        for (var i = 0; i < peers.Length; i++)
        {
            if (!ReferenceEquals(peers[i], earlier.Peers[i]))
                return new PeerList(peers);
        }

        return earlier;
    }

    /// <summary>Where a peer is; if there is none of this name, the complement of where it would be.</summary>
    public int IndexOf(string name)
    {
        var (low, high) = (0, Peers.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = string.CompareOrdinal(Peers[middle].Name, name);
            if (order == 0)
                return middle;

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }

        return ~low;
    }

    public PeerConfig? Find(string name) => IndexOf(name) is >= 0 and var index ? Peers[index] : null;

    public bool SameAs(PeerList other) => ReferenceEquals(this, other) || Peers.AsSpan().SequenceEqual(other.Peers.AsSpan());

    /// <summary>The peers from <paramref name="from"/> up to <paramref name="to"/> as they are within a NodeConfig.</summary>
    public ReadOnlyMemory<byte> InConfig(int from, int to) => (_inConfig ??= FieldEntries.Of(Peers, NodeConfig.PeersFieldNumber)).Slice(from, to);

    /// <summary>The peers from <paramref name="from"/> up to <paramref name="to"/> as they are within a NodeConfigDelta.</summary>
    public ReadOnlyMemory<byte> InDelta(int from, int to) => (_inDelta ??= FieldEntries.Of(Peers, NodeConfigDelta.UpsertsFieldNumber)).Slice(from, to);
}
