using WgMesh.Engine.Linux.Netlink;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Host;

/// <summary>One step from what the host's network is to what it is to be.</summary>
internal abstract record HostOperation
{
    /// <summary>Adds a route; fails if there is one with its destination and metric.</summary>
    internal sealed record AddRoute(Route Route) : HostOperation;

    /// <summary>Puts a route in the place of one of ours in one step, so that no packet falls between the two.</summary>
    internal sealed record ReplaceRoute(Route Route) : HostOperation;

    /// <summary>Deletes a route of ours.</summary>
    internal sealed record DeleteRoute(Route Route) : HostOperation;

    /// <summary>Keeps the kernel from giving the interface a link-local address and from looking for routers in the tunnel.</summary>
    internal sealed record DisableAutomaticIPv6Address(int LinkIndex) : HostOperation;

    /// <summary>Sets the interface's MTU in bytes.</summary>
    internal sealed record SetMtu(int LinkIndex, int Mtu) : HostOperation;

    /// <summary>Switches the interface on.</summary>
    internal sealed record SetUp(int LinkIndex) : HostOperation;

    /// <summary>Adds an address to the interface.</summary>
    internal sealed record AddAddress(LinkAddress Address) : HostOperation;

    /// <summary>Deletes an address of the interface.</summary>
    internal sealed record DeleteAddress(LinkAddress Address) : HostOperation;

    /// <summary>Deletes the interface.</summary>
    internal sealed record DeleteLink(int LinkIndex) : HostOperation;
}
