using System.Globalization;
using System.Text;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>The configuration of an external peer in the format of wg-quick(8), all but its private key.</summary>
internal static class PeerConfigText
{
    /// <summary>Seconds: what keeps a NAT's mapping alive (wg(8), PersistentKeepalive).</summary>
    private const int KeepaliveBehindNat = 25;

    public static string Write(MeshPlan plan, PeerOutcome outcome)
    {
        var peer = plan.Peers.Single(config => config.Name == outcome.Name && config.Kind == PeerKind.External);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# WireGuardPeer {peer.Name}\n[Interface]\n");
        text.Append(CultureInfo.InvariantCulture,
            $"# PrivateKey = the key that {Convert.ToBase64String(peer.PublicKey.Span)} is the public key of; only the device has it\n");
        if (outcome.Addresses.IsEmpty)
            text.Append("# Address = none was given: add the device's own address within its allowed IPs\n");
        else
            text.Append(CultureInfo.InvariantCulture, $"Address = {string.Join(", ", outcome.Addresses)}\n");
        if (peer.Endpoint.Length > 0)
            text.Append(CultureInfo.InvariantCulture, $"ListenPort = {peer.Endpoint[(peer.Endpoint.LastIndexOf(':') + 1)..]}\n");
        if (plan.Nodes.Values.FirstOrDefault()?.Settings.Mtu is > 0 and var mtu)
            text.Append(CultureInfo.InvariantCulture, $"MTU = {mtu}\n");

        foreach (var node in plan.Peers.Where(config => config.Kind == PeerKind.Node))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"\n[Peer]\n# {node.Name}\nPublicKey = {Convert.ToBase64String(node.PublicKey.Span)}\n");
            if (!peer.PresharedKey.IsEmpty)
                text.Append(CultureInfo.InvariantCulture, $"PresharedKey = {Convert.ToBase64String(peer.PresharedKey.Span)}\n");
            text.Append(CultureInfo.InvariantCulture, $"AllowedIPs = {string.Join(", ", node.AllowedIps)}\n");
            if (node.Endpoint.Length > 0)
                text.Append(CultureInfo.InvariantCulture, $"Endpoint = {node.Endpoint}\n");
            if (peer.Endpoint.Length == 0)
                text.Append(CultureInfo.InvariantCulture, $"PersistentKeepalive = {KeepaliveBehindNat}\n");
        }

        return text.ToString();
    }
}
