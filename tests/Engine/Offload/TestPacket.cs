using System.Buffers.Binary;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

/// <summary>Builds packets field by field, and checks checksums the slow way: nothing here is shared with what is tested.</summary>
internal sealed record TestPacket
{
    public const byte Fin = 0x01, Syn = 0x02, Reset = 0x04, Push = 0x08, Ack = 0x10, Urgent = 0x20, EcnEcho = 0x40, Cwr = 0x80;

    public bool IsIPv6 { get; init; }
    public bool IsTcp { get; init; } = true;
    public byte Source { get; init; } = 1; // the last byte of the address
    public byte Destination { get; init; } = 2;
    public ushort SourcePort { get; init; } = 40_000;
    public ushort DestinationPort { get; init; } = 443;
    public byte TrafficClass { get; init; }
    public int FlowLabel { get; init; }
    public byte TimeToLive { get; init; } = 64;
    public ushort Identification { get; init; }
    public ushort Fragmentation { get; init; } = 0x4000; // do not
    public byte[] IPv4Options { get; init; } = [];
    public byte[] Extensions { get; init; } = []; // IPv6: the first byte of each names what follows
    public byte FirstExtension { get; init; }
    public uint Sequence { get; init; } = 1_000_000;
    public uint Acknowledgement { get; init; } = 77;
    public byte Flags { get; init; } = Ack;
    public byte ReservedBits { get; init; }
    public ushort Window { get; init; } = 512;
    public ushort UrgentPointer { get; init; }
    public byte[] TcpOptions { get; init; } = [];
    public bool WithoutChecksum { get; init; } // of UDP
    public byte[] Payload { get; init; } = [];

    public int TransportOffset => IsIPv6 ? 40 + Extensions.Length : 20 + IPv4Options.Length;

    public int HeaderLength => TransportOffset + (IsTcp ? 20 + TcpOptions.Length : 8);

    public static byte[] Bytes(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>The packet with all its checksums.</summary>
    public byte[] Build()
    {
        var packet = WithoutTransportChecksum();
        if (IsTcp || !WithoutChecksum)
        {
            var checksum = (ushort)~Sum(packet.AsSpan(TransportOffset), PseudoHeader(packet));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(ChecksumAt), checksum == 0 && !IsTcp ? (ushort)0xFFFF : checksum);
        }

        return packet;
    }

    /// <summary>The packet as the kernel hands it over when it leaves segmentation, or the checksum alone, to us.</summary>
    public (VirtioHeader Header, byte[] Packet) BuildPartial(VirtioGso gso = VirtioGso.None, int segmentSize = 0)
    {
        var packet = WithoutTransportChecksum();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(ChecksumAt), PseudoHeader(packet));
        var header = new VirtioHeader(
            VirtioFlags.NeedsChecksum, gso, (ushort)HeaderLength, (ushort)segmentSize, (ushort)TransportOffset, (ushort)(ChecksumAt - TransportOffset));
        return (header, packet);
    }

    /// <summary>The kind of super-packet that this would be.</summary>
    public VirtioGso Gso => !IsTcp ? VirtioGso.UdpL4 : IsIPv6 ? VirtioGso.TcpV6 : VirtioGso.TcpV4;

    /// <summary>What segmentation of this has to give, each segment built by itself.</summary>
    public byte[][] Segments(int size)
    {
        var chunks = Payload.Length == 0 ? [[]] : Payload.Chunk(size).ToArray();
        return [.. chunks.Select((chunk, i) => (this with
        {
            Payload = chunk,
            Identification = (ushort)(Identification + i),
            Sequence = Sequence + (uint)(i * size),
            Flags = (byte)(Flags & ~(i == 0 ? 0 : Cwr) & ~(i == chunks.Length - 1 ? 0 : Fin | Push)),
        }).Build())];
    }

    /// <summary>Whether all checksums of a packet without IPv6 extension headers are right.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> packet)
    {
        var isIPv6 = packet[0] >> 4 == 6;
        var offset = isIPv6 ? 40 : (packet[0] & 15) * 4;
        var protocol = isIPv6 ? packet[6] : packet[9];
        if (!isIPv6 && Sum(packet[..offset], 0) != 0xFFFF)
        {
            return false;
        }

        var isMarkedAbsent = protocol == 17 && packet[(offset + 6)..(offset + 8)].SequenceEqual("\0\0"u8);
        return isMarkedAbsent || Sum(packet[offset..], PseudoHeader(packet, offset, protocol)) == 0xFFFF;
    }

    /// <summary>The ones' complement sum, two bytes at a time.</summary>
    public static ushort Sum(ReadOnlySpan<byte> data, ushort start)
    {
        uint sum = start;
        for (var i = 0; i < data.Length; i += 2)
        {
            sum += (uint)((data[i] << 8) | (i + 1 < data.Length ? data[i + 1] : 0));
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)sum;
    }

    private int ChecksumAt => TransportOffset + (IsTcp ? 16 : 6);

    private ushort PseudoHeader(byte[] packet) => PseudoHeader(packet, TransportOffset, (byte)(IsTcp ? 6 : 17));

    private static ushort PseudoHeader(ReadOnlySpan<byte> packet, int offset, byte protocol)
    {
        var addresses = packet[0] >> 4 == 6 ? packet[8..40] : packet[12..20];
        return Sum([0, protocol, (byte)((packet.Length - offset) >> 8), (byte)(packet.Length - offset)], Sum(addresses, 0));
    }

    private byte[] WithoutTransportChecksum()
    {
        var packet = new byte[HeaderLength + Payload.Length];
        var transport = packet.AsSpan(TransportOffset);
        var protocol = (byte)(IsTcp ? 6 : 17);
        if (IsIPv6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(packet, (uint)((6 << 28) | (TrafficClass << 20) | FlowLabel));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(packet.Length - 40));
            packet[6] = Extensions.Length > 0 ? FirstExtension : protocol;
            packet[7] = TimeToLive;
            (packet[8], packet[23], packet[24], packet[39]) = (0xFD, Source, 0xFD, Destination);
            Extensions.CopyTo(packet, 40);
        }
        else
        {
            packet[0] = (byte)(0x40 | (TransportOffset / 4));
            packet[1] = TrafficClass;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), Identification);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), Fragmentation);
            packet[8] = TimeToLive;
            packet[9] = protocol;
            (packet[12], packet[15], packet[16], packet[19]) = (10, Source, 10, Destination);
            IPv4Options.CopyTo(packet, 20);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~Sum(packet.AsSpan(0, TransportOffset), 0));
        }

        BinaryPrimitives.WriteUInt16BigEndian(transport, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], DestinationPort);
        if (IsTcp)
        {
            BinaryPrimitives.WriteUInt32BigEndian(transport[4..], Sequence);
            BinaryPrimitives.WriteUInt32BigEndian(transport[8..], Acknowledgement);
            transport[12] = (byte)(((20 + TcpOptions.Length) / 4 << 4) | ReservedBits);
            transport[13] = Flags;
            BinaryPrimitives.WriteUInt16BigEndian(transport[14..], Window);
            BinaryPrimitives.WriteUInt16BigEndian(transport[18..], UrgentPointer);
            TcpOptions.CopyTo(transport[20..]);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
        }

        Payload.CopyTo(packet, HeaderLength);
        return packet;
    }
}
