using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;

namespace WgMesh.Fuzz.Targets;

/// <summary>Messages of the kernel: links, routes, addresses, rules and errors, whole datagrams of them.</summary>
internal sealed class NetlinkTarget : MessageTarget
{
    private const ushort FirstType = 16, LastType = 36; // RTM_NEWLINK to beyond RTM_DELRULE

    private static readonly byte[][] Datagrams = [.. new[]
    {
        // RTM_NEWLINK "wg0", index 7, up, MTU 1420, kind "tun", IPv6 address generation "none"
        "4C000000 1000 0000 01000000 00000000 00 00 FEFF 07000000 41000100 00000000 0800 0300 77673000 0800 0400 8C050000 0C00 1200 0800 0100 74756E00 1000 1A00 0C00 0A00 0500 0800 01 000000",
        // RTM_NEWROUTE 10.244.2.0/24 dev 7 src 10.244.1.1 metric 1 proto 107 table main
        "44000000 1800 0000 02000000 00000000 02 18 00 00 FE 6B FD 01 00000000 0800 0F00 FE000000 0800 0100 0AF40200 0800 0600 01000000 0800 0700 0AF40101 0800 0400 07000000",
        // RTM_NEWROUTE with metrics { MTU 1400 } and two parallel ways
        "4C000000 1800 0200 03000000 00000000 02 00 00 00 FE 03 00 01 00000000 0C00 0800 0800 0200 78050000 2400 0900 1000 00 00 03000000 0800 0500 C0000201 1000 00 00 04000000 0800 0500 C0000202",
        // RTM_NEWADDR fd00::1/128 on 7
        "34000000 1400 0000 04000000 00000000 0A 80 82 00 07000000 1400 0100 FD000000000000000000000000000001 0800 0800 82020000",
        // RTM_NEWRULE: not from fwmark 51820 lookup 51820, priority 100, proto 107
        "4C000000 2000 0000 05000000 00000000 02 00 00 00 FC 00 00 01 02000000 0800 0E00 FFFFFFFF 0800 0F00 6CCA0000 0800 0600 64000000 0800 0A00 6CCA0000 0800 1000 FFFFFFFF 0500 1500 6B 000000",
        // NLMSG_ERROR EINVAL with the kernel's own words, and NLMSG_DONE
        "30000000 0200 0003 06000000 00000000 EAFFFFFF 14000000 1000 0500 01000000 00000000 0A00 0100 737461626C00 0000 14000000 0300 0200 06000000 00000000 00000000",
    }.Select(hex => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)))];

    /// <inheritdoc/>
    public override string Name => "netlink";

    /// <inheritdoc/>
    protected override IReadOnlyList<byte[]> Corpus => Datagrams;

    /// <inheritdoc/>
    protected override int MemoryPerByte => 1024; // each payload is read as every type there is

    /// <inheritdoc/>
    protected override void Take(byte[] input)
    {
        ReadOnlySpan<byte> rest = input;
        while (NetlinkReader.TryReadMessage(ref rest, out var header, out var payload))
        {
            Require(payload.Length + Marshal.SizeOf<LinuxNetlink.MessageHeader>() == header.Length, "a message is not as long as it says");
            NetlinkError.Read(header, payload);
            LinkMonitor.ToEvent(header.Type, payload);
        }

        // and a payload as the answer to any question
        var body = input.AsSpan(Math.Min(input.Length, Marshal.SizeOf<LinuxNetlink.MessageHeader>()));
        for (var type = FirstType; type < LastType; type++)
        {
            LinkMonitor.ToEvent(type, body);
        }

        if (Link.TryParse(body, out var link))
        {
            Require(link.Name is not null, "a link has no name");
        }

        if (Route.TryParse(body, out var route))
        {
            Require(route.Destination.Length <= route.Destination.Bits, "a prefix is longer than an address");
        }

        Route.TryParseTableEntry(body, out _);
        Rule.TryParse(body, out _);
        if (LinkAddress.TryParse(body, out var address))
        {
            Require(address.Length <= (address.IsIPv6 ? 128 : 32), "a prefix is longer than an address");
        }
    }
}
