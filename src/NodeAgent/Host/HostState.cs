using System.Collections.Immutable;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Host;

/// <summary>What the host's network is to be, as far as it is WgMesh's.</summary>
internal sealed record HostState
{
    /// <summary>The TUN, which the engine makes and which carries everything below.</summary>
    public required string Interface { get; init; }

    /// <summary>The node's own addresses, each a prefix of full length; no others stay on the interface, except link-local ones.</summary>
    public IReadOnlyList<Prefix> Addresses { get; init; } = [];

    /// <summary>MTU of the TUN in bytes; IPv6 needs at least 1280.</summary>
    public required int Mtu { get; init; }

    /// <summary>Prefixes that lead into the TUN.</summary>
    public IReadOnlyList<Prefix> Routes { get; init; } = [];

    /// <summary>
    /// Prefixes of which a packet leaves through the TUN or not at all: routes of the lowest priority drop what no better route takes. They
    /// do not hang on the interface and so stay when it goes.
    /// </summary>
    public ImmutableArray<Prefix> Blackholes { get; init; } = [];

    /// <summary>
    /// Source address of the host's own IPv4 packets into the TUN, a prefix of full length; null leaves the choice to the kernel.
    /// </summary>
    public Prefix? SourceIPv4 { get; init; }

    /// <inheritdoc cref="SourceIPv4"/>
    public Prefix? SourceIPv6 { get; init; }
}

/// <summary>What the host's network is, as far as it is WgMesh's.</summary>
/// <param name="Link">The TUN; null while there is none of that name.</param>
/// <param name="Addresses">The interface's addresses but for link-local ones.</param>
/// <param name="Routes">Routes of all tables with WgMesh's protocol number.</param>
internal sealed record HostActual(Link? Link, ImmutableArray<LinkAddress> Addresses, ImmutableArray<Route> Routes);
