using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>A packet as it was handed to an engine.</summary>
/// <param name="From">Who sent it.</param>
/// <param name="To">To whom the sender's allowed IPs took it then; null: to nobody.</param>
/// <param name="Source">The inner source address, as a prefix of full length.</param>
/// <param name="Destination">The inner destination address, of the same family.</param>
/// <param name="Length">Bytes of the whole packet.</param>
internal readonly record struct SentPacket(Node From, Node? To, Prefix Source, Prefix Destination, int Length);

/// <summary>
/// IPv4 and IPv6 packets that can be told apart by a number and made again from it. All have a marker at the same offset: an
/// eavesdropper must not see it, and knows from it eight bytes of the keystream that hid it.
/// </summary>
internal static class Packets
{
    public const int MinimumLength = MarkerOffset + 16;

    /// <summary>Behind the longer of the two headers.</summary>
    public const int MarkerOffset = IpPacket.IPv6HeaderLength;

    public static ReadOnlySpan<byte> Marker => "PLAINTXT"u8;

    public static byte[] Make(ulong number, in SentPacket sent)
    {
        var packet = new byte[sent.Length];
        if (sent.Source.IsIPv6)
        {
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(sent.Length - IpPacket.IPv6HeaderLength));
            BinaryPrimitives.WriteUInt128BigEndian(packet.AsSpan(8), sent.Source.Address);
            BinaryPrimitives.WriteUInt128BigEndian(packet.AsSpan(24), sent.Destination.Address);
        }
        else
        {
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)sent.Length);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), (uint)sent.Source.Address);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), (uint)sent.Destination.Address);
        }

        Marker.CopyTo(packet.AsSpan(MarkerOffset));
        BinaryPrimitives.WriteUInt64BigEndian(packet.AsSpan(MarkerOffset + 8), number);
        packet.AsSpan(MinimumLength).Fill((byte)number);
        return packet;
    }

    public static ulong NumberOf(ReadOnlySpan<byte> packet) => BinaryPrimitives.ReadUInt64BigEndian(packet[(MarkerOffset + 8)..]);
}
