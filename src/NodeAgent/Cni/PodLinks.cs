using System.Collections.Immutable;
using System.Diagnostics;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Cni;

/// <summary>
/// The host's ends of the pods' interfaces. They are known by host-local's store: it has a file per address that it gave, and ptp made a
/// route to that address by the pod's veth. If the store has lost them, they are known by what ptp made of our ranges: such a route, by a
/// veth that has the range's first address; unless the store of another network has the pod's address.
/// </summary>
/// <param name="stores">host-local's folder, which has one per network.</param>
/// <param name="ranges">Of the configuration by which pods were connected; none if they were connected by another.</param>
/// <param name="joining">How long it may take a plugin that has just been given an address to join the pod to the host.</param>
internal sealed class PodLinks(string stores, ImmutableArray<Prefix> ranges, TimeSpan joining)
{
    // a plugin that has just passed the gate has its address well within that
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    private readonly HashSet<Prefix> _cut = [];

    /// <summary>
    /// Deletes them, and with them the pods' ends, in the calling thread's network namespace: a pod that still runs sends nothing any more.
    /// No new pod passes the gate; those that just did are waited for.
    /// </summary>
    /// <returns>Null, or what went wrong.</returns>
    internal string? Cut()
    {
        try
        {
            using var netlink = RouteNetlink.Open();
            for (var quiet = Stopwatch.StartNew(); quiet.Elapsed < Quiet; Thread.Sleep(50))
            {
                if (Cut(netlink))
                {
                    quiet.Restart();
                }
            }

            return null;
        }
        catch (LinuxException e)
        {
            return $"cni: the pods cannot be cut off: {e.Message}";
        }
        catch (Exception e) when (FileFault.IsExpected(e))
        {
            return FileFault.Of(stores, e);
        }
    }

    // whether there was anything to cut, or some pod is perhaps still being joined
    private bool Cut(RouteNetlink netlink)
    {
        var given = Given(Path.Combine(stores, Conflist.NetworkName));
        var ways = WaysToPods(netlink, given);
        foreach (var index in ways.Select(route => route.LinkIndex).Distinct())
        {
            try
            {
                netlink.DeleteLink(index);
            }
            catch (LinkException e) when (e.Errno == Errno.ENODEV)
            {
                // its pod has ended meanwhile
            }
        }

        _cut.UnionWith(ways.Select(route => route.Destination));
        // a clock that was set back makes no file new for ever
        return ways.Count > 0 || given.Any(address => !_cut.Contains(address.Key) && (DateTime.UtcNow - address.Value).Duration() < joining);
    }

    private List<Route> WaysToPods(RouteNetlink netlink, Dictionary<Prefix, DateTime> given)
    {
        var veths = netlink.GetLinks().Where(link => link.Kind == "veth").Select(link => link.Index).ToHashSet();
        var ways = netlink.GetRoutes(Route.MainTable)
            .Where(route => route is { Type: RouteType.Unicast, Gateway: null } && route.Destination.Length == route.Destination.Bits && veths.Contains(route.LinkIndex))
            .ToList();
        var unknown = ways.Where(route => !given.ContainsKey(route.Destination) && ranges.Any(range => range.Overlaps(route.Destination))).ToHashSet();
        if (unknown.Count > 0)
        {
            var first = ranges.Select(range => (Address: range.Address + 1, range.IsIPv6)).ToHashSet();
            var ours = netlink.GetAddresses().Where(a => first.Contains((a.Address, a.IsIPv6))).Select(a => a.LinkIndex).ToHashSet();
            var others = Directory.Exists(stores) ? Directory.GetDirectories(stores).SelectMany(store => Given(store).Keys).ToHashSet() : [];
            ours.ExceptWith(ways.Where(route => others.Contains(route.Destination)).Select(route => route.LinkIndex));
            unknown.RemoveWhere(route => !ours.Contains(route.LinkIndex));
        }

        return ways.FindAll(route => given.ContainsKey(route.Destination) || unknown.Contains(route));
    }

    // the addresses, as prefixes of full length, and since when
    private static Dictionary<Prefix, DateTime> Given(string store)
    {
        Dictionary<Prefix, DateTime> given = [];
        foreach (var file in Directory.Exists(store) ? new DirectoryInfo(store).EnumerateFiles() : [])
        {
            if (Prefix.TryParse(file.Name, out var address))
            {
                given[address] = file.LastWriteTimeUtc;
            }
        }

        return given;
    }
}
