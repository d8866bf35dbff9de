using System.Globalization;
using System.Text;
using WgMesh.Engine.Routing;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Composes the nftables table that gives packets the node's address where their own would not be answered, and drops what nobody translated. Pure.</summary>
internal static class MasqueradeRules
{
    /// <summary>Family and name.</summary>
    internal const string Table = "inet wgmesh";

    /// <summary>
    /// One transaction for <c>nft -f -</c> that puts the table in the place of the one that is there. What is masqueraded: packets of the
    /// node's pods that leave the mesh, under the address of the interface they leave by; and into the mesh, under the node's address
    /// there, what comes from another address of the host itself, or what kube-proxy translated to lead there. Whatever else is sent on
    /// into the mesh keeps its address: if it comes from a device behind this node, peers expect that; if it comes from a neighbour that
    /// took this node for a router, they drop it.
    /// </summary>
    internal static string Compose(PodNetworkState desired)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"add table {Table}\ndelete table {Table}\ntable {Table} {{\n");
        foreach (var (isIPv6, _, _, suffix) in Families)
        {
            AppendSet(text, $"pods{suffix}", isIPv6, desired.PodCidrs);
            AppendSet(text, $"own{suffix}", isIPv6, desired.PodCidrs.Concat(desired.Addresses));
            AppendSet(text, $"services{suffix}", isIPv6, desired.ServiceCidrs);
            // a default route through the mesh makes nothing part of it that leaves by another way
            AppendSet(text, $"mesh{suffix}", isIPv6, desired.MeshPrefixes.Where(p => p.Length > 0));
        }

        text.Append("\tchain into_mesh {\n");
        foreach (var (isIPv6, family, protocol, suffix) in Families)
        {
            text.Append(CultureInfo.InvariantCulture, $"\t\t{family} saddr @own{suffix} return\n");
            text.Append(CultureInfo.InvariantCulture, $"\t\t{family} saddr @mesh{suffix} fib saddr type != local return\n");
            if (desired.Addresses.Any(a => a.IsIPv6 == isIPv6))
            {
                text.Append(CultureInfo.InvariantCulture, $"\t\tmeta nfproto {protocol} fib saddr type local masquerade fully-random\n");
                text.Append(CultureInfo.InvariantCulture, $"\t\tmeta nfproto {protocol} ct status dnat masquerade fully-random\n");
            }
        }

        text.Append("\t}\n\tchain postrouting {\n\t\ttype nat hook postrouting priority 100; policy accept;\n");
        text.Append(CultureInfo.InvariantCulture, $"\t\toifname \"{desired.Interface}\" goto into_mesh\n");
        foreach (var (isIPv6, family, _, suffix) in Families)
        {
            var multicast = isIPv6 ? "ff00::/8" : "224.0.0.0/4";
            text.Append(CultureInfo.InvariantCulture, $"\t\t{family} saddr @pods{suffix} {family} daddr != @mesh{suffix} {family} daddr != {multicast} masquerade fully-random\n");
        }

        // after kube-proxy's own (0), which tells pods that a Service has no endpoints
        text.Append("\t}\n\tchain forward {\n\t\ttype filter hook forward priority 10; policy accept;\n");
        foreach (var (_, family, _, suffix) in Families)
        {
            text.Append(CultureInfo.InvariantCulture, $"\t\t{family} saddr @pods{suffix} {family} daddr @services{suffix} drop\n");
        }

        return text.Append("\t}\n}\n").ToString();
    }

    private static (bool IsIPv6, string Family, string Protocol, char Suffix)[] Families => [(false, "ip", "ipv4", '4'), (true, "ip6", "ipv6", '6')];

    private static void AppendSet(StringBuilder text, string name, bool isIPv6, IEnumerable<Prefix> prefixes)
    {
        text.Append(CultureInfo.InvariantCulture, $"\tset {name} {{\n\t\ttype {(isIPv6 ? "ipv6_addr" : "ipv4_addr")}; flags interval;\n");
        // intervals of a set must not overlap
        var elements = Prefixes.Outermost(prefixes.Where(p => p.IsIPv6 == isIPv6));
        if (!elements.IsEmpty)
        {
            text.Append(CultureInfo.InvariantCulture, $"\t\telements = {{ {string.Join(", ", elements)} }}\n");
        }

        text.Append("\t}\n");
    }
}
