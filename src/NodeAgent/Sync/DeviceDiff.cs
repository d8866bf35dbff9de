using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Sync;

/// <summary>The smallest update that takes a device from what it is to what it is to be. Pure.</summary>
internal static class DeviceDiff
{
    private static readonly SecretKey NoKey = new(new byte[SecretKey.Length]);

    /// <summary>Compares.</summary>
    /// <param name="desired">What the device is to be.</param>
    /// <param name="key">The node's private key.</param>
    /// <param name="current">What it is.</param>
    /// <param name="configured">
    /// The endpoint that was last set per peer. Where that is still the wanted one, the device's own is left alone: a peer that has
    /// roamed is where it was last heard, not where somebody wrote it would be.
    /// </param>
    /// <returns>Null if there is nothing to change.</returns>
    internal static DeviceUpdate? Between(
        DesiredState desired, SecretKey key, DeviceSnapshot current, IReadOnlyDictionary<PublicKey, Endpoint> configured)
    {
        var config = desired.Config;
        var existing = current.Peers.ToDictionary(p => p.PublicKey);
        var wanted = desired.Peers.Select(p => p.Config.PublicKey).ToHashSet();
        var given = desired.Peers.SelectMany(p => p.AllowedIps).ToHashSet();

        var peers = new List<PeerUpdate>();
        foreach (var peer in desired.Peers)
        {
            var update = existing.TryGetValue(peer.Config.PublicKey, out var now)
                ? Change(peer, now, given, configured)
                : Create(peer);
            if (update is not null)
            {
                peers.Add(update);
            }
        }

        // last, so that a prefix which passes from a removed peer to another has an owner all the time
        peers.AddRange(current.Peers.Where(p => !wanted.Contains(p.PublicKey))
            .Select(p => new PeerUpdate { PublicKey = p.PublicKey, UpdateOnly = true, Remove = true }));

        var result = new DeviceUpdate
        {
            PrivateKey = key.Equals(current.PrivateKey) ? null : key,
            ListenPort = config.ListenPort is 0 || config.ListenPort == current.ListenPort ? null : config.ListenPort,
            Peers = peers,
        };
        return result.PrivateKey is null && result.ListenPort is null && peers.Count == 0 ? null : result;
    }

    private static PeerUpdate Create(DesiredPeer peer) => new()
    {
        PublicKey = peer.Config.PublicKey,
        Name = peer.Config.Name,
        MeasuredFirst = !peer.Config.IsNode,
        PresharedKey = peer.Config.PresharedKey,
        Endpoint = peer.Endpoint,
        PersistentKeepalive = peer.Config.PersistentKeepalive,
        ProtocolVersion = peer.Config.ProtocolVersion,
        ReplaceAllowedIps = true,
        AllowedIps = [.. peer.AllowedIps.Select(prefix => new AllowedIpUpdate(prefix))],
        Connect = true,
    };

    private static PeerUpdate? Change(
        DesiredPeer peer, PeerSnapshot now, HashSet<Prefix> given, IReadOnlyDictionary<PublicKey, Endpoint> configured)
    {
        var want = peer.Config;
        var has = now.AllowedIps.ToHashSet();
        var keeps = peer.AllowedIps.ToHashSet();
        var allowedIps = peer.AllowedIps.Where(prefix => !has.Contains(prefix)).Select(prefix => new AllowedIpUpdate(prefix))
            // a prefix that goes to another peer is moved by that peer's update, in one step
            .Concat(now.AllowedIps.Where(prefix => !keeps.Contains(prefix) && !given.Contains(prefix))
                .Select(prefix => new AllowedIpUpdate(prefix, Remove: true)))
            .ToArray();

        var update = new PeerUpdate
        {
            PublicKey = want.PublicKey,
            UpdateOnly = true,
            Name = want.Name == now.Name ? null : want.Name,
            MeasuredFirst = want.IsNode == now.MeasuredFirst ? !want.IsNode : null,
            PresharedKey = SameKey(want.PresharedKey, now.PresharedKey) ? null : want.PresharedKey ?? NoKey,
            Endpoint = peer.Endpoint is { } endpoint && (!configured.TryGetValue(want.PublicKey, out var last) || last != endpoint)
                ? endpoint
                : null,
            PersistentKeepalive = want.PersistentKeepalive == now.PersistentKeepalive ? null : want.PersistentKeepalive,
            ProtocolVersion = want.ProtocolVersion == now.ProtocolVersion ? null : want.ProtocolVersion,
            AllowedIps = allowedIps,
            Connect = true,
        };
        var changes = update is not { Name: null, MeasuredFirst: null, PresharedKey: null, Endpoint: null, PersistentKeepalive: null, ProtocolVersion: null } || allowedIps.Length > 0;
        return changes ? update : null;
    }

    // all zero and none are the same: the handshake mixes in zeros where there is none (paper, section 5.4.2)
    private static bool SameKey(SecretKey? left, SecretKey? right) => (left ?? NoKey).Equals(right ?? NoKey);
}
