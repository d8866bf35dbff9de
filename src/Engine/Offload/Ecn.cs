using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>
/// Explicit congestion notification through the tunnel, RFC 6040: the outer header starts with the inner packet's codepoint (normal
/// mode, section 4.1), and what the path marked on it is brought back to the inner packet at the far end (section 4.2).
/// </summary>
internal static class Ecn
{
    private const byte NotCapable = 0;
    private const byte Capable1 = 1;
    private const byte CongestionExperienced = 3;
    private const byte Mask = 3;

    /// <summary>ECN bits for the outer header; 0 if this is no IP packet.</summary>
    public static byte Outer(ReadOnlySpan<byte> innerPacket) => (byte)(innerPacket.Length < 2 ? NotCapable : (innerPacket[0] >> 4) switch
    {
        4 => innerPacket[1] & Mask,
        6 => (innerPacket[1] >> 4) & Mask, // traffic class: the low half of byte 0 and the high half of byte 1
        _ => NotCapable,
    });

    /// <summary>
    /// Combines the codepoint that the outer header arrived with into the inner packet (RFC 6040, figure 4), mending an IPv4 header's
    /// checksum by the difference, so that a wrong one stays wrong.
    /// </summary>
    /// <param name="innerPacket">An IP packet; anything else stays as it is.</param>
    /// <param name="outerTrafficClass">ToS or traffic class of the outer header; all but its ECN bits is ignored.</param>
    /// <returns>False: the packet has to be dropped, for it met congestion and its sender would not learn of a mark.</returns>
    public static bool TryCombine(Span<byte> innerPacket, byte outerTrafficClass)
    {
        var outer = (byte)(outerTrafficClass & Mask);
        var inner = Outer(innerPacket);
        if (inner == NotCapable)
        {
            return outer != CongestionExperienced;
        }

        // ECT(1) on the outer header may be a mild mark; an inner CE or ECT(1) says as much or more
        if (inner == CongestionExperienced || outer is not (CongestionExperienced or Capable1) || outer == inner)
        {
            return true;
        }

        if (innerPacket[0] >> 4 == 6)
        {
            innerPacket[1] = (byte)((innerPacket[1] & ~(Mask << 4)) | (outer << 4));
        }
        else if (innerPacket.Length >= IpPacket.IPv4HeaderLength)
        {
            var before = BinaryPrimitives.ReadUInt16BigEndian(innerPacket);
            innerPacket[1] = (byte)((innerPacket[1] & ~Mask) | outer);
            var after = BinaryPrimitives.ReadUInt16BigEndian(innerPacket);
            var checksum = innerPacket[10..12];
            BinaryPrimitives.WriteUInt16BigEndian(checksum, Updated(BinaryPrimitives.ReadUInt16BigEndian(checksum), before, after));
        }

        return true;
    }

    // RFC 1624, equation 3: HC' = ~(~HC + ~m + m')
    private static ushort Updated(ushort checksum, ushort before, ushort after)
    {
        var sum = (uint)(ushort)~checksum + (ushort)~before + after;
        sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~(sum + (sum >> 16));
    }
}
