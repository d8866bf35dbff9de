using System.Diagnostics.CodeAnalysis;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>A network interface at one moment.</summary>
public sealed record Link
{
    /// <summary>Names the interface to the kernel; stays when it is renamed.</summary>
    public required int Index { get; init; }

    /// <summary>Names the interface to people.</summary>
    public required string Name { get; init; }

    /// <summary>Bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>Whether it is switched on (IFF_UP).</summary>
    public bool IsUp { get; init; }

    /// <summary>Whether it is the loopback.</summary>
    public bool IsLoopback { get; init; }

    /// <summary>Such as <c>tun</c>, <c>veth</c>, <c>bridge</c>; empty for hardware.</summary>
    public string Kind { get; init; } = "";

    /// <summary>
    /// Whether the kernel gives it an IPv6 link-local address by itself when it comes up; null if the interface has no IPv6.
    /// </summary>
    public bool? HasAutomaticIPv6Address { get; init; }

    /// <summary>Queues that processes have opened of a multi-queue TUN; 0 for every other interface (and before Linux 4.16).</summary>
    public int OpenQueues { get; init; }

    /// <summary>Reads the payload of RTM_NEWLINK and RTM_DELLINK.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> payload, [MaybeNullWhen(false)] out Link link)
    {
        link = null;
        // AF_BRIDGE is a bridge talking of a port: its "deleted" means that the interface left the bridge
        if (!NetlinkReader.TryReadFixed(ref payload, out LinuxRtnetlink.LinkHeader header) || header.Family != 0)
        {
            return false;
        }

        string? name = null;
        var mtu = 0;
        var kind = "";
        var openQueues = 0;
        bool? automaticAddress = null;
        while (NetlinkReader.TryReadAttribute(ref payload, out var type, out var value))
        {
            switch (type)
            {
                case LinuxRtnetlink.LinkAttribute.Name:
                    name = NetlinkReader.ToText(value);
                    break;
                case LinuxRtnetlink.LinkAttribute.Mtu:
                    mtu = (int)NetlinkReader.ToUInt32(value);
                    break;
                case LinuxRtnetlink.LinkAttribute.Info:
                    kind = NetlinkReader.ToText(NetlinkReader.Find(value, LinuxRtnetlink.LinkAttribute.InfoKind));
                    openQueues = kind == "tun" ? CountQueues(NetlinkReader.Find(value, LinuxRtnetlink.LinkAttribute.InfoData)) : 0;
                    break;
                case LinuxRtnetlink.LinkAttribute.FamilySpecific:
                    var ipv6 = NetlinkReader.Find(value, SysSocket.InterNetworkV6);
                    var mode = NetlinkReader.Find(ipv6, LinuxRtnetlink.LinkAttribute.IPv6AddressGeneration);
                    automaticAddress = mode.Length == 1 ? mode[0] != LinuxRtnetlink.AddressGenerationNone : null;
                    break;
                default:
                    break;
            }
        }

        // some notices of wireless events have neither
        if (name is null || mtu == 0)
        {
            return false;
        }

        link = new Link
        {
            Index = header.Index,
            Name = name,
            Mtu = mtu,
            IsUp = (header.Flags & LinuxRtnetlink.LinkUp) != 0,
            IsLoopback = (header.Flags & LinuxRtnetlink.LinkLoopback) != 0,
            Kind = kind,
            HasAutomaticIPv6Address = automaticAddress,
            OpenQueues = openQueues,
        };
        return true;
    }

    private static int CountQueues(ReadOnlySpan<byte> data) => (int)(
        NetlinkReader.ToUInt32(NetlinkReader.Find(data, LinuxRtnetlink.LinkAttribute.TunQueues))
        + NetlinkReader.ToUInt32(NetlinkReader.Find(data, LinuxRtnetlink.LinkAttribute.TunDisabledQueues)));
}
