using System.Buffers.Binary;

namespace WgMesh.Engine.Routing;

/// <summary>What the engine needs to know of an inner IP packet's header.</summary>
internal static class IpPacket
{
    public const int IPv4HeaderLength = 20;
    public const int IPv6HeaderLength = 40;

    /// <summary>The length that the header states, if the buffer holds that much: what follows is padding.</summary>
    /// <returns>False if this is no IPv4 or IPv6 packet, or not a whole one.</returns>
    public static bool TryGetLength(ReadOnlySpan<byte> packet, out int length)
    {
        length = 0;
        if (packet.IsEmpty)
        {
            return false;
        }

        switch (packet[0] >> 4)
        {
            case 4 when packet.Length >= IPv4HeaderLength:
                length = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
                return length >= IPv4HeaderLength && length <= packet.Length;
            case 6 when packet.Length >= IPv6HeaderLength:
                length = IPv6HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]); // an int: 65,535 + 40 does not wrap
                return length <= packet.Length;
            default:
                return false;
        }
    }
}
