using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>What becomes of a packet that takes a route (RTN_*).</summary>
public enum RouteType : byte
{
    /// <summary>It is sent on.</summary>
    Unicast = 1,

    /// <summary>It is the host's own.</summary>
    Local = 2,

    /// <summary>It is dropped in silence; a local sender gets EINVAL.</summary>
    Blackhole = 6,

    /// <summary>It is dropped, and its sender told by ICMP.</summary>
    Unreachable = 7,
}

/// <summary>A route of IPv4 or IPv6. Compared by value.</summary>
public sealed record Route
{
    /// <summary>The table <c>main</c>.</summary>
    public const uint MainTable = 254;

    /// <summary>
    /// The protocol number (rtm_protocol) on every route that WgMesh makes, by which it knows its own; it is assigned to nobody in
    /// rtnetlink.h or iproute2's rt_protos.
    /// </summary>
    public const byte WgMeshProtocol = 107;

    /// <summary>Where it leads; length 0 is the default route.</summary>
    public required Prefix Destination { get; init; }

    /// <summary>What becomes of a packet.</summary>
    public RouteType Type { get; init; } = RouteType.Unicast;

    /// <summary>The interface it goes out by; of several parallel ways the first; 0 for the types that send nothing on.</summary>
    public int LinkIndex { get; init; }

    /// <summary>The next router; null if the destination is on the link.</summary>
    public UInt128? Gateway { get; init; }

    /// <summary>The source address for packets that have none yet; null leaves the choice to the kernel.</summary>
    public UInt128? Source { get; init; }

    /// <summary>Of routes to one destination the smallest is taken. 0 is IPv4's default; IPv6 takes 1024 instead of 0.</summary>
    public uint Metric { get; init; }

    /// <summary>The routing table.</summary>
    public uint Table { get; init; } = MainTable;

    /// <summary>Who made it: <see cref="WgMeshProtocol"/>, or 2 for the kernel, 3 for an administrator, ….</summary>
    public byte Protocol { get; init; } = WgMeshProtocol;

    /// <summary>The route's own limit in bytes, such as a path MTU that was found out; 0 for none. Reported only.</summary>
    public int Mtu { get; init; }

    /// <summary>As <c>ip route</c> shows it.</summary>
    public override string ToString()
    {
        var text = Type == RouteType.Unicast ? $"{Destination}" : $"{Type.ToString().ToLowerInvariant()} {Destination}";
        text += Gateway is { } gateway ? $" via {new Endpoint(gateway, 0, Destination.IsIPv6).ToIPAddress()}" : "";
        text += LinkIndex == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" link {LinkIndex}");
        text += Source is { } source ? $" src {new Endpoint(source, 0, Destination.IsIPv6).ToIPAddress()}" : "";
        text += string.Create(CultureInfo.InvariantCulture, $" metric {Metric}");
        return Table == MainTable ? text : string.Create(CultureInfo.InvariantCulture, $"{text} table {Table}");
    }

    /// <summary>The body of RTM_NEWROUTE and RTM_DELROUTE.</summary>
    internal void Write(ref NetlinkWriter writer, bool delete)
    {
        var isIPv6 = Destination.IsIPv6;
        // how far away the destination is: on the link, or behind a router; a deletion does not have to match it
        var scope = Type == RouteType.Unicast && Gateway is null && !isIPv6 ? LinuxRtnetlink.ScopeLink : LinuxRtnetlink.ScopeUniverse;
        writer.Append(new LinuxRtnetlink.RouteHeader
        {
            Family = (byte)(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork),
            DestinationLength = Destination.Length,
            Table = (byte)(Table <= byte.MaxValue ? Table : 0),
            Protocol = Protocol,
            Scope = delete ? LinuxRtnetlink.ScopeNowhere : scope,
            Type = (byte)Type,
        });
        writer.Attribute(LinuxRtnetlink.RouteAttribute.Destination, Destination.Address, isIPv6);
        writer.Attribute(LinuxRtnetlink.RouteAttribute.Table, Table);
        writer.Attribute(LinuxRtnetlink.RouteAttribute.Priority, Metric);
        if (LinkIndex != 0)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.OutputInterface, LinkIndex);
        }

        if (Gateway is { } gateway)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.Gateway, gateway, isIPv6);
        }

        if (Source is { } source)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.PreferredSource, source, isIPv6);
        }
    }

    /// <summary>Reads the payload of RTM_NEWROUTE and RTM_DELROUTE.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> payload, [MaybeNullWhen(false)] out Route route)
    {
        route = null;
        if (!NetlinkReader.TryReadFixed(ref payload, out LinuxRtnetlink.RouteHeader header)
            || !NetlinkReader.TryToFamily(header.Family, out var isIPv6)
            || header.DestinationLength > (isIPv6 ? 128 : 32))
        {
            return false;
        }

        UInt128 destination = 0;
        UInt128? gateway = null, source = null;
        uint table = header.Table, metric = 0;
        int link = 0, mtu = 0;
        while (NetlinkReader.TryReadAttribute(ref payload, out var type, out var value))
        {
            switch (type)
            {
                case LinuxRtnetlink.RouteAttribute.Destination:
                    if (!NetlinkReader.TryToAddress(value, isIPv6, out destination))
                    {
                        return false;
                    }

                    break;
                case LinuxRtnetlink.RouteAttribute.Gateway:
                    gateway = NetlinkReader.TryToAddress(value, isIPv6, out var router) ? router : null;
                    break;
                case LinuxRtnetlink.RouteAttribute.PreferredSource:
                    source = NetlinkReader.TryToAddress(value, isIPv6, out var address) ? address : null;
                    break;
                case LinuxRtnetlink.RouteAttribute.OutputInterface:
                    link = (int)NetlinkReader.ToUInt32(value);
                    break;
                case LinuxRtnetlink.RouteAttribute.Multipath:
                    var hops = value;
                    link = NetlinkReader.TryReadFixed(ref hops, out LinuxRtnetlink.NextHop first) ? first.Index : 0;
                    break;
                case LinuxRtnetlink.RouteAttribute.Priority:
                    metric = NetlinkReader.ToUInt32(value);
                    break;
                case LinuxRtnetlink.RouteAttribute.Table:
                    table = NetlinkReader.ToUInt32(value);
                    break;
                case LinuxRtnetlink.RouteAttribute.Metrics:
                    mtu = (int)NetlinkReader.ToUInt32(NetlinkReader.Find(value, LinuxRtnetlink.RouteAttribute.MetricMtu));
                    break;
                default:
                    break;
            }
        }

        var routeType = (RouteType)header.Type;
        route = new Route
        {
            Destination = Prefix.Create(destination, header.DestinationLength, isIPv6),
            Type = routeType,
            LinkIndex = routeType is RouteType.Blackhole or RouteType.Unreachable ? 0 : link, // IPv6 says "lo"
            Gateway = gateway,
            Source = source,
            Metric = metric,
            Table = table,
            Protocol = header.Protocol,
            Mtu = mtu,
        };
        return true;
    }

    /// <summary>As <see cref="TryParse"/>; false also for a copy that the kernel keeps for one destination, which is in no table.</summary>
    internal static bool TryParseTableEntry(ReadOnlySpan<byte> payload, [MaybeNullWhen(false)] out Route route)
    {
        var rest = payload;
        return TryParse(payload, out route)
            && NetlinkReader.TryReadFixed(ref rest, out LinuxRtnetlink.RouteHeader header)
            && (header.Flags & LinuxRtnetlink.ClonedRoute) == 0;
    }
}
