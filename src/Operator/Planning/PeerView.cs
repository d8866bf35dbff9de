using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>Which peers a node has, but for its own: the same for all nodes of one kind.</summary>
/// <param name="Versions">The protocol versions that the node speaks.</param>
/// <param name="Admits">The devices that it admits and others do not (<see cref="AdmittedDevices.Key"/>).</param>
internal readonly record struct ViewKey(State.VersionSet Versions, string Admits);

/// <summary>
/// The peers as the nodes of one kind have them: what all nodes have that speak the same versions, and instead or besides what
/// differs because they admit devices that others do not.
/// </summary>
internal sealed class PeerView
{
    /// <summary>Of a node that is not served: none.</summary>
    public static readonly PeerView None = new(PeerList.None, PeerList.None);

    private PeerView(PeerList common, PeerList overlay) => (Common, Overlay) = (common, overlay);

    public PeerList Common { get; }

    public PeerList Overlay { get; }

    /// <summary>The peers, ordered by name.</summary>
    public IEnumerable<PeerConfig> Peers => Overlay.Peers.IsEmpty ? Common.Peers : Merged();

    public static PeerView Of(PeerList common, PeerList overlay, PeerView? earlier) =>
        earlier is not null && ReferenceEquals(earlier.Common, common) && ReferenceEquals(earlier.Overlay, overlay)
            ? earlier
            : new PeerView(common, overlay);

    public PeerConfig? Find(string name) => Overlay.Find(name) ?? Common.Find(name);

    public bool SameAs(PeerView other) => Common.SameAs(other.Common) && Overlay.SameAs(other.Overlay);

    /// <summary>All peers but that of a node itself, in order, as they are within a NodeConfig.</summary>
    public void AddTo(MessageParts message, string own)
    {
        var next = 0; // in the common list
        var isOwnOut = false;
        for (var i = 0; i < Overlay.Peers.Length; i++)
        {
            var name = Overlay.Peers[i].Name;
            var order = string.CompareOrdinal(own, name);
            if (!isOwnOut && order < 0)
            {
                Skip(own);
                isOwnOut = true;
            }

            Skip(name);
            if (order == 0)
                isOwnOut = true;
            else
                message.Add(Overlay.InConfig(i, i + 1));
        }

        if (!isOwnOut)
            Skip(own);
        message.Add(Common.InConfig(next, Common.Peers.Length));

        void Skip(string name)
        {
            var index = Common.IndexOf(name);
            var position = index < 0 ? ~index : index;
            message.Add(Common.InConfig(next, position));
            next = Math.Max(next, index < 0 ? position : position + 1);
        }
    }

    private IEnumerable<PeerConfig> Merged()
    {
        var i = 0;
        foreach (var peer in Common.Peers)
        {
            while (i < Overlay.Peers.Length && string.CompareOrdinal(Overlay.Peers[i].Name, peer.Name) < 0)
                yield return Overlay.Peers[i++];

            if (i < Overlay.Peers.Length && Overlay.Peers[i].Name == peer.Name)
                yield return Overlay.Peers[i++];
            else
                yield return peer;
        }

        while (i < Overlay.Peers.Length)
            yield return Overlay.Peers[i++];
    }
}
