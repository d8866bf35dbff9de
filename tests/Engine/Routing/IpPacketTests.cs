using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Routing;

/// <summary>The length that an inner packet states, against the buffer it came in.</summary>
public class IpPacketTests
{
    [Theory]
    [InlineData(20, 20, true)]      // a header and nothing more
    [InlineData(20, 32, true)]      // padded
    [InlineData(32, 32, true)]
    [InlineData(33, 32, false)]     // says more than there is
    [InlineData(19, 32, false)]     // says less than a header
    [InlineData(0, 32, false)]
    [InlineData(65535, 65535, true)]
    [InlineData(65535, 1500, false)]
    public void An_IPv4_packet_is_as_long_as_it_says_if_the_buffer_holds_that_much(int stated, int buffer, bool expected)
    {
        var packet = new byte[buffer];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)stated);
        Assert.Equal(expected, IpPacket.TryGetLength(packet, out var length));
        if (expected)
        {
            Assert.Equal(stated, length);
        }
    }

    [Theory]
    [InlineData(0, 40, true)]
    [InlineData(0, 48, true)]
    [InlineData(8, 48, true)]
    [InlineData(9, 48, false)]
    [InlineData(65495, 65535, true)]
    [InlineData(65496, 65535, false)]
    [InlineData(65500, 65535, false)] // 16-bit arithmetic would make it 4
    [InlineData(65535, 65535, false)] // and this 39
    [InlineData(65535, 65575, true)]
    public void An_IPv6_packet_is_40_bytes_longer_than_it_says_without_wrapping(int stated, int buffer, bool expected)
    {
        var packet = new byte[buffer];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)stated);
        Assert.Equal(expected, IpPacket.TryGetLength(packet, out var length));
        if (expected)
        {
            Assert.Equal(stated + 40, length);
        }
    }

    [Theory]
    [InlineData(0x45, 19)]
    [InlineData(0x60, 39)]
    [InlineData(0x00, 100)]
    [InlineData(0x50, 100)]
    [InlineData(0xf0, 100)]
    [InlineData(0x45, 1)]
    public void What_is_no_whole_header_of_either_family_is_no_packet(byte first, int buffer)
    {
        var packet = new byte[buffer];
        packet[0] = first;
        if (buffer >= 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), 20); // a length that would do
        }

        Assert.False(IpPacket.TryGetLength(packet, out _));
    }

    [Fact]
    public void Nothing_is_no_packet() => Assert.False(IpPacket.TryGetLength([], out _));
}
