using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Offload;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Offload;

public sealed class SuperPacketTests
{
    // timestamps behind two no-ops, as Linux sends them
    private static readonly byte[] Timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

    public static TheoryData<bool, bool, int, int> Shapes()
    {
        var data = new TheoryData<bool, bool, int, int>();
        foreach (var isIPv6 in (bool[])[false, true])
        {
            foreach (var isTcp in (bool[])[false, true])
            {
                foreach (var (payload, size) in ((int, int)[])[(1, 1), (3, 1), (1380, 1380), (1381, 1380), (2760, 1380), (9999, 1001), (64_000, 1372), (50, 1400)])
                {
                    data.Add(isIPv6, isTcp, payload, size);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Each_segment_is_the_packet_that_would_have_been_sent_alone(bool isIPv6, bool isTcp, int payload, int size)
    {
        var whole = new TestPacket
        {
            IsIPv6 = isIPv6,
            IsTcp = isTcp,
            Identification = 0xFFFE,   // wraps
            Sequence = 0xFFFF_FF00,    // wraps
            Flags = TestPacket.Ack | TestPacket.Push | TestPacket.Fin | TestPacket.Cwr | TestPacket.EcnEcho,
            TcpOptions = Timestamps,
            TrafficClass = 2,
            FlowLabel = 0x12345,
            Payload = TestPacket.Bytes(payload),
        };
        AssertSegments(whole, size);
    }

    [Fact]
    public void Any_size_of_payload_and_segment_comes_out_right() =>
        Prop.ForAll(
            (from isIPv6 in Gen.Elements(true, false)
             from isTcp in Gen.Elements(true, false)
             from payload in Gen.Choose(1, 65_000)
             from size in Gen.Choose(1, 3_000)
             from seed in Gen.Choose(0, int.MaxValue)
             from options in Gen.Choose(0, 10)
             select (isIPv6, isTcp, payload: Math.Min(payload, size * 100), size, seed, options)).ToArbitrary(),
            it =>
            {
                AssertSegments(
                    new TestPacket
                    {
                        IsIPv6 = it.isIPv6,
                        IsTcp = it.isTcp,
                        Identification = (ushort)it.seed,
                        Sequence = (uint)it.seed * 3,
                        Flags = (byte)it.seed,
                        TcpOptions = TestPacket.Bytes(it.options * 4, it.seed),
                        Payload = TestPacket.Bytes(it.payload, it.seed),
                    },
                    it.size);
                return true;
            }).Check(Properties.Config(200));

    [Fact]
    public void Options_and_extension_headers_are_everyones()
    {
        var payload = TestPacket.Bytes(5000);
        AssertSegments(new TestPacket { IPv4Options = [1, 1, 1, 0], Payload = payload }, 1000);
        byte[] hopByHopThenOptions = [60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, .. new byte[12]];
        AssertSegments(new TestPacket { IsIPv6 = true, FirstExtension = 0, Extensions = hopByHopThenOptions, Payload = payload }, 1000);
    }

    [Fact]
    public void The_largest_packets_of_each_family_do_not_wrap()
    {
        AssertSegments(new TestPacket { Payload = TestPacket.Bytes(65_535 - 40) }, 1460);
        AssertSegments(new TestPacket { IsTcp = false, Payload = TestPacket.Bytes(65_535 - 28) }, 1460);
        AssertSegments(new TestPacket { IsIPv6 = true, Payload = TestPacket.Bytes(65_535 - 20) }, 1460); // 40 bytes more than 65,535
        AssertSegments(new TestPacket { IsIPv6 = true, IsTcp = false, Payload = TestPacket.Bytes(65_535 - 8) }, 65_000);
    }

    [Fact]
    public void A_udp_checksum_that_comes_to_zero_says_ffff()
    {
        var datagram = new TestPacket { IsTcp = false, Payload = new byte[4] };
        var sum = (ushort)~Read16(datagram.Build(), 26); // of everything but the checksum
        (datagram.Payload[0], datagram.Payload[1]) = ((byte)(~sum >> 8), (byte)~sum);
        var (header, packet) = datagram.BuildPartial();
        Assert.Equal(0xFFFF, Read16(Assert.Single(Segments(header, packet)), 26));

        var segments = AssertSegments(datagram with { Payload = [.. datagram.Payload, .. datagram.Payload] }, 4);
        Assert.All(segments, segment => Assert.Equal(0xFFFF, Read16(segment, 26)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_a_partial_checksum_the_addresses_are_summed(bool isIPv6)
    {
        foreach (var isTcp in (bool[])[true, false])
        {
            var whole = new TestPacket { IsIPv6 = isIPv6, IsTcp = isTcp, Payload = TestPacket.Bytes(3000) };
            var header = new VirtioHeader(VirtioFlags.DataValid, whole.Gso, 0, 1000, 0, 0);
            Assert.Equal(whole.Segments(1000), Segments(header, whole.Build()));
        }
    }

    [Fact]
    public void Udp_that_came_without_checksum_goes_without()
    {
        var whole = new TestPacket { IsTcp = false, WithoutChecksum = true, Payload = TestPacket.Bytes(3000) };
        var segments = Segments(new VirtioHeader(VirtioFlags.None, VirtioGso.UdpL4, 28, 1000, 0, 0), whole.Build());
        Assert.Equal(whole.Segments(1000), segments);
        Assert.All(segments, segment => Assert.Equal(0, Read16(segment, 26)));
    }

    [Fact]
    public void The_stated_header_length_means_nothing()
    {
        var whole = new TestPacket { Payload = TestPacket.Bytes(3000) };
        var (header, packet) = whole.BuildPartial(VirtioGso.TcpV4, 1000);
        foreach (var length in (ushort[])[0, 1, 3040, 65_535])
        {
            Assert.Equal(whole.Segments(1000), Segments(header with { HeaderLength = length }, packet));
        }
    }

    [Fact]
    public void A_super_packet_without_payload_is_one_segment()
    {
        foreach (var isTcp in (bool[])[true, false])
        {
            AssertSegments(new TestPacket { IsTcp = isTcp, Flags = TestPacket.Ack | TestPacket.Fin | TestPacket.Cwr }, 1000);
        }
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public void A_single_packet_gets_its_checksum_in_place(bool isIPv6, bool isTcp)
    {
        for (var length = 0; length < 200; length++)
        {
            var single = new TestPacket { IsIPv6 = isIPv6, IsTcp = isTcp, Payload = TestPacket.Bytes(length, length) };
            var (header, packet) = single.BuildPartial();
            Assert.Equal([single.Build()], Segments(header, packet));
        }
    }

    [Fact]
    public void A_single_packet_that_needs_nothing_is_passed_on_as_it_is()
    {
        var packet = new TestPacket { Payload = [1, 2, 3] }.Build();
        packet[36] ^= 1; // a wrong checksum is not ours to mend
        Assert.Equal([packet], Segments(default, packet.ToArray()));

        var single = SuperPacket.Single(packet);
        Assert.Equal((1, packet.Length), (single.Count, single.LengthOf(0)));
        Assert.True(single.Packet.SequenceEqual(packet));
    }

    public static TheoryData<string> Refused() => [.. Bad().Keys];

    private static Dictionary<string, (VirtioHeader Header, byte[] Packet)> Bad()
    {
        var tcp = new TestPacket { Payload = TestPacket.Bytes(3000) };
        var (header, packet) = tcp.BuildPartial(VirtioGso.TcpV4, 1000);
        var (udpHeader, udp) = (tcp with { IsTcp = false }).BuildPartial(VirtioGso.UdpL4, 1000);
        var (header6, packet6) = (tcp with { IsIPv6 = true }).BuildPartial(VirtioGso.TcpV6, 1000);
        var single = header with { Gso = VirtioGso.None };
        return new()
        {
            ["segments of no size"] = (header with { SegmentSize = 0 }, packet),
            ["the other family"] = (header with { Gso = VirtioGso.TcpV6 }, packet),
            ["TCP as UDP"] = (header with { Gso = VirtioGso.UdpL4 }, packet),
            ["UDP as TCP"] = (udpHeader with { Gso = VirtioGso.TcpV4 }, udp),
            ["fragments by the kernel's old offload"] = (udpHeader with { Gso = VirtioGso.Udp }, udp),
            ["UDP with ECN"] = (udpHeader with { Gso = VirtioGso.UdpL4 | VirtioGso.Ecn }, udp),
            ["an unknown kind"] = (header with { Gso = (VirtioGso)2 }, packet),
            ["ECN of nothing"] = (header with { Gso = VirtioGso.Ecn }, packet),
            ["a sum that starts elsewhere"] = (header with { ChecksumStart = 24 }, packet),
            ["a sum that starts nowhere"] = (header with { ChecksumStart = 65_535 }, packet),
            ["a checksum that lies elsewhere"] = (header with { ChecksumOffset = 6 }, packet),
            ["an IPv4 length beyond the packet"] = (header, packet[..^1]),
            ["an IPv4 length before the end"] = (header, [.. packet, 0]),
            ["an IPv6 length beyond the packet"] = (header6, packet6[..^1]),
            ["half a TCP header"] = (header, (tcp with { Payload = [] }).Build()[..30]),
            ["an IPv4 header of four words"] = (header with { ChecksumStart = 16 }, Changed((tcp with { Acknowledgement = 5u << 28 }).Build(), 0, 0x44)),
            ["an IPv4 header longer than the packet"] = (header, Changed(packet[..40], 0, 0x4F)),
            ["a TCP header of four words"] = (header, Changed(packet, 32, 0x40)),
            ["a TCP header longer than the packet"] = (header, Changed((tcp with { Payload = [] }).Build(), 32, 0xF0)),
            ["a UDP length that is not the packet's"] = (udpHeader, Changed(udp, 25, udp[25] ^ 1)),
            ["a first fragment"] = (header, (tcp with { Fragmentation = 0x2000 }).Build()),
            ["a later fragment"] = (header, (tcp with { Fragmentation = 1 }).Build()),
            ["an IPv6 fragment"] = (header6 with { ChecksumStart = 48 }, (tcp with { IsIPv6 = true, FirstExtension = 44, Extensions = [6, 0, 0, 1, 0, 0, 0, 1] }).Build()),
            ["an extension beyond the packet"] = (header6 with { ChecksumStart = 40 + 2048 }, Extensions(1, 255, 0)),
            ["extensions without end"] = (header6 with { ChecksumStart = 40 + 72 }, Extensions(9, 0, 3000)),
            ["no IP"] = (header, Changed(packet, 0, 0x55)),
            ["nothing"] = (header, []),
            ["a single one that is nothing"] = (default, []),
            ["a single one that is no IP"] = (default, Changed(packet, 0, 0x15)),
            ["a single one shorter than it states"] = (default, packet[..^1]),
            ["a single IPv6 one shorter than it states"] = (default, packet6[..^1]),
            ["a single one's sum in the IP header"] = (single with { ChecksumStart = 10 }, packet),
            ["a single one's sum in the IPv6 header"] = (single with { ChecksumStart = 39 }, packet6),
            ["a single one's checksum beyond the end"] = (single with { ChecksumOffset = (ushort)(packet.Length - 21) }, packet),
            ["a single one's sum beyond the end"] = (single with { ChecksumStart = 65_535, ChecksumOffset = 65_535 }, packet),
        };
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_does_not_agree_with_itself_is_refused(string what)
    {
        var (header, packet) = Bad()[what];
        var before = packet.ToArray();
        Assert.False(SuperPacket.TryParse(header, packet, out _));
        Assert.Equal(before, packet);
    }

    [Fact]
    public void Eight_extension_headers_are_not_too_many()
    {
        var packet = Extensions(8, 0, 3000);
        Assert.True(SuperPacket.TryParse(new VirtioHeader(VirtioFlags.NeedsChecksum, VirtioGso.TcpV6, 0, 1000, 40 + 64, 16), packet, out _));
    }

    [Fact]
    public void No_bytes_and_no_header_make_it_throw_or_write_beyond_a_segment() =>
        Prop.ForAll(Anything().ToArbitrary(), it =>
        {
            var (header, packet) = it;
            if (!SuperPacket.TryParse(header, packet, out var super))
            {
                return true;
            }

            var destination = new byte[packet.Length + 32];
            var payload = 0;
            for (var i = 0; i < super.Count; i++)
            {
                Array.Fill(destination, (byte)0xA5);
                var length = super.LengthOf(i);
                super.CopyTo(i, destination);
                Assert.InRange(length, 1, packet.Length);
                Assert.Equal(-1, destination.AsSpan(length).IndexOfAnyExcept((byte)0xA5));
                payload += length;
            }

            return super.Count == 1 ? payload == packet.Length : payload > packet.Length;
        }).Check(Properties.Config(2000));

    [Fact]
    public void Reading_and_segmenting_allocate_nothing()
    {
        var (header, packet) = new TestPacket { Payload = TestPacket.Bytes(60_000) }.BuildPartial(VirtioGso.TcpV4, 1380);
        var destination = new byte[2000];
        Assert.Equal(0, ThreadAllocations.Of(Run));

        void Run()
        {
            Assert.True(SuperPacket.TryParse(header, packet, out var super));
            for (var i = 0; i < super.Count; i++)
            {
                super.CopyTo(i, destination);
            }
        }
    }

    private static byte[][] AssertSegments(TestPacket whole, int size)
    {
        var (header, packet) = whole.BuildPartial(whole.Gso, size);
        var before = packet.ToArray();
        var segments = Segments(header, packet);
        Assert.Equal(whole.Segments(size), segments);
        Assert.Equal(before, packet);
        return segments;
    }

    private static byte[][] Segments(VirtioHeader header, byte[] packet)
    {
        Assert.True(SuperPacket.TryParse(header, packet, out var super));
        Assert.True(super.Packet.SequenceEqual(packet));
        var segments = new byte[super.Count][];
        for (var i = 0; i < segments.Length; i++)
        {
            var destination = new byte[super.LengthOf(i) + 8];
            super.CopyTo(i, destination);
            Assert.Equal(new byte[8], destination[^8..]);
            segments[i] = destination[..^8];
        }

        return segments;
    }

    /// <summary>Random bytes, and real packets with a few bytes and fields changed, which get further.</summary>
    private static Gen<(VirtioHeader Header, byte[] Packet)> Anything()
    {
        var numbers = Gen.OneOf(Gen.Elements(0, 1, 6, 8, 16, 20, 28, 40, 48, 60, 1000, 65_535), Gen.Choose(0, 65_535));
        var noise =
            from length in Gen.Choose(0, 120)
            from seed in Gen.Choose(0, int.MaxValue)
            from first in Gen.Elements(0x45, 0x46, 0x4F, 0x60, 0x00)
            select Noise(length, seed, first);
        var changed =
            from isIPv6 in Gen.Elements(true, false)
            from isTcp in Gen.Elements(true, false)
            from payload in Gen.Choose(0, 4000)
            from changes in Gen.Choose(0, 80).Two().ListOf()
            from cut in Gen.Frequency((5, Gen.Constant(0)), (1, Gen.Choose(0, 60)))
            select Mutated(new TestPacket { IsIPv6 = isIPv6, IsTcp = isTcp, Payload = TestPacket.Bytes(payload) }.Build(), changes, cut);
        return
            from packet in Gen.OneOf(noise, changed)
            from flags in Gen.Choose(0, 3)
            from gso in Gen.Elements(0, 1, 3, 4, 5, 0x81, 0x84, 0x80, 0xFF)
            from length in numbers
            from size in numbers
            from start in Gen.OneOf(Gen.Elements(20, 40), numbers)
            from offset in Gen.OneOf(Gen.Elements(6, 16), numbers)
            select (new VirtioHeader((VirtioFlags)flags, (VirtioGso)gso, (ushort)length, (ushort)size, (ushort)start, (ushort)offset), packet);
    }

    private static byte[] Noise(int length, int seed, int first)
    {
        var bytes = TestPacket.Bytes(length, seed);
        if (length >= 6)
        {
            (bytes[0], bytes[2], bytes[3], bytes[4]) = ((byte)first, 0, (byte)length, 0);
            bytes[5] = (byte)(length - 40);
        }

        return bytes;
    }

    private static byte[] Mutated(byte[] packet, IEnumerable<(int, int)> changes, int cut)
    {
        foreach (var (at, value) in changes)
        {
            packet[at % packet.Length] = (byte)value;
        }

        return packet[..Math.Max(0, packet.Length - cut)];
    }

    private static byte[] Changed(byte[] packet, int at, int value)
    {
        var changed = packet.ToArray();
        changed[at] = (byte)value;
        return changed;
    }

    // destination options, one behind the other; they state their length in words of 8 bytes beyond the first
    private static byte[] Extensions(int count, byte statedLength, int payload)
    {
        var extensions = new byte[count * 8];
        for (var i = 0; i < count; i++)
        {
            extensions[i * 8] = (byte)(i == count - 1 ? 6 : 60);
            extensions[(i * 8) + 1] = statedLength;
        }

        return new TestPacket { IsIPv6 = true, FirstExtension = 60, Extensions = extensions, Payload = TestPacket.Bytes(payload) }.Build();
    }

    private static int Read16(byte[] packet, int at) => (packet[at] << 8) | packet[at + 1];
}
