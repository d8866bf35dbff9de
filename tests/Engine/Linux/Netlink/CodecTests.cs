using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux.Netlink;

/// <summary>The codec on bytes made by hand (little-endian, as both supported architectures are) and on garbage.</summary>
public sealed class CodecTests
{
    // RTM_NEWLINK of "wg0", index 7, up and running, MTU 1420, kind "tun", IPv6 address generation "none"
    private const string LinkPayload =
        "00 00 FEFF 07000000 41000100 00000000" +
        "0800 0300 77673000" + // IFLA_IFNAME
        "0800 0400 8C050000" + // IFLA_MTU
        "0C00 1200 0800 0100 74756E00" + // IFLA_LINKINFO { IFLA_INFO_KIND }
        "1000 1A00 0C00 0A00 0500 0800 01 000000"; // IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE } }

    // RTM_NEWROUTE 10.244.2.0/24 dev 7 src 10.244.1.1 metric 1 proto 107 table main
    private const string RoutePayload =
        "02 18 00 00 FE 6B FD 01 00000000" +
        "0800 0F00 FE000000" + // RTA_TABLE
        "0800 0100 0AF40200" + // RTA_DST
        "0800 0600 01000000" + // RTA_PRIORITY
        "0800 0700 0AF40101" + // RTA_PREFSRC
        "0800 0400 07000000"; // RTA_OIF

    // RTM_NEWADDR fd00::1/128 on 7 with IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE | IFA_F_NODAD
    private const string AddressPayload =
        "0A 80 82 00 07000000" +
        "1400 0100 FD000000000000000000000000000001" + // IFA_ADDRESS
        "0800 0800 82020000"; // IFA_FLAGS

    // RTM_NEWRULE: not from fwmark 51820 lookup 51820, suppress off, priority 100, proto 107
    private const string RulePayload =
        "02 00 00 00 FC 00 00 01 02000000" +
        "0800 0E00 FFFFFFFF" + // FRA_SUPPRESS_PREFIXLEN -1
        "0800 0F00 6CCA0000" + // FRA_TABLE
        "0800 0600 64000000" + // FRA_PRIORITY
        "0800 0A00 6CCA0000" + // FRA_FWMARK
        "0800 1000 FFFFFFFF" + // FRA_FWMASK
        "0500 1500 6B 000000"; // FRA_PROTOCOL

    private static readonly Route PodRoute = new()
    {
        Destination = ToPrefix("10.244.2.0/24"),
        LinkIndex = 7,
        Source = 0x0af40101,
        Metric = 1,
    };

    [Fact]
    public void A_link_is_read_with_its_nested_attributes()
    {
        Assert.True(Link.TryParse(Bytes(LinkPayload), out var link));
        Assert.Equal(new Link { Index = 7, Name = "wg0", Mtu = 1420, IsUp = true, Kind = "tun", HasAutomaticIPv6Address = false }, link);
    }

    [Fact]
    public void A_bridge_letting_a_port_go_is_no_deleted_link()
    {
        var payload = Bytes(LinkPayload);
        payload[0] = 7; // AF_BRIDGE
        Assert.Null(LinkMonitor.ToEvent(17, payload));
    }

    [Fact]
    public void A_route_is_read()
    {
        Assert.True(Route.TryParse(Bytes(RoutePayload), out var route));
        Assert.Equal(PodRoute, route);
    }

    [Fact]
    public void A_kernel_copy_of_a_route_is_in_no_table()
    {
        var payload = Bytes(RoutePayload);
        Assert.True(Route.TryParseTableEntry(payload, out _));
        payload[9] = 0x02; // RTM_F_CLONED
        Assert.False(Route.TryParseTableEntry(payload, out _));
    }

    [Fact]
    public void The_first_of_parallel_ways_and_the_limit_of_a_route_are_read()
    {
        var payload = Bytes(
            "02 00 00 00 FE 03 00 01 00000000" +
            "0C00 0800 0800 0200 78050000" + // RTA_METRICS { RTAX_MTU 1400 }
            "2400 0900 1000 00 00 03000000 0800 0500 C0000201" + "1000 00 00 04000000 0800 0500 C0000202"); // RTA_MULTIPATH
        Assert.True(Route.TryParse(payload, out var route));
        Assert.Equal((3, 1400), (route.LinkIndex, route.Mtu));
    }

    [Fact]
    public void An_IPv6_blackhole_has_no_interface_though_the_kernel_names_the_loopback()
    {
        var payload = Bytes("0A 08 00 00 FE 6B 00 06 00000000 1400 0100 FD000000000000000000000000000000 0800 0400 01000000");
        Assert.True(Route.TryParse(payload, out var route));
        Assert.Equal((RouteType.Blackhole, 0, ToPrefix("fd00::/8")), (route.Type, route.LinkIndex, route.Destination));
    }

    [Fact]
    public void An_address_is_read_and_the_local_end_is_ours()
    {
        Assert.True(LinkAddress.TryParse(Bytes(AddressPayload), out var address));
        Assert.Equal(new LinkAddress(7, ((UInt128)0xfd00 << 112) | 1, 128, true), address);
        Assert.True(address.NoPrefixRoute);

        Assert.True(LinkAddress.TryParse(Bytes("02 20 80 00 07000000 0800 0100 0A000002 0800 0200 0A000001"), out address));
        Assert.Equal((UInt128)0x0a000001, address.Address);
    }

    [Fact]
    public void A_rule_is_read()
    {
        Assert.True(Rule.TryParse(Bytes(RulePayload), out var rule));
        Assert.Equal(new Rule { IsIPv6 = false, Priority = 100, Table = 51820, Invert = true, Mark = 51820 }, rule);
    }

    [Fact]
    public void What_is_written_is_aligned_nested_and_as_long_as_it_says()
    {
        var writer = new NetlinkWriter(new byte[NetlinkWriter.MaxLength], 16, 5);
        var outer = writer.Begin(0x8000 | 26);
        writer.Attribute(8, (byte)1);
        writer.End(outer);
        writer.Attribute(3, "wg0");
        Assert.Equal(
            Convert.ToHexString(Bytes("24000000 1000 0500 00000000 00000000 0C00 1A80 0500 0800 01 000000 0800 0300 77673000")),
            Convert.ToHexString(writer.Message));
    }

    [Fact]
    public void Routes_addresses_and_rules_come_back_as_they_were_written()
    {
        var buffer = new byte[NetlinkWriter.MaxLength];
        Route[] routes =
        [
            PodRoute,
            PodRoute with { Table = 51820, Gateway = 0xc0000201 },
            new Route { Destination = ToPrefix("::/0"), LinkIndex = 3, Gateway = 1, Metric = 7 },
            new Route { Destination = ToPrefix("fd00::/48"), Type = RouteType.Blackhole, Metric = uint.MaxValue },
        ];
        foreach (var route in routes)
        {
            var writer = new NetlinkWriter(buffer, 24, 0);
            route.Write(ref writer, delete: false);
            Assert.True(Route.TryParse(writer.Message[16..], out var read));
            Assert.Equal(route, read);
        }

        var address = new LinkAddress(7, 0x0a000001, 32, false) { NoPrefixRoute = true };
        var addressWriter = new NetlinkWriter(buffer, 20, 0);
        address.Write(ref addressWriter);
        Assert.True(LinkAddress.TryParse(addressWriter.Message[16..], out var readAddress));
        Assert.Equal((address, true), (readAddress, readAddress.NoPrefixRoute));

        var rule = new Rule
        {
            IsIPv6 = true, Priority = 9, Table = 300, Source = ToPrefix("fd00::/64"), Destination = ToPrefix("fd01::/64"),
            InputInterface = "cni0", Mark = 1, MarkMask = 0xff, SuppressPrefixLength = 0,
        };
        var ruleWriter = new NetlinkWriter(buffer, 32, 0);
        rule.Write(ref ruleWriter);
        Assert.True(Rule.TryParse(ruleWriter.Message[16..], out var readRule));
        Assert.Equal(rule, readRule);
    }

    [Theory]
    [InlineData("01 18 00 00 FE 6B FD 01 00000000")] // AF_UNIX
    [InlineData("02 21 00 00 FE 6B FD 01 00000000")] // a prefix of 33 bits
    [InlineData("02 18 00 00 FE 6B FD 01 00000000 1400 0100 FD000000000000000000000000000000")] // an IPv6 address in an IPv4 route
    [InlineData("02 18 00 00 FE 6B FD 01 0000")] // cut off
    public void A_malformed_route_is_refused(string payload) => Assert.False(Route.TryParse(Bytes(payload), out _));

    [Theory]
    [InlineData("0F000000 0300 0000 00000000 00000000")] // shorter than its own header
    [InlineData("11000000 0300 0000 00000000 00000000")] // longer than what is there
    [InlineData("FFFFFFFF 0300 0000 00000000 00000000")]
    [InlineData("10000000 0300 0000 00000000 000000")]
    public void A_message_that_lies_about_its_length_is_refused(string message)
    {
        ReadOnlySpan<byte> rest = Bytes(message);
        Assert.False(NetlinkReader.TryReadMessage(ref rest, out _, out _));
    }

    [Theory]
    [InlineData("0300 0100 00000000")] // shorter than its own header
    [InlineData("0900 0100 00000000")] // longer than what is there
    [InlineData("0400 01")]
    public void An_attribute_that_lies_about_its_length_is_refused(string attribute)
    {
        ReadOnlySpan<byte> rest = Bytes(attribute);
        Assert.False(NetlinkReader.TryReadAttribute(ref rest, out _, out _));
    }

    [Fact]
    public void The_kernels_own_words_are_read_from_a_capped_and_from_an_echoing_error()
    {
        const string Text = "0A00 0100 737461626C00 0000"; // NLMSGERR_ATTR_MSG "stabl"
        const string Request = "14000000 1000 0500 01000000 00000000";
        LinuxNetlink.MessageHeader header = new() { Type = LinuxNetlink.Error, Flags = LinuxNetlink.AckAttributes | LinuxNetlink.Capped };
        Assert.Equal((Errno.EINVAL, "stabl"), NetlinkError.Read(header, Bytes("EAFFFFFF" + Request + Text)));
        header.Flags = LinuxNetlink.AckAttributes;
        Assert.Equal((Errno.EINVAL, "stabl"), NetlinkError.Read(header, Bytes("EAFFFFFF" + Request + "AABBCCDD" + Text)));
        header.Flags = 0;
        Assert.Equal((Errno.EINVAL, null), NetlinkError.Read(header, Bytes("EAFFFFFF" + Request)));
        Assert.Equal((Errno.None, null), NetlinkError.Read(header, Bytes("00000000" + Request)));
        Assert.Equal((Errno.EIO, null), NetlinkError.Read(header, Bytes("EA")));
    }

    [Fact]
    public void No_garbage_makes_the_codec_throw()
    {
        Prop.ForAll<byte[]>(bytes => ReadEverything(bytes ?? [])).Check(Properties.Config(1000));

        // and garbage that looks right from afar: good messages with bytes changed, cut short or lengthened
        var seeds = new[] { LinkPayload, RoutePayload, AddressPayload, RulePayload }.Select(Bytes).ToArray();
        var change = from seed in Gen.Elements(seeds)
                     from positions in Gen.ArrayOf(Gen.Choose(0, seed.Length - 1))
                     from value in Gen.Choose(0, 255)
                     from length in Gen.Choose(0, seed.Length)
                     select Mutate(seed, positions, (byte)value, length);
        Prop.ForAll(Arb.From(change), ReadEverything).Check(Properties.Config(2000));
    }

    private static byte[] Mutate(byte[] seed, int[] positions, byte value, int length)
    {
        var copy = (byte[])seed.Clone();
        foreach (var position in positions)
        {
            copy[position] = value;
        }

        return copy[..length];
    }

    private static void ReadEverything(byte[] bytes)
    {
        ReadOnlySpan<byte> rest = bytes;
        while (NetlinkReader.TryReadMessage(ref rest, out var header, out var payload))
        {
            NetlinkError.Read(header, payload);
        }

        foreach (var type in new ushort[] { LinuxNetlink.Error, LinuxNetlink.Done })
        {
            foreach (var flags in new ushort[] { 0, LinuxNetlink.AckAttributes, LinuxNetlink.AckAttributes | LinuxNetlink.Capped })
            {
                NetlinkError.Read(new LinuxNetlink.MessageHeader { Type = type, Flags = flags }, bytes);
            }
        }

        for (ushort type = 16; type < 36; type++)
        {
            LinkMonitor.ToEvent(type, bytes);
        }

        Rule.TryParse(bytes, out _);
        Route.TryParseTableEntry(bytes, out _);
    }

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));

    private static Prefix ToPrefix(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text);
}
