using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>Applies a <see cref="NodeConfigDelta"/>. Pure.</summary>
internal static class ConfigDelta
{
    /// <summary>The configuration after the delta, its peers ordered by name; neither argument is changed.</summary>
    internal static NodeConfig Apply(NodeConfig config, NodeConfigDelta delta)
    {
        var peers = new SortedDictionary<string, PeerConfig>(StringComparer.Ordinal);
        foreach (var peer in config.Peers)
        {
            peers[peer.Name] = peer;
        }

        foreach (var name in delta.Removed)
        {
            peers.Remove(name);
        }

        // after the removals: a name in both was deleted and made again
        foreach (var peer in delta.Upserts)
        {
            peers[peer.Name] = peer;
        }

        return new NodeConfig { Revision = delta.Revision, Settings = delta.Settings ?? config.Settings, Peers = { peers.Values } };
    }
}
