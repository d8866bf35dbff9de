using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>Where the headers of a TCP or UDP packet lie.</summary>
/// <param name="IsIPv6">Version of the IP header.</param>
/// <param name="IsTcp">TCP, or else UDP.</param>
/// <param name="TransportOffset">Bytes of the IP header with its options or extensions.</param>
/// <param name="HeaderLength">Bytes of all headers.</param>
internal readonly record struct TransportPacket(bool IsIPv6, bool IsTcp, int TransportOffset, int HeaderLength)
{
    public const byte Tcp = 6;
    public const byte Udp = 17;
    public const int TcpHeaderLength = 20;
    public const int UdpHeaderLength = 8;
    public const int TcpChecksumOffset = 16;
    public const int UdpChecksumOffset = 6;

    /// <summary>More fragments, and the offset: what a whole IPv4 packet has none of.</summary>
    private const ushort FragmentMask = 0x3FFF;

    /// <summary>Where the checksum lies, from the transport header on.</summary>
    public int ChecksumOffset => IsTcp ? TcpChecksumOffset : UdpChecksumOffset;

    /// <summary>Source and destination address of a packet with these headers, one after the other.</summary>
    public ReadOnlySpan<byte> Addresses(ReadOnlySpan<byte> packet) => IsIPv6 ? packet.Slice(8, 32) : packet.Slice(12, 8);

    /// <summary>Sum of the pseudo-header of a packet with these headers, but for the length.</summary>
    public ulong PseudoHeader(ReadOnlySpan<byte> packet) => InternetChecksum.PseudoHeader(Addresses(packet), IsTcp ? Tcp : Udp);

    /// <summary>Finds the headers of an unfragmented TCP or UDP packet.</summary>
    /// <param name="packet">The packet, exactly as long as its IP header states.</param>
    /// <param name="headers">Where they are.</param>
    /// <returns>False for anything else, and for headers that are not whole.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, out TransportPacket headers)
    {
        headers = default;
        if (!IpPacket.TryGetLength(packet, out var length) || length != packet.Length)
        {
            return false;
        }

        var isIPv6 = packet[0] >> 4 == 6;
        if (!(isIPv6 ? TryFindInIPv6(packet, out var protocol, out var offset) : TryFindInIPv4(packet, out protocol, out offset)))
        {
            return false;
        }

        var transport = packet[offset..];
        switch (protocol)
        {
            case Tcp when transport.Length >= TcpHeaderLength:
                var tcpLength = (transport[12] >> 4) * 4;
                headers = new TransportPacket(isIPv6, true, offset, offset + tcpLength);
                return tcpLength >= TcpHeaderLength && tcpLength <= transport.Length;
            case Udp when transport.Length >= UdpHeaderLength:
                headers = new TransportPacket(isIPv6, false, offset, offset + UdpHeaderLength);
                return BinaryPrimitives.ReadUInt16BigEndian(transport[4..]) == transport.Length;
            default:
                return false;
        }
    }

    /// <summary>Whether a packet with a whole IPv4 header is a part of a larger one.</summary>
    public static bool IsIPv4Fragment(ReadOnlySpan<byte> packet) => (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & FragmentMask) != 0;

    private static bool TryFindInIPv4(ReadOnlySpan<byte> packet, out byte protocol, out int offset)
    {
        protocol = packet[9];
        offset = (packet[0] & 15) * 4;
        return offset >= IpPacket.IPv4HeaderLength && offset <= packet.Length && !IsIPv4Fragment(packet);
    }

    private static bool TryFindInIPv6(ReadOnlySpan<byte> packet, out byte protocol, out int offset) =>
        IPv6Extensions.TrySkip(packet, out protocol, out offset, out var fragment) && fragment == IPv6Extensions.NotFragmented;
}
