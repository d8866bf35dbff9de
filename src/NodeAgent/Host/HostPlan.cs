using System.Collections.Immutable;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Host;

/// <summary>Works out the steps from one state of the host's network to another. Pure.</summary>
internal static class HostPlan
{
    /// <summary>Metric of the routes into the TUN: wins against every route to the same prefix that somebody gave a metric.</summary>
    internal const uint TunnelMetric = 1;

    /// <summary>Metric of the blackholes: loses against every other route to the same prefix.</summary>
    internal const uint BlackholeMetric = 4_000_000_000;

    /// <summary>
    /// The steps, none if all is as it should be. In an order in which at no moment a packet for the mesh finds a way around the tunnel:
    /// what closes comes first, then the interface, then what leads into it; what is no longer wanted goes after its successors came,
    /// blackholes last. Without an interface there are the blackholes alone.
    /// </summary>
    /// <exception cref="ArgumentException">An address or source is not of full length.</exception>
    internal static ImmutableArray<HostOperation> Compute(HostState desired, HostActual actual)
    {
        var operations = ImmutableArray.CreateBuilder<HostOperation>();
        var blackholes = desired.Blackholes.Distinct()
            .Select(p => new Route { Destination = p, Type = RouteType.Blackhole, Metric = BlackholeMetric }).ToList();
        SetRoutes(operations, blackholes, actual.Routes);

        List<Route> routes = [];
        List<LinkAddress> stale = [];
        if (actual.Link is { } link)
        {
            if (link.HasAutomaticIPv6Address == true)
            {
                operations.Add(new HostOperation.DisableAutomaticIPv6Address(link.Index));
            }

            if (link.Mtu != desired.Mtu)
            {
                operations.Add(new HostOperation.SetMtu(link.Index, desired.Mtu));
            }

            if (!link.IsUp)
            {
                operations.Add(new HostOperation.SetUp(link.Index));
            }

            var addresses = desired.Addresses.Distinct()
                .Select(p => new LinkAddress(link.Index, Whole(p, "addresses"), p.Length, p.IsIPv6) { NoPrefixRoute = true }).ToList();
            operations.AddRange(addresses.Except(actual.Addresses).Select(a => new HostOperation.AddAddress(a)));

            var source4 = desired.SourceIPv4 is { } s4 ? Whole(s4, "source") : (UInt128?)null;
            var source6 = desired.SourceIPv6 is { } s6 ? Whole(s6, "source") : (UInt128?)null;
            routes = [.. desired.Routes.Distinct().Select(p => new Route
            {
                Destination = p, LinkIndex = link.Index, Source = p.IsIPv6 ? source6 : source4, Metric = TunnelMetric,
            })];
            SetRoutes(operations, routes, actual.Routes);
            stale = [.. actual.Addresses.Except(addresses)];
        }

        List<Route> wanted = [.. blackholes, .. routes];
        DeleteRoutes(operations, wanted, actual.Routes.Where(r => r.Type == RouteType.Unicast));
        operations.AddRange(stale.Select(a => new HostOperation.DeleteAddress(a)));
        DeleteRoutes(operations, wanted, actual.Routes.Where(r => r.Type != RouteType.Unicast));
        return operations.ToImmutable();
    }

    /// <summary>The steps that leave nothing of ours; the way into the mesh is closed until the last of them.</summary>
    internal static ImmutableArray<HostOperation> ComputeReset(HostActual actual)
    {
        var operations = ImmutableArray.CreateBuilder<HostOperation>();
        DeleteRoutes(operations, [], actual.Routes.Where(r => r.Type == RouteType.Unicast));
        if (actual.Link is { } link)
        {
            operations.Add(new HostOperation.DeleteLink(link.Index));
        }

        DeleteRoutes(operations, [], actual.Routes.Where(r => r.Type != RouteType.Unicast));
        return operations.ToImmutable();
    }

    private static void SetRoutes(ImmutableArray<HostOperation>.Builder operations, List<Route> wanted, ImmutableArray<Route> actual)
    {
        var right = actual.ToHashSet();
        var taken = actual.Select(Key).ToHashSet();
        operations.AddRange(wanted.Where(r => !right.Contains(r)).Select(r =>
            taken.Contains(Key(r)) ? (HostOperation)new HostOperation.ReplaceRoute(r) : new HostOperation.AddRoute(r)));
    }

    // what has a wanted one's key is that one or was replaced by it
    private static void DeleteRoutes(ImmutableArray<HostOperation>.Builder operations, List<Route> wanted, IEnumerable<Route> actual)
    {
        var kept = wanted.Select(Key).ToHashSet();
        operations.AddRange(actual.Where(r => !kept.Contains(Key(r))).Select(r => new HostOperation.DeleteRoute(r)));
    }

    // by these the kernel tells routes apart
    private static (Prefix Destination, uint Table, uint Metric) Key(Route route) => (route.Destination, route.Table, route.Metric);

    private static UInt128 Whole(Prefix prefix, string field) => prefix.Length == prefix.Bits
        ? prefix.Address
        : throw new ArgumentException($"{field}: {prefix} is a prefix, not an address, which has the length {prefix.Bits}.");
}
