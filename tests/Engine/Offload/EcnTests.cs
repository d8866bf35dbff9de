using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class EcnTests
{
    private const byte Dscp = 0xB8; // must come through untouched

    public static TheoryData<bool, int, int, int> Combinations()
    {
        // RFC 6040, figure 4: rows are the inner codepoint, columns the outer: Not-ECT, ECT(1), ECT(0), CE; -1: drop
        int[][] table = [[0, 0, 0, -1], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]];
        var data = new TheoryData<bool, int, int, int>();
        for (var inner = 0; inner < 4; inner++)
        {
            for (var outer = 0; outer < 4; outer++)
            {
                data.Add(false, inner, outer, table[inner][outer]);
                data.Add(true, inner, outer, table[inner][outer]);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void What_the_path_marked_reaches_the_inner_packet(bool isIPv6, int inner, int outer, int expected)
    {
        var packet = Packet(isIPv6, inner);
        Assert.Equal(expected >= 0, Ecn.TryCombine(packet, (byte)(0x54 | outer)));
        var after = Packet(isIPv6, expected >= 0 ? expected : inner);
        Assert.Equal(after, packet);
        Assert.True(TestPacket.IsIntact(packet));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_outer_header_starts_with_the_inner_codepoint(bool isIPv6)
    {
        for (var codepoint = 0; codepoint < 4; codepoint++)
        {
            Assert.Equal(codepoint, Ecn.Outer(Packet(isIPv6, codepoint)));
        }
    }

    [Fact]
    public void A_checksum_is_mended_by_the_difference_whatever_the_header_holds()
    {
        var random = new Random(7);
        for (var i = 0; i < 20_000; i++)
        {
            var packet = new TestPacket { TrafficClass = (byte)((i << 2) | 2), Identification = (ushort)random.Next(), TimeToLive = (byte)i, Payload = [1] }.Build();
            Assert.True(Ecn.TryCombine(packet, (byte)(1 + (2 * (i & 1)))));
            Assert.True(TestPacket.IsIntact(packet));
        }
    }

    [Fact]
    public void A_wrong_checksum_stays_wrong()
    {
        var packet = Packet(false, 2);
        packet[10] ^= 0x40;
        Assert.True(Ecn.TryCombine(packet, 3));
        Assert.False(TestPacket.IsIntact(packet));
    }

    [Fact]
    public void What_is_no_ip_packet_stays_as_it_is()
    {
        foreach (var bytes in (byte[][])[[], [0x45], [0x60], [0x45, 2], [0x60, 0x20, 0], [0x15, 3, 1, 2], [0xF5, 0xFF]])
        {
            var packet = bytes.ToArray();
            Assert.True(Ecn.TryCombine(packet, 0));
            Assert.Equal(bytes, packet);
            _ = Ecn.TryCombine(packet, 3);
        }

        Assert.Equal(0, Ecn.Outer([]));
        Assert.Equal(0, Ecn.Outer([0x15, 0xFF]));
    }

    private static byte[] Packet(bool isIPv6, int codepoint) =>
        new TestPacket { IsIPv6 = isIPv6, TrafficClass = (byte)(Dscp | codepoint), FlowLabel = 0xABCDE, Payload = [1, 2, 3] }.Build();
}
