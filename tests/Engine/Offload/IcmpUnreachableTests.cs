using FsCheck;
using FsCheck.Fluent;
using WgMesh.Tests.Shared;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class IcmpUnreachableTests
{
    private static readonly TestPacket Tcp = new() { Payload = TestPacket.Bytes(100) };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(508)]
    [InlineData(509)]
    [InlineData(1400)]
    public void The_sender_of_ipv4_learns_that_the_host_is_unreachable(int payload)
    {
        var original = (Tcp with { Payload = TestPacket.Bytes(payload) }).Build();
        var message = Answer(original)!;
        Assert.Equal(Math.Min(576, 28 + original.Length), message.Length);
        Assert.Equal((0x45, 64, 1), (message[0], message[8], message[9])); // TTL, ICMP
        Assert.Equal(message.Length, (message[2] << 8) | message[3]);
        Assert.Equal(original[16..20], message[12..16]); // from where it was to go: what the TUN's routes cover
        Assert.Equal(original[12..16], message[16..20]);
        Assert.Equal((3, 1), (message[20], message[21]));
        Assert.Equal(new byte[4], message[24..28]);
        Assert.Equal(original[..(message.Length - 28)], message[28..]);
        Assert.Equal(0xFFFF, TestPacket.Sum(message.AsSpan(0, 20), 0));
        Assert.Equal(0xFFFF, TestPacket.Sum(message.AsSpan(20), 0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1172)]
    [InlineData(1173)]
    [InlineData(1400)]
    public void The_sender_of_ipv6_learns_that_the_address_is_unreachable(int payload)
    {
        var original = (Tcp with { IsIPv6 = true, Payload = TestPacket.Bytes(payload) }).Build();
        var message = Answer(original)!;
        Assert.Equal(Math.Min(1280, 48 + original.Length), message.Length);
        Assert.Equal((0x60, 58, 64), (message[0], message[6], message[7]));
        Assert.Equal(message.Length - 40, (message[4] << 8) | message[5]);
        Assert.Equal(original[24..40], message[8..24]);
        Assert.Equal(original[8..24], message[24..40]);
        Assert.Equal((1, 3), (message[40], message[41]));
        Assert.Equal(new byte[4], message[44..48]);
        Assert.Equal(original[..(message.Length - 48)], message[48..]);
        var pseudoHeader = TestPacket.Sum([.. message[8..40], .. message[4..6], 0, 58], 0);
        Assert.Equal(0xFFFF, TestPacket.Sum(message.AsSpan(40), pseudoHeader));
    }

    [Fact]
    public void Padding_is_not_quoted()
    {
        var original = Tcp.Build();
        Assert.Equal(Answer(original), Answer([.. original, 0, 0, 0, 0]));
    }

    [Fact]
    public void Fragments_are_answered_for_by_the_first()
    {
        Assert.NotNull(Answer((Tcp with { Fragmentation = 0x2000 }).Build()));
        Assert.Null(Answer((Tcp with { Fragmentation = 0x2001 }).Build()));
        Assert.Null(Answer((Tcp with { Fragmentation = 0x1000 }).Build()));
        Assert.NotNull(Answer(Fragment(0)));
        Assert.Null(Answer(Fragment(1)));
        Assert.Null(Answer(Fragment(0x1FFF)));

        static byte[] Fragment(int at) => (Tcp with { IsIPv6 = true, FirstExtension = 44, Extensions = [6, 0, (byte)(at >> 5), (byte)((at << 3) | 1), 0, 0, 0, 1] }).Build();
    }

    [Fact]
    public void Errors_are_not_answered_with_errors()
    {
        for (var type = 0; type < 256; type++)
        {
            var packet = Icmp(Tcp, type);
            Assert.Equal(type is 3 or 4 or 5 or 11 or 12, Answer(packet) is null);
            var packet6 = Icmp(Tcp with { IsIPv6 = true }, type);
            Assert.Equal(type is < 128 or 137, Answer(packet6) is null);
            var extended = (Tcp with { IsIPv6 = true, FirstExtension = 60, Extensions = [58, 0, 1, 4, 0, 0, 0, 0] }).Build();
            extended[48] = (byte)type;
            Assert.Equal(type is < 128 or 137, Answer(extended) is null);
        }

        static byte[] Icmp(TestPacket template, int type)
        {
            var packet = template.Build();
            packet[template.IsIPv6 ? 6 : 9] = (byte)(template.IsIPv6 ? 58 : 1);
            packet[template.TransportOffset] = (byte)type;
            return packet;
        }
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("0.1.2.3")]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("224.0.0.1")]
    [InlineData("239.1.2.3")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("ff02::1")]
    [InlineData("ff0e::1234")]
    public void What_is_not_from_one_host_to_another_is_not_answered(string address)
    {
        var bytes = System.Net.IPAddress.Parse(address).GetAddressBytes();
        var isIPv6 = bytes.Length == 16;
        Assert.Null(Answer(With(isIPv6 ? 8 : 12)));
        Assert.Null(Answer(With(isIPv6 ? 24 : 16)));

        byte[] With(int at)
        {
            var packet = (Tcp with { IsIPv6 = isIPv6 }).Build();
            bytes.CopyTo(packet, at);
            return packet;
        }
    }

    [Fact]
    public void What_is_not_whole_is_not_answered()
    {
        var (packet, packet6) = (Tcp.Build(), (Tcp with { IsIPv6 = true }).Build());
        for (var length = 0; length < packet.Length; length++)
        {
            Assert.Null(Answer(packet[..length]));
            Assert.Null(Answer(packet6[..length]));
        }

        packet[0] = 0x44; // a header of four words
        Assert.Null(Answer(packet));
        packet[0] = 0x50;
        Assert.Null(Answer(packet));

        byte[] icmpWithoutType = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        Assert.Null(Answer(icmpWithoutType));
    }

    [Fact]
    public void A_destination_that_is_too_small_is_not_written_to()
    {
        foreach (var isIPv6 in (bool[])[false, true])
        {
            var original = (Tcp with { IsIPv6 = isIPv6 }).Build();
            var needed = Answer(original)!.Length;
            var destination = new byte[needed - 1];
            Assert.False(IcmpUnreachable.TryWrite(original, destination, out var length));
            Assert.Equal(0, length);
            Assert.Equal(new byte[needed - 1], destination);
            Assert.True(IcmpUnreachable.TryWrite(original, new byte[needed], out _));
        }
    }

    [Fact]
    public void The_longest_answer_is_as_long_as_stated()
    {
        var largest = (Tcp with { IsIPv6 = true, Payload = new byte[65_535 - 20] }).Build(); // 40 bytes more than 65,535
        Assert.Equal(IcmpUnreachable.MaximumLength, Answer(largest)!.Length);
    }

    [Fact]
    public void Any_bytes_are_answered_or_not_but_never_with_an_answer_that_is_answered() =>
        Prop.ForAll(
            (from length in Gen.Choose(0, 1500)
             from seed in Gen.Choose(0, int.MaxValue)
             from isIPv6 in Gen.Elements(true, false)
             from isLengthRight in Gen.Elements(true, true, false)
             select Noise(length, seed, isIPv6, isLengthRight)).ToArbitrary(),
            packet => Answer(packet) is not { } answer || Answer(answer) is null).Check(Properties.Config(2000));

    private static byte[] Noise(int length, int seed, bool isIPv6, bool isLengthRight)
    {
        var bytes = TestPacket.Bytes(length, seed);
        if (length >= 6)
        {
            bytes[0] = (byte)(isIPv6 ? 0x60 : 0x45);
            if (isLengthRight)
            {
                var (at, value) = isIPv6 ? (4, length - 40) : (2, length);
                (bytes[at], bytes[at + 1]) = ((byte)(value >> 8), (byte)value);
            }
        }

        return bytes;
    }

    private static byte[]? Answer(byte[] packet)
    {
        var before = packet.ToArray();
        var destination = new byte[IcmpUnreachable.MaximumLength];
        var written = IcmpUnreachable.TryWrite(packet, destination, out var length);
        Assert.Equal(before, packet);
        Assert.True(written || length == 0);
        return written ? destination[..length] : null;
    }
}
