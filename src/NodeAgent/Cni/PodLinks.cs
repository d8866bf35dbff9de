using System.Diagnostics;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Cni;

/// <summary>
/// The host's ends of the pods' interfaces, known by host-local's store: it has a file per address that it gave, and ptp made a route to
/// that address by the pod's veth.
/// </summary>
/// <param name="store">host-local's folder for our network.</param>
internal sealed class PodLinks(string store)
{
    // how long it may take a plugin that has just been given an address to join the pod to the host
    private static readonly TimeSpan Starting = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Deletes them, and with them the pods' ends, in the calling thread's network namespace: a pod that still runs sends nothing any more.
    /// No new pod is being given an address; those that have just been are waited for.
    /// </summary>
    /// <returns>Null, or what went wrong.</returns>
    internal string? Cut()
    {
        try
        {
            using var netlink = RouteNetlink.Open();
            var watch = Stopwatch.StartNew();
            HashSet<Prefix> cut = [];
            // twice, since a plugin that has just passed the gate may have the address a moment later
            for (var quiet = 0; quiet < 2 && watch.Elapsed < Starting; Thread.Sleep(50))
            {
                quiet = Cut(netlink, cut) ? 0 : quiet + 1;
            }

            return null;
        }
        catch (LinuxException e)
        {
            return $"cni: the pods cannot be cut off: {e.Message}";
        }
        catch (Exception e) when (FileFault.IsExpected(e))
        {
            return FileFault.Of(store, e);
        }
    }

    // whether there was anything to cut, or some pod is perhaps still being joined
    private bool Cut(RouteNetlink netlink, HashSet<Prefix> cut)
    {
        var given = Given();
        if (given.Count == 0)
        {
            return false;
        }

        var links = netlink.GetLinks().Where(link => link.Kind == "veth").Select(link => link.Index).ToHashSet();
        var ways = netlink.GetRoutes(Route.MainTable)
            .Where(route => route is { Type: RouteType.Unicast, Gateway: null } && given.ContainsKey(route.Destination) && links.Contains(route.LinkIndex))
            .ToList();
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

        cut.UnionWith(ways.Select(route => route.Destination));
        return ways.Count > 0 || given.Any(address => !cut.Contains(address.Key) && DateTime.UtcNow - address.Value < Starting);
    }

    // the addresses, as prefixes of full length, and since when
    private Dictionary<Prefix, DateTime> Given()
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
