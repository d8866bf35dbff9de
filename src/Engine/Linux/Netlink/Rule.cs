using System.Diagnostics.CodeAnalysis;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>A rule that says which packets look up a routing table. Compared by value.</summary>
public sealed record Rule
{
    /// <summary>The family.</summary>
    public required bool IsIPv6 { get; init; }

    /// <summary>Rules are tried from the smallest to the largest.</summary>
    public required uint Priority { get; init; }

    /// <summary>The table that is looked up.</summary>
    public required uint Table { get; init; }

    /// <summary>Packets that do not match look it up, instead of those that do.</summary>
    public bool Invert { get; init; }

    /// <summary>Source addresses that match; null for all.</summary>
    public Prefix? Source { get; init; }

    /// <summary>Destination addresses that match; null for all.</summary>
    public Prefix? Destination { get; init; }

    /// <summary>The interface a packet came in by; null for all.</summary>
    public string? InputInterface { get; init; }

    /// <summary>The firewall mark that matches; null for all.</summary>
    public uint? Mark { get; init; }

    /// <summary>The bits of the mark that are compared; all if not said otherwise.</summary>
    public uint MarkMask { get; init; } = uint.MaxValue;

    /// <summary>Routes with prefixes up to this length do not count: 0 ignores the default route; null counts all.</summary>
    public uint? SuppressPrefixLength { get; init; }

    /// <summary>Who made it, as for <see cref="Route.Protocol"/>.</summary>
    public byte Protocol { get; init; } = Route.WgMeshProtocol;

    /// <summary>The body of RTM_NEWRULE and RTM_DELRULE.</summary>
    internal void Write(ref NetlinkWriter writer)
    {
        writer.Append(new LinuxRtnetlink.RuleHeader
        {
            Family = (byte)(IsIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork),
            DestinationLength = Destination?.Length ?? 0,
            SourceLength = Source?.Length ?? 0,
            Table = (byte)(Table <= byte.MaxValue ? Table : 0),
            Action = LinuxRtnetlink.ToTable,
            Flags = Invert ? LinuxRtnetlink.Invert : 0,
        });
        writer.Attribute(LinuxRtnetlink.RuleAttribute.Priority, Priority);
        writer.Attribute(LinuxRtnetlink.RuleAttribute.Table, Table);
        writer.Attribute(LinuxRtnetlink.RuleAttribute.Protocol, Protocol);
        if (Source is { } source)
        {
            writer.Attribute(LinuxRtnetlink.RuleAttribute.Source, source.Address, IsIPv6);
        }

        if (Destination is { } destination)
        {
            writer.Attribute(LinuxRtnetlink.RuleAttribute.Destination, destination.Address, IsIPv6);
        }

        if (InputInterface is { } input)
        {
            writer.Attribute(LinuxRtnetlink.RuleAttribute.InputInterface, input);
        }

        if (Mark is { } mark)
        {
            writer.Attribute(LinuxRtnetlink.RuleAttribute.Mark, mark);
            writer.Attribute(LinuxRtnetlink.RuleAttribute.MarkMask, MarkMask);
        }

        if (SuppressPrefixLength is { } length)
        {
            writer.Attribute(LinuxRtnetlink.RuleAttribute.SuppressPrefixLength, length);
        }
    }

    /// <summary>Reads the payload of RTM_NEWRULE; false also for a rule that does something else than look up a table.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> payload, [MaybeNullWhen(false)] out Rule rule)
    {
        rule = null;
        if (!NetlinkReader.TryReadFixed(ref payload, out LinuxRtnetlink.RuleHeader header)
            || !NetlinkReader.TryToFamily(header.Family, out var isIPv6)
            || header.Action != LinuxRtnetlink.ToTable)
        {
            return false;
        }

        var invert = (header.Flags & LinuxRtnetlink.Invert) != 0;
        var read = new Rule { IsIPv6 = isIPv6, Priority = 0, Table = header.Table, Invert = invert, Protocol = 0 };
        while (NetlinkReader.TryReadAttribute(ref payload, out var type, out var value))
        {
            switch (type)
            {
                case LinuxRtnetlink.RuleAttribute.Priority:
                    read = read with { Priority = NetlinkReader.ToUInt32(value) };
                    break;
                case LinuxRtnetlink.RuleAttribute.Table:
                    read = read with { Table = NetlinkReader.ToUInt32(value) };
                    break;
                case LinuxRtnetlink.RuleAttribute.Protocol when value.Length == 1:
                    read = read with { Protocol = value[0] };
                    break;
                case LinuxRtnetlink.RuleAttribute.Source when TryToPrefix(value, header.SourceLength, isIPv6, out var source):
                    read = read with { Source = source };
                    break;
                case LinuxRtnetlink.RuleAttribute.Destination when TryToPrefix(value, header.DestinationLength, isIPv6, out var destination):
                    read = read with { Destination = destination };
                    break;
                case LinuxRtnetlink.RuleAttribute.InputInterface:
                    read = read with { InputInterface = NetlinkReader.ToText(value) };
                    break;
                case LinuxRtnetlink.RuleAttribute.Mark:
                    read = read with { Mark = NetlinkReader.ToUInt32(value) };
                    break;
                case LinuxRtnetlink.RuleAttribute.MarkMask:
                    read = read with { MarkMask = NetlinkReader.ToUInt32(value) };
                    break;
                case LinuxRtnetlink.RuleAttribute.SuppressPrefixLength:
                    var length = NetlinkReader.ToUInt32(value);
                    read = read with { SuppressPrefixLength = length == uint.MaxValue ? null : length }; // -1 is "off"
                    break;
                default:
                    break;
            }
        }

        rule = read;
        return true;
    }

    private static bool TryToPrefix(ReadOnlySpan<byte> value, byte length, bool isIPv6, out Prefix prefix)
    {
        var ok = NetlinkReader.TryToAddress(value, isIPv6, out var address) && length <= (isIPv6 ? 128 : 32);
        prefix = ok ? Prefix.Create(address, length, isIPv6) : default;
        return ok;
    }
}
