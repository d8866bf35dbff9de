using System.Globalization;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>An address of an interface.</summary>
/// <param name="LinkIndex">The interface.</param>
/// <param name="Address">IPv4 in the low 32 bits.</param>
/// <param name="Length">Length of the prefix that is on the link: 0-32 or 0-128.</param>
/// <param name="IsIPv6">The family.</param>
public readonly record struct LinkAddress(int LinkIndex, UInt128 Address, byte Length, bool IsIPv6)
{
    /// <summary>
    /// IFA_F_NOPREFIXROUTE: the kernel makes no route to the prefix. For adding; not compared, as older kernels do not report it for IPv4.
    /// </summary>
    public bool NoPrefixRoute { get; init; }

    /// <summary>Whether it is an address of one link only, such as <c>fe80::1</c>.</summary>
    public bool IsLinkLocal { get; init; }

    /// <summary>By interface, address, length and family.</summary>
    public bool Equals(LinkAddress other) =>
        LinkIndex == other.LinkIndex && Address == other.Address && Length == other.Length && IsIPv6 == other.IsIPv6;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(LinkIndex, Address, Length, IsIPv6);

    /// <summary><c>10.0.0.1/32</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{new Endpoint(Address, 0, IsIPv6).ToIPAddress()}/{Length}");

    /// <summary>The body of RTM_NEWADDR and RTM_DELADDR.</summary>
    internal void Write(ref NetlinkWriter writer)
    {
        writer.Append(new LinuxRtnetlink.AddressHeader
        {
            Family = (byte)(IsIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork),
            PrefixLength = Length,
            Scope = IsLinkLocal ? LinuxRtnetlink.ScopeLink : LinuxRtnetlink.ScopeUniverse,
            Index = LinkIndex,
        });
        writer.Attribute(LinuxRtnetlink.AddressAttribute.Local, Address, IsIPv6);
        writer.Attribute(LinuxRtnetlink.AddressAttribute.Address, Address, IsIPv6);
        // duplicates are looked for by asking neighbours, of which a tunnel has none: without NODAD an address waits a second for nothing
        var flags = (IsIPv6 ? LinuxRtnetlink.NoDuplicateDetection : 0) | (NoPrefixRoute ? LinuxRtnetlink.NoPrefixRoute : 0);
        writer.Attribute(LinuxRtnetlink.AddressAttribute.Flags, flags);
    }

    /// <summary>Reads the payload of RTM_NEWADDR and RTM_DELADDR.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> payload, out LinkAddress address)
    {
        address = default;
        if (!NetlinkReader.TryReadFixed(ref payload, out LinuxRtnetlink.AddressHeader header)
            || !NetlinkReader.TryToFamily(header.Family, out var isIPv6)
            || header.PrefixLength > (isIPv6 ? 128 : 32))
        {
            return false;
        }

        // on a point-to-point link "address" is the other end's, and "local" ours
        var local = NetlinkReader.Find(payload, LinuxRtnetlink.AddressAttribute.Local);
        var ours = local.IsEmpty ? NetlinkReader.Find(payload, LinuxRtnetlink.AddressAttribute.Address) : local;
        if (!NetlinkReader.TryToAddress(ours, isIPv6, out var value))
        {
            return false;
        }

        var flags = header.Flags | NetlinkReader.ToUInt32(NetlinkReader.Find(payload, LinuxRtnetlink.AddressAttribute.Flags));
        address = new LinkAddress(header.Index, value, header.PrefixLength, isIPv6)
        {
            NoPrefixRoute = (flags & LinuxRtnetlink.NoPrefixRoute) != 0,
            IsLinkLocal = header.Scope == LinuxRtnetlink.ScopeLink,
        };
        return true;
    }
}
