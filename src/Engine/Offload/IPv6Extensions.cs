using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>The extension headers between an IPv6 header and what it carries (RFC 8200, section 4).</summary>
internal static class IPv6Extensions
{
    private const byte HopByHop = 0;
    private const byte Routing = 43;
    private const byte Fragment = 44;
    private const byte DestinationOptions = 60;
    private const int FragmentHeaderLength = 8;

    /// <summary>More than a packet has that makes sense: each may come once, destination options twice (RFC 8200, section 4.1).</summary>
    private const int MaximumHeaders = 8;

    /// <summary>What <see cref="TrySkip"/> answers for the offset of what is no fragment.</summary>
    public const int NotFragmented = -1;

    /// <summary>Whether a next-header value stands for a header that <see cref="TrySkip"/> skips.</summary>
    public static bool IsExtension(byte nextHeader) => nextHeader is HopByHop or Routing or Fragment or DestinationOptions;

    /// <summary>Finds what follows the extension headers.</summary>
    /// <param name="packet">An IPv6 packet with a whole first header.</param>
    /// <param name="protocol">What follows: TCP, UDP, ICMPv6, or anything that is no extension header known here.</param>
    /// <param name="offset">Where it starts, at most the packet's length.</param>
    /// <param name="fragmentOffset">
    /// Where in the whole packet this fragment belongs, in bytes, or <see cref="NotFragmented"/>. Of a fragment but the first
    /// no header follows.
    /// </param>
    /// <returns>False if the headers go beyond the packet, or are so many that looking at them is work.</returns>
    public static bool TrySkip(ReadOnlySpan<byte> packet, out byte protocol, out int offset, out int fragmentOffset)
    {
        protocol = packet[6];
        offset = IpPacket.IPv6HeaderLength;
        fragmentOffset = NotFragmented;
        for (var headers = 0; IsExtension(protocol) && fragmentOffset <= 0; headers++)
        {
            if (headers == MaximumHeaders || packet.Length - offset < FragmentHeaderLength) // no extension header is shorter
            {
                return false;
            }

            var length = FragmentHeaderLength;
            if (protocol == Fragment)
            {
                fragmentOffset = BinaryPrimitives.ReadUInt16BigEndian(packet[(offset + 2)..]) & ~7;
            }
            else
            {
                length += packet[offset + 1] * 8;
            }

            protocol = packet[offset];
            offset += length;
        }

        return offset <= packet.Length;
    }
}
