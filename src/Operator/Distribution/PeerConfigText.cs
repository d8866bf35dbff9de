using System.Globalization;
using System.Text;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// The configuration of an external peer in the format of wg-quick(8), all but its private key. It lists the nodes that admit the peer.
/// If not all do, the one that the others reach it through carries all of the mesh that no listed node owns. What the peer was refused stands
/// above it as a comment.
/// </summary>
internal static class PeerConfigText
{
    /// <summary>Seconds: what keeps a NAT's mapping alive (wg(8), PersistentKeepalive).</summary>
    private const int KeepaliveBehindNat = 25;

    public static string Write(MeshPlan plan, PeerOutcome outcome)
    {
        var peer = plan.Peers.Single(config => config.Name == outcome.Name && config.Kind == PeerKind.External);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# WireGuardPeer {peer.Name}\n");
        foreach (var message in outcome.Messages)
            text.Append(CultureInfo.InvariantCulture, $"# {message}\n");
        text.Append("[Interface]\n");
        text.Append(CultureInfo.InvariantCulture,
            $"# PrivateKey = the key that {Convert.ToBase64String(peer.PublicKey.Span)} is the public key of; only the device has it\n");
        if (peer.AllowedIps.Count == 0)
            text.Append("# Address = none was given, and none of its allowed IPs is routed to it: the mesh sends it nothing\n");
        else if (outcome.Addresses.IsEmpty)
            text.Append("# Address = none was given: add the device's own address within its allowed IPs\n");
        else
            text.Append(CultureInfo.InvariantCulture, $"Address = {string.Join(", ", outcome.Addresses)}\n");
        if (peer.Endpoint.Length > 0)
            text.Append(CultureInfo.InvariantCulture, $"ListenPort = {peer.Endpoint[(peer.Endpoint.LastIndexOf(':') + 1)..]}\n");
        if (plan.Settings.Mtu is > 0 and var mtu)
            text.Append(CultureInfo.InvariantCulture, $"MTU = {mtu}\n");

        var nodes = plan.Peers.Where(config => config.Kind == PeerKind.Node).ToList();
        if (outcome.Gateway is null)
        {
            foreach (var node in nodes)
                AppendNode(text, peer, node, "", node.AllowedIps);
            return text.ToString();
        }

        var names = outcome.GatewayNodes.Select(node => plan.Nodes[node].PeerName).ToHashSet(StringComparer.Ordinal);
        var chosen = plan.Nodes[outcome.Gateway].PeerName;
        foreach (var node in nodes.Where(node => names.Contains(node.Name)))
        {
            if (node.Name == chosen)
                AppendNode(text, peer, node, ", through which the nodes that are not listed are reached", AllBehind(plan, nodes, names, node));
            else
                AppendNode(text, peer, node, "", node.AllowedIps);
        }

        return text.ToString();
    }

    private static void AppendNode(StringBuilder text, PeerConfig peer, PeerConfig node, string remark, IEnumerable<string> allowedIps)
    {
        text.Append(CultureInfo.InvariantCulture,
            $"\n[Peer]\n# {node.Name}{remark}\nPublicKey = {Convert.ToBase64String(node.PublicKey.Span)}\n");
        if (!peer.PresharedKey.IsEmpty)
            text.Append(CultureInfo.InvariantCulture, $"PresharedKey = {Convert.ToBase64String(peer.PresharedKey.Span)}\n");
        text.Append(CultureInfo.InvariantCulture, $"AllowedIPs = {string.Join(", ", allowedIps)}\n");
        if (node.Endpoint.Length > 0)
            text.Append(CultureInfo.InvariantCulture, $"Endpoint = {node.Endpoint}\n");
        if (peer.Endpoint.Length == 0)
            text.Append(CultureInfo.InvariantCulture, $"PersistentKeepalive = {KeepaliveBehindNat}\n");
    }

    /// <summary>
    /// The gateway's own prefixes, and the mesh's as a whole, so that the text holds also for nodes that come later. The other listed
    /// nodes' are more specific, so they stay theirs.
    /// </summary>
    private static IEnumerable<string> AllBehind(MeshPlan plan, List<PeerConfig> nodes, HashSet<string> listed, PeerConfig gateway)
    {
        var mesh = plan.Settings.MeshCidrs.Prefixes;
        var others = nodes.Where(node => listed.Contains(node.Name) && node.Name != gateway.Name).SelectMany(node => node.AllowedIps).ToHashSet();
        var unlisted = nodes.Where(node => !listed.Contains(node.Name)).SelectMany(node => node.AllowedIps).Where(allowed =>
        {
            var prefix = Parsing.Prefix(allowed);
            return !mesh.Any(cidr => cidr.Length <= prefix.Length && cidr.Overlaps(prefix));
        });
        return gateway.AllowedIps.Concat(plan.Settings.MeshCidrs.Texts).Concat(unlisted)
            .Where(allowed => !others.Contains(allowed)).Distinct(StringComparer.Ordinal);
    }
}
