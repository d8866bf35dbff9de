using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>
/// The answer to a packet that no peer can be sent: host unreachable (RFC 792) or address unreachable (RFC 4443, section 3.1), so that
/// a connection fails at once and not after a minute.
/// </summary>
/// <remarks>
/// It comes from the address that the packet was for: an address of that interface's routes, so that the kernel's reverse-path filter
/// lets it in when it is written to the TUN; an address of our own, there, would be a martian.
/// </remarks>
internal static class IcmpUnreachable
{
    /// <summary>Bytes of the longest answer: the smallest MTU of IPv6 (RFC 4443, section 2.4c).</summary>
    public const int MaximumLength = 1280;

    /// <summary>What an IPv4 host has to take at least (RFC 1812, section 4.3.2.3).</summary>
    private const int MaximumLengthIPv4 = 576;

    private const int IcmpHeaderLength = 8;
    private const byte Icmp = 1;
    private const byte IcmpV6 = 58;
    private const byte TimeToLive = 64;
    private const byte InternetworkControl = 0xC0; // precedence of ICMP errors (RFC 1812, section 4.3.2.5)
    private const ushort DontFragment = 0x4000;    // so that the identification may be 0 (RFC 6864)

    /// <summary>Writes the ICMP message about a packet.</summary>
    /// <param name="packet">The packet that could not be sent. Of several that share headers, any or all of it.</param>
    /// <param name="destination">Takes the message: a whole IP packet of the same family.</param>
    /// <param name="length">Its length, at most <see cref="MaximumLength"/>.</param>
    /// <returns>
    /// False if there must be none, lest errors be answered with errors or one packet with many (RFC 1122, section 3.2.2; RFC 4443, section 2.4e),
    /// if this is no whole IP packet, or if <paramref name="destination"/> is too small.
    /// </returns>
    public static bool TryWrite(ReadOnlySpan<byte> packet, Span<byte> destination, out int length)
    {
        length = 0;
        if (!IpPacket.TryGetLength(packet, out var stated))
        {
            return false;
        }

        var original = packet[..stated];
        return original[0] >> 4 == 6
            ? MayAnswerIPv6(original) && TryWriteIPv6(original, destination, out length)
            : MayAnswerIPv4(original) && TryWriteIPv4(original, destination, out length);
    }

    private static bool MayAnswerIPv4(ReadOnlySpan<byte> packet)
    {
        var headerLength = (packet[0] & 15) * 4;
        var isFirst = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1FFF) == 0;
        return headerLength >= IpPacket.IPv4HeaderLength
            && headerLength <= packet.Length
            && isFirst
            && !(packet[9] == Icmp && (packet.Length == headerLength || IsError(packet[headerLength])))
            && IsOneHost(packet[12..16])
            && IsOneHost(packet[16..20]);

        static bool IsError(byte type) => type is 3 or 4 or 5 or 11 or 12; // unreachable, quench, redirect, time exceeded, bad parameter

        // not this network, loopback, multicast, reserved, broadcast
        static bool IsOneHost(ReadOnlySpan<byte> address) => address[0] is not (0 or 127 or >= 224);
    }

    private static bool MayAnswerIPv6(ReadOnlySpan<byte> packet)
    {
        const byte redirect = 137;
        return IPv6Extensions.TrySkip(packet, out var protocol, out var offset, out var fragmentOffset)
            && fragmentOffset <= 0
            && !(protocol == IcmpV6 && (packet.Length == offset || packet[offset] is < 128 or redirect))
            && IsOneHost(packet[8..24])
            && IsOneHost(packet[24..40]);

        // not unspecified, loopback or multicast
        static bool IsOneHost(ReadOnlySpan<byte> address) => address[0] != 0xFF && BinaryPrimitives.ReadUInt128BigEndian(address) > 1;
    }

    private static bool TryWriteIPv4(ReadOnlySpan<byte> original, Span<byte> destination, out int length)
    {
        const int headers = IpPacket.IPv4HeaderLength + IcmpHeaderLength;
        length = Math.Min(MaximumLengthIPv4, headers + original.Length);
        if (destination.Length < length)
        {
            length = 0;
            return false;
        }

        var message = destination[..length];
        message[..headers].Clear();
        message[0] = 0x45;
        message[1] = InternetworkControl;
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(message[6..], DontFragment);
        message[8] = TimeToLive;
        message[9] = Icmp;
        original[16..20].CopyTo(message[12..]);
        original[12..16].CopyTo(message[16..]);
        InternetChecksum.WriteIPv4(message[..IpPacket.IPv4HeaderLength]);

        var icmp = message[IpPacket.IPv4HeaderLength..];
        icmp[0] = 3; // destination unreachable
        icmp[1] = 1; // host
        original[..(length - headers)].CopyTo(icmp[IcmpHeaderLength..]);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Complete(InternetChecksum.Add(0, icmp)));
        return true;
    }

    private static bool TryWriteIPv6(ReadOnlySpan<byte> original, Span<byte> destination, out int length)
    {
        const int headers = IpPacket.IPv6HeaderLength + IcmpHeaderLength;
        length = Math.Min(MaximumLength, headers + original.Length);
        if (destination.Length < length)
        {
            length = 0;
            return false;
        }

        var message = destination[..length];
        message[..headers].Clear();
        message[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(message[4..], (ushort)(length - IpPacket.IPv6HeaderLength));
        message[6] = IcmpV6;
        message[7] = TimeToLive;
        original[24..40].CopyTo(message[8..]);
        original[8..24].CopyTo(message[24..]);

        var icmp = message[IpPacket.IPv6HeaderLength..];
        icmp[0] = 1; // destination unreachable
        icmp[1] = 3; // address
        original[..(length - headers)].CopyTo(icmp[IcmpHeaderLength..]);
        var pseudoHeader = InternetChecksum.Add(InternetChecksum.PseudoHeader(message[8..40], IcmpV6), (ushort)icmp.Length);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Complete(InternetChecksum.Add(pseudoHeader, icmp)));
        return true;
    }
}
