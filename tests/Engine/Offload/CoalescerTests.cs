using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class CoalescerTests
{
    private const int Size = 1000;

    private static readonly TestPacket Tcp = new() { Payload = TestPacket.Bytes(Size), TcpOptions = [1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8] };
    private static readonly TestPacket Udp = new() { IsTcp = false, Payload = TestPacket.Bytes(Size) };

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public void Packets_that_continue_each_other_are_written_as_one(bool isIPv6, bool isTcp)
    {
        var whole = Tcp with { IsIPv6 = isIPv6, IsTcp = isTcp, Identification = 0xFFFF, Sequence = 0xFFFF_FF00, Payload = TestPacket.Bytes(5500) };
        var (expectedHeader, expected) = whole.BuildPartial(whole.Gso, Size);
        var gathering = new Gathering(whole.Segments(Size));
        Assert.Equal([6], gathering.Sizes);
        gathering.AssertWritten(0, expectedHeader, expected);
    }

    [Fact]
    public void One_packet_is_written_as_it_came()
    {
        foreach (var packet in (byte[][])[Tcp.Build(), Udp.Build(), (Tcp with { IsIPv6 = true }).Build()])
        {
            var gathering = new Gathering(packet);
            gathering.AssertWritten(0, default, packet);
            Assert.Equal([packet], gathering.WrittenOneByOne(0));
        }
    }

    private static TestPacket Next(TestPacket packet, int count = 1) => packet with
    {
        Sequence = packet.Sequence + (uint)(count * packet.Payload.Length),
        Identification = (ushort)(packet.Identification + count),
    };

    /// <summary>What a second packet may not differ in from the first.</summary>
    private static Dictionary<string, (TestPacket First, TestPacket Second)> Different()
    {
        var next = Next(Tcp);
        var (tcp6, udp, udp6) = (Tcp with { IsIPv6 = true }, Udp, Udp with { IsIPv6 = true });
        var counted = Tcp with { Fragmentation = 0 };
        return new()
        {
            ["source"] = (Tcp, next with { Source = 3 }),
            ["destination"] = (Tcp, next with { Destination = 3 }),
            ["source port"] = (Tcp, next with { SourcePort = 1 }),
            ["destination port"] = (Tcp, next with { DestinationPort = 1 }),
            ["family"] = (Tcp, next with { IsIPv6 = true }),
            ["protocol"] = (Udp, next),
            ["a gap"] = (Tcp, next with { Sequence = next.Sequence + 1 }),
            ["a repetition"] = (Tcp, next with { Sequence = Tcp.Sequence }),
            ["acknowledgement"] = (Tcp, next with { Acknowledgement = 78 }),
            ["window"] = (Tcp, next with { Window = 513 }),
            ["urgent pointer"] = (Tcp, next with { UrgentPointer = 1 }),
            ["reserved bits"] = (Tcp, next with { ReservedBits = 1 }),
            ["timestamp"] = (Tcp, next with { TcpOptions = [1, 1, 8, 10, 0, 0, 0, 10, 0, 0, 0, 8] }),
            ["fewer options"] = (Tcp, next with { TcpOptions = [] }),
            ["a longer payload"] = (Tcp, next with { Payload = TestPacket.Bytes(Size + 1) }),
            ["FIN"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Fin }),
            ["SYN"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Syn }),
            ["RST"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Reset }),
            ["URG"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Urgent }),
            ["no ACK"] = (Tcp, next with { Flags = 0 }),
            ["ECE"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.EcnEcho }),
            ["CWR"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Cwr }),
            ["CWR on both"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.Cwr }, next with { Flags = TestPacket.Ack | TestPacket.Cwr }),
            ["behind PSH"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.Push }, next),
            ["behind FIN"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.Fin }, next),
            ["behind SYN"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.Syn }, next),
            ["both SYN"] = (Tcp with { Flags = TestPacket.Syn }, next with { Flags = TestPacket.Syn }),
            ["an empty one"] = (Tcp, next with { Payload = [] }),
            ["behind an empty one"] = (Tcp with { Payload = [] }, Tcp),
            ["DSCP"] = (Tcp, next with { TrafficClass = 0x20 }),
            ["ECN"] = (Tcp with { TrafficClass = 2 }, next with { TrafficClass = 3 }),
            ["TTL"] = (Tcp, next with { TimeToLive = 63 }),
            ["DF"] = (Tcp, next with { Fragmentation = 0 }),
            ["identification without DF"] = (counted, Next(counted, 2)),
            ["the same identification without DF"] = (counted, Next(counted) with { Identification = counted.Identification }),
            ["IPv6: DSCP"] = (tcp6, Next(tcp6) with { TrafficClass = 0x20 }),
            ["IPv6: ECN"] = (tcp6, Next(tcp6) with { TrafficClass = 1 }),
            ["IPv6: flow label"] = (tcp6, Next(tcp6) with { FlowLabel = 1 }),
            ["IPv6: hop limit"] = (tcp6, Next(tcp6) with { TimeToLive = 63 }),
            ["IPv6: source"] = (tcp6, Next(tcp6) with { Source = 3 }),
            ["IPv6: destination"] = (tcp6, Next(tcp6) with { Destination = 3 }),
            ["UDP: ports"] = (udp, udp with { SourcePort = 1 }),
            ["UDP: a longer payload"] = (udp, udp with { Payload = TestPacket.Bytes(Size + 1) }),
            ["UDP: an empty one"] = (udp, udp with { Payload = [] }),
            ["UDP: behind an empty one"] = (udp with { Payload = [] }, udp with { Payload = [] }),
            ["UDP: checksum and none"] = (udp, udp with { WithoutChecksum = true }),
            ["UDP: none and checksum"] = (udp with { WithoutChecksum = true }, udp),
            ["UDP: no checksum in IPv6"] = (udp6 with { WithoutChecksum = true }, udp6 with { WithoutChecksum = true }),
            ["UDP: TTL"] = (udp, udp with { TimeToLive = 63 }),
            ["UDP: identification without DF"] = (udp with { Fragmentation = 0 }, udp with { Fragmentation = 0, Identification = 9 }),
            ["options of IPv4"] = (Tcp with { IPv4Options = [1, 1, 1, 0] }, next with { IPv4Options = [1, 1, 1, 0] }),
            ["fragments"] = (udp with { Fragmentation = 0x2000 }, udp with { Fragmentation = 0x2000, Identification = 1 }),
            ["extension headers"] = (Extended(udp6), Extended(udp6)),
        };
    }

    public static TheoryData<string> Differences() => [.. Different().Keys];

    [Theory]
    [MemberData(nameof(Differences))]
    public void Packets_that_differ_are_written_one_by_one_in_their_order(string what)
    {
        var (first, second) = Different()[what];
        var packets = (byte[][])[first.Build(), second.Build()];
        var gathering = new Gathering(packets);
        Assert.Equal([1, 1], gathering.Sizes);
        gathering.AssertWritten(0, default, packets[0]);
        gathering.AssertWritten(1, default, packets[1]);
    }

    private static Dictionary<string, (TestPacket First, TestPacket Second)> Alike()
    {
        var next = Next(Tcp);
        return new()
        {
            ["a shorter end"] = (Tcp, next with { Payload = [1] }),
            ["PSH at the end"] = (Tcp, next with { Flags = TestPacket.Ack | TestPacket.Push }),
            ["ECE on both"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.EcnEcho }, next with { Flags = TestPacket.Ack | TestPacket.EcnEcho }),
            ["CWR on the first"] = (Tcp with { Flags = TestPacket.Ack | TestPacket.Cwr }, next),
            ["CE on both"] = (Tcp with { TrafficClass = 3 }, next with { TrafficClass = 3 }),
            ["without DF"] = (Tcp with { Fragmentation = 0 }, next with { Fragmentation = 0 }),
            ["UDP: a shorter end"] = (Udp, Next(Udp) with { Payload = [1] }),
            ["UDP: of one byte"] = (Udp with { Payload = [1] }, Next(Udp) with { Payload = [2] }),
            ["UDP: without DF"] = (Udp with { Fragmentation = 0 }, Next(Udp) with { Fragmentation = 0 }),
        };
    }

    public static TheoryData<string> Likenesses() => [.. Alike().Keys];

    [Theory]
    [MemberData(nameof(Likenesses))]
    public void What_the_kernel_takes_out_is_what_was_put_in(string what)
    {
        var (first, second) = Alike()[what];
        var gathering = new Gathering(first.Build(), second.Build());
        Assert.Equal([2], gathering.Sizes);
        Assert.Equal([first.Build(), second.Build()], gathering.Received(0));
        Assert.Equal(first.Flags >= TestPacket.Cwr, gathering.Written(0).Header.Gso.HasFlag(VirtioGso.Ecn));
    }

    [Fact]
    public void With_DF_any_identification_will_do()
    {
        Assert.Equal([3], new Gathering(Tcp.Build(), (Next(Tcp) with { Identification = 0 }).Build(), (Next(Tcp, 2) with { Identification = 999 }).Build()).Sizes);
    }

    [Theory]
    [InlineData(TestPacket.Ack | TestPacket.Push, Size)]
    [InlineData(TestPacket.Ack, Size - 1)]
    public void A_pushed_or_shorter_packet_ends_the_run(byte flags, int length)
    {
        var end = Next(Tcp) with { Flags = flags, Payload = TestPacket.Bytes(length) };
        var after = Next(end) with { Flags = TestPacket.Ack, Payload = Tcp.Payload };
        Assert.Equal([2, 2], new Gathering(Tcp.Build(), end.Build(), after.Build(), Next(after).Build()).Sizes);
    }

    [Fact]
    public void A_shorter_datagram_ends_the_run() =>
        Assert.Equal([2, 2], new Gathering(Udp.Build(), (Udp with { Payload = [1] }).Build(), (Udp with { Payload = [1] }).Build(), (Udp with { Payload = [2] }).Build()).Sizes);

    [Fact]
    public void Reordered_packets_stay_as_they_came()
    {
        byte[][] packets = [Tcp.Build(), Next(Tcp, 2).Build(), Next(Tcp).Build(), Next(Tcp, 3).Build()];
        var gathering = new Gathering(packets);
        Assert.Equal([1, 1, 1, 1], gathering.Sizes);
        Assert.Equal(packets, Enumerable.Range(0, 4).Select(group => gathering.Written(group).Packet));
    }

    [Fact]
    public void An_acknowledgement_is_not_overtaken_by_the_data_behind_it()
    {
        var acknowledgement = Next(Tcp, 2) with { Payload = [] };
        byte[][] packets = [Tcp.Build(), Next(Tcp).Build(), acknowledgement.Build(), Next(Tcp, 2).Build(), Next(Tcp, 3).Build()];
        var gathering = new Gathering(packets);
        Assert.Equal([2, 1, 2], gathering.Sizes);
        Assert.Equal(packets[2], gathering.Written(1).Packet);
    }

    [Theory]
    [InlineData(false, 36)] // TCP checksum
    [InlineData(false, 700)] // payload
    [InlineData(false, 10)] // IPv4 header checksum
    [InlineData(true, 56)]
    public void A_packet_with_a_wrong_checksum_stays_alone_and_wrong(bool isIPv6, int at)
    {
        foreach (var wrong in (int[])[0, 1, 2])
        {
            byte[][] packets = [.. Enumerable.Range(0, 3).Select(i => Next(Tcp with { IsIPv6 = isIPv6 }, i).Build())];
            packets[wrong][at] ^= 0x10;
            var gathering = new Gathering(packets);
            Assert.Equal(wrong switch { 0 => [1, 2], 1 => [1, 1, 1], _ => (int[])[2, 1] }, gathering.Sizes);
            var alone = wrong switch { 0 => 0, 1 => 1, _ => 1 };
            gathering.AssertWritten(alone, default, packets[wrong]);
        }
    }

    [Fact]
    public void A_datagram_with_a_wrong_checksum_stays_alone()
    {
        byte[][] packets = [Udp.Build(), Next(Udp).Build(), Next(Udp, 2).Build()];
        packets[1][500] ^= 1;
        Assert.Equal([1, 1, 1], new Gathering(packets).Sizes);
    }

    [Fact]
    public void Datagrams_without_checksum_are_gathered_and_written_with_the_sum_the_kernel_asks_for()
    {
        var vxlan = Udp with { DestinationPort = 4789, WithoutChecksum = true, Payload = TestPacket.Bytes(3 * Size) };
        var gathering = new Gathering(vxlan.Segments(Size));
        Assert.Equal([3], gathering.Sizes);
        var (header, packet) = (vxlan with { WithoutChecksum = false }).BuildPartial(VirtioGso.UdpL4, Size);
        gathering.AssertWritten(0, header, packet);
        Assert.Equal(vxlan.Segments(Size), gathering.WrittenOneByOne(0));
    }

    [Fact]
    public void Flows_are_gathered_each_by_itself_and_come_in_the_order_of_their_first_packets()
    {
        var (a, b, c) = (Tcp, Udp, Tcp with { IsIPv6 = true });
        var gathering = new Gathering(
            a.Build(), b.Build(), Next(a).Build(), c.Build(), Next(b).Build(), Next(c).Build(), Next(a, 2).Build(), Next(c, 2).Build());
        Assert.Equal([3, 2, 3], gathering.Sizes);
        Assert.Equal([a.Build(), Next(a).Build(), Next(a, 2).Build()], gathering.Received(0));
        Assert.Equal([b.Build(), Next(b).Build()], gathering.Received(1));
        Assert.Equal([c.Build(), Next(c).Build(), Next(c, 2).Build()], gathering.Received(2));
    }

    [Fact]
    public void Other_protocols_end_no_run()
    {
        var icmp = Tcp.Build();
        icmp[9] = 1;
        var other6 = (Tcp with { IsIPv6 = true }).Build();
        other6[6] = 50;
        Assert.Equal([2, 1, 1], new Gathering(Tcp.Build(), icmp, other6, Next(Tcp).Build()).Sizes);
    }

    public static TheoryData<string> Rare() => ["first fragment", "last fragment", "options", "extension header", "half a TCP header", "UDP of another length"];

    [Theory]
    [MemberData(nameof(Rare))]
    public void What_might_belong_to_the_flow_is_not_overtaken(string what)
    {
        var packet = what switch
        {
            "first fragment" => (Tcp with { Fragmentation = 0x2000 }).Build(),
            "last fragment" => (Udp with { Fragmentation = 0x0010 }).Build(),
            "options" => (Next(Tcp) with { IPv4Options = [1, 1, 1, 0] }).Build(),
            "extension header" => Extended(Udp with { IsIPv6 = true }).Build(),
            "half a TCP header" => Short(Tcp.Build()[..30]),
            _ => Changed(Udp.Build(), 25, 1),
        };
        var gathering = new Gathering(Tcp.Build(), packet, Next(Tcp).Build(), Next(Tcp, 2).Build());
        Assert.Equal([1, 1, 2], gathering.Sizes);
        gathering.AssertWritten(1, default, packet);

        static byte[] Short(byte[] packet) => Changed(Changed(packet, 2, 0), 3, packet.Length);
    }

    [Fact]
    public void What_is_switched_off_is_not_gathered()
    {
        byte[][] packets = [Tcp.Build(), Next(Tcp).Build(), Udp.Build(), Next(Udp).Build()];
        Assert.Equal([1, 1, 2], new Gathering(coalescer => coalescer.Tcp = false, packets).Sizes);
        Assert.Equal([2, 1, 1], new Gathering(coalescer => coalescer.Udp = false, packets).Sizes);
    }

    [Theory]
    [InlineData(false, true, 9000)]
    [InlineData(true, true, 9000)]
    [InlineData(false, false, 9000)]
    [InlineData(true, false, 9000)]
    [InlineData(false, true, 1455)]
    [InlineData(true, true, 32_712)]
    [InlineData(false, true, 65_400)]
    public void A_group_is_at_most_65_535_bytes(bool isIPv6, bool isTcp, int size)
    {
        var packet = Tcp with { IsIPv6 = isIPv6, IsTcp = isTcp, TcpOptions = [], Payload = TestPacket.Bytes(size) };
        byte[][] packets = [.. Enumerable.Range(0, Math.Max(5, 150_000 / size)).Select(i => Next(packet, i).Build())];
        var gathering = new Gathering(packets);
        var each = Math.Min(64, (65_535 - packet.HeaderLength) / size);
        Assert.Equal(packets.Chunk(each).Select(chunk => chunk.Length), gathering.Sizes);
        Assert.Equal(packets, Enumerable.Range(0, gathering.Coalescer.Count).SelectMany(gathering.Received));
    }

    [Fact]
    public void A_group_of_exactly_65_535_bytes_is_one_and_a_byte_more_are_two()
    {
        var packet = Tcp with { TcpOptions = [], Payload = TestPacket.Bytes(1000) };
        byte[][] packets = [.. Enumerable.Range(0, 65).Select(i => Next(packet, i).Build())];
        Assert.Equal(64, new Gathering(packets).Sizes.First());

        packet = packet with { Payload = TestPacket.Bytes(9000) };
        byte[][] seven = [.. Enumerable.Range(0, 7).Select(i => Next(packet, i).Build())];
        var last = Next(packet, 7) with { Payload = TestPacket.Bytes(65_535 - 40 - 63_000) };
        var whole = new Gathering([.. seven, last.Build()]);
        Assert.Equal([8], whole.Sizes);
        Assert.Equal(65_535, whole.Written(0).Packet.Length);
        Assert.Equal([7, 1], new Gathering([.. seven, (last with { Payload = TestPacket.Bytes(65_535 - 40 - 63_000 + 1) }).Build()]).Sizes);
    }

    [Fact]
    public void What_the_kernel_refused_is_restored_for_writing_one_by_one()
    {
        byte[][] packets =
        [
            Tcp.Build(), Next(Tcp).Build(), (Next(Tcp, 2) with { Flags = TestPacket.Ack | TestPacket.Push }).Build(),
            Udp.Build(), Next(Udp).Build(), (Udp with { IsIPv6 = true }).Build(), (Udp with { IsIPv6 = true }).Build(),
        ];
        var gathering = new Gathering(packets);
        Assert.Equal([3, 2, 2], gathering.Sizes);
        var before = gathering.Buffer.ToArray();
        var written = Enumerable.Range(0, 3).Select(gathering.Written).ToArray();
        AssertWrittenAgain();
        Assert.Equal(packets, Enumerable.Range(0, 3).SelectMany(gathering.WrittenOneByOne));
        Assert.Equal(before, gathering.Buffer);
        AssertWrittenAgain(); // after all

        void AssertWrittenAgain()
        {
            for (var group = 0; group < 3; group++)
            {
                gathering.AssertWritten(group, written[group].Header, written[group].Packet);
            }
        }
    }

    [Fact]
    public void A_batch_does_not_continue_the_one_before()
    {
        var gathering = new Gathering(Tcp.Build(), Next(Tcp).Build());
        gathering.Coalescer.Clear();
        Assert.Equal(0, gathering.Coalescer.Count);
        var next = Next(Tcp, 2).Build();
        gathering.Coalescer.Add(next, 0, next.Length);
        Assert.Equal([1], gathering.Sizes);
        Assert.Equal(default, gathering.Coalescer.Finish(0));
    }

    [Fact]
    public void More_packets_than_were_said_to_come_are_not_taken()
    {
        var coalescer = new Coalescer(1);
        var packet = Tcp.Build();
        coalescer.Add(packet, 0, packet.Length);
        Assert.Throws<InvalidOperationException>(() => coalescer.Add(packet, 0, packet.Length));
        Assert.Equal(1, coalescer.Count);
    }

    private static TestPacket Extended(TestPacket packet) => packet with { FirstExtension = 60, Extensions = [(byte)(packet.IsTcp ? 6 : 17), 0, 1, 4, 0, 0, 0, 0] };

    private static byte[] Changed(byte[] packet, int at, int value)
    {
        var changed = packet.ToArray();
        changed[at] = (byte)value;
        return changed;
    }
}
