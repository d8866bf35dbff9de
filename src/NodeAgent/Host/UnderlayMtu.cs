using WgMesh.Engine.Linux.Netlink;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's
using Route = WgMesh.Engine.Linux.Netlink.Route;

namespace WgMesh.NodeAgent.Host;

/// <summary>The MTU of the network that carries the tunnels.</summary>
internal static class UnderlayMtu
{
    /// <summary>Bytes that a tunnel adds to a packet, at most: IPv6 40, UDP 8, transport header 16, authentication tag 16.</summary>
    internal const int Overhead = 80;

    /// <summary>
    /// The smallest MTU in bytes on the ways to the given endpoints, counting path MTUs that the kernel knows; without a way to any of
    /// them, that of the default routes. Ways through the tunnel itself or within the host do not count.
    /// </summary>
    /// <param name="netlink">Opened in the namespace of the engine's UDP socket.</param>
    /// <param name="tunnel">Name of the TUN.</param>
    /// <param name="endpoints">Of peers; unknown ones are passed over.</param>
    /// <param name="mark">The firewall mark of the engine's UDP socket; 0 for none.</param>
    /// <returns>Null if there is neither.</returns>
    internal static int? Find(RouteNetlink netlink, string tunnel, IEnumerable<Endpoint> endpoints, uint mark = 0)
    {
        var links = netlink.GetLinks().ToDictionary(l => l.Index);
        return Smallest(endpoints.Where(e => e.IsKnown).Select(e => netlink.FindRoute(e, mark)))
            ?? Smallest(netlink.GetRoutes(Route.MainTable)
                .Where(r => r is { Destination.Length: 0, Type: RouteType.Unicast } && IsUnderlay(r))
                .GroupBy(r => r.Destination.IsIPv6)
                .Select(family => family.MinBy(r => r.Metric)));

        int? Smallest(IEnumerable<Route?> routes) =>
            routes.OfType<Route>().Where(IsUnderlay)
                .Min(r => (int?)(r.Mtu == 0 ? links[r.LinkIndex].Mtu : Math.Min(r.Mtu, links[r.LinkIndex].Mtu)));

        bool IsUnderlay(Route route) =>
            links.TryGetValue(route.LinkIndex, out var link) && !link.IsLoopback && link.Name != tunnel;
    }
}
