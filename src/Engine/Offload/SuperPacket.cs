using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>
/// What one read of the TUN gave: one packet, or several that share their headers (TSO, USO). Segments write themselves where they are
/// to be sealed, with one copy and no buffer between.
/// </summary>
/// <remarks>
/// Where headers lie is read from the packet itself; what the virtio header says has to agree. Its HeaderLength is not used: the kernel
/// states more than the headers for packets that it forwards.
/// </remarks>
internal readonly ref struct SuperPacket
{
    private const byte Fin = 0x01;
    private const byte Push = 0x08;
    private const byte CongestionWindowReduced = 0x80;

    private readonly TransportPacket _headers;
    private readonly int _segmentSize;

    /// <summary>Sum of the pseudo-header but for the length, which is each segment's own.</summary>
    private readonly ulong _pseudoHeader;

    /// <summary>UDP without checksums stays so.</summary>
    private readonly bool _hasChecksum;

    private SuperPacket(ReadOnlySpan<byte> packet)
    {
        Packet = packet;
        Count = 1;
    }

    private SuperPacket(ReadOnlySpan<byte> packet, TransportPacket headers, int segmentSize, ulong pseudoHeader, bool hasChecksum)
    {
        Packet = packet;
        Count = Math.Max(1, (packet.Length - headers.HeaderLength + segmentSize - 1) / segmentSize);
        _headers = headers;
        _segmentSize = segmentSize;
        _pseudoHeader = pseudoHeader;
        _hasChecksum = hasChecksum;
    }

    /// <summary>The whole of it. Its first header is everyone's, so it serves for routing.</summary>
    public ReadOnlySpan<byte> Packet { get; }

    /// <summary>Number of segments, at least one.</summary>
    public int Count { get; }

    /// <summary>A packet that is sent as it is.</summary>
    public static SuperPacket Single(ReadOnlySpan<byte> packet) => new(packet);

    /// <summary>Reads what the TUN gave.</summary>
    /// <param name="header">The virtio header in front of the packet.</param>
    /// <param name="packet">
    /// The packet. A single one whose checksum is still to be made gets it here, in place; a larger one is not written to.
    /// </param>
    /// <param name="super">The packet or packets; not to be used if the answer is false.</param>
    /// <returns>False if this is no IPv4 or IPv6 packet, or its lengths, protocol and offsets do not agree with the virtio header.</returns>
    public static bool TryParse(in VirtioHeader header, Span<byte> packet, out SuperPacket super)
    {
        if (header.Gso != VirtioGso.None)
        {
            return TryParseSegments(header, packet, out super);
        }

        super = new SuperPacket(packet);
        return IpPacket.TryGetLength(packet, out _)
            && ((header.Flags & VirtioFlags.NeedsChecksum) == 0 || TryCompleteChecksum(packet, header.ChecksumStart, header.ChecksumOffset));
    }

    /// <summary>Bytes of a segment, headers included.</summary>
    public int LengthOf(int index) => index == Count - 1 ? Packet.Length - (index * _segmentSize) : _headers.HeaderLength + _segmentSize;

    /// <summary>Writes a segment with headers of its own to the first <see cref="LengthOf"/> bytes.</summary>
    public void CopyTo(int index, Span<byte> destination)
    {
        if (_segmentSize == 0)
        {
            Packet.CopyTo(destination);
            return;
        }

        var headers = _headers.HeaderLength;
        var segment = destination[..LengthOf(index)];
        Packet[..headers].CopyTo(segment);
        Packet.Slice(headers + (index * _segmentSize), segment.Length - headers).CopyTo(segment[headers..]);
        WriteIpHeader(index, segment);
        WriteTransportHeader(index, segment[_headers.TransportOffset..]);
    }

    private static bool TryParseSegments(in VirtioHeader header, Span<byte> packet, out SuperPacket super)
    {
        super = default;
        if (header.SegmentSize == 0 || !TransportPacket.TryParse(packet, out var headers) || !Agree(header.Gso, headers))
        {
            return false;
        }

        var transport = packet[headers.TransportOffset..];
        var checksum = BinaryPrimitives.ReadUInt16BigEndian(transport[headers.ChecksumOffset..]);
        if ((header.Flags & VirtioFlags.NeedsChecksum) == 0)
        {
            // forwarded, its checksum verified on the way in or never there
            super = new SuperPacket(packet, headers, header.SegmentSize, headers.PseudoHeader(packet), headers.IsTcp || checksum != 0);
            return true;
        }

        if (header.ChecksumStart != headers.TransportOffset || header.ChecksumOffset != headers.ChecksumOffset)
        {
            return false;
        }

        // The field knows the destination that a routing header hides, so it is asked and not the addresses.
        var withoutLength = InternetChecksum.Subtract(InternetChecksum.Add(0, checksum), (ushort)transport.Length);
        super = new SuperPacket(packet, headers, header.SegmentSize, withoutLength, hasChecksum: true);
        return true;
    }

    private static bool Agree(VirtioGso gso, in TransportPacket headers) => gso switch
    {
        VirtioGso.TcpV4 or (VirtioGso.TcpV4 | VirtioGso.Ecn) => headers is { IsTcp: true, IsIPv6: false },
        VirtioGso.TcpV6 or (VirtioGso.TcpV6 | VirtioGso.Ecn) => headers is { IsTcp: true, IsIPv6: true },
        VirtioGso.UdpL4 => !headers.IsTcp,
        _ => false,
    };

    // of any protocol: the kernel says where the sum starts and where it goes
    private static bool TryCompleteChecksum(Span<byte> packet, int start, int offset)
    {
        var ipHeader = packet[0] >> 4 == 6 ? IpPacket.IPv6HeaderLength : IpPacket.IPv4HeaderLength;
        if (start < ipHeader || start + offset + sizeof(ushort) > packet.Length)
        {
            return false;
        }

        var checksum = InternetChecksum.Complete(InternetChecksum.Add(0, packet[start..]));
        BinaryPrimitives.WriteUInt16BigEndian(packet[(start + offset)..], NeverZero(checksum));
        return true;
    }

    private void WriteIpHeader(int index, Span<byte> segment)
    {
        if (_headers.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)(segment.Length - IpPacket.IPv6HeaderLength));
            return;
        }

        var id = BinaryPrimitives.ReadUInt16BigEndian(segment[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], (ushort)segment.Length);
        BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)(id + index));
        InternetChecksum.WriteIPv4(segment[.._headers.TransportOffset]);
    }

    private void WriteTransportHeader(int index, Span<byte> transport)
    {
        if (_headers.IsTcp)
        {
            var sequence = BinaryPrimitives.ReadUInt32BigEndian(transport[4..]);
            BinaryPrimitives.WriteUInt32BigEndian(transport[4..], sequence + (uint)(index * _segmentSize));
            var notHere = (index == 0 ? 0 : CongestionWindowReduced) | (index == Count - 1 ? 0 : Fin | Push);
            transport[13] &= (byte)~notHere;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
        }

        var field = transport[_headers.ChecksumOffset..];
        BinaryPrimitives.WriteUInt16BigEndian(field, 0);
        if (_hasChecksum)
        {
            var sum = InternetChecksum.Add(InternetChecksum.Add(_pseudoHeader, (ushort)transport.Length), transport);
            var checksum = InternetChecksum.Complete(sum);
            BinaryPrimitives.WriteUInt16BigEndian(field, _headers.IsTcp ? checksum : NeverZero(checksum));
        }
    }

    // A UDP checksum of 0 means that there is none (RFC 768); to all others both zeros of ones' complement are the same.
    private static ushort NeverZero(ushort checksum) => checksum == 0 ? (ushort)0xFFFF : checksum;
}
