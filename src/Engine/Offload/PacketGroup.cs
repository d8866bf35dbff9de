using System.Buffers.Binary;

namespace WgMesh.Engine.Offload;

/// <summary>
/// Packets that follow each other in one flow and differ in nothing that segmentation of the first, made longer, would not bring back:
/// the rules by which the kernel gathers received packets (net/ipv4/tcp_offload.c, udp_offload.c, af_inet.c).
/// </summary>
internal struct PacketGroup
{
    /// <summary>As many as the kernel gathers of UDP, and far from the 1,024 pieces that one writev takes.</summary>
    public const int MaximumPackets = 64;

    /// <summary>Of IPv4's total length; IPv6 is kept to the same.</summary>
    public const int MaximumLength = ushort.MaxValue;

    private const byte Push = 0x08;
    private const byte Acknowledgement = 0x10;
    private const byte EcnEcho = 0x40;
    private const byte CongestionWindowReduced = 0x80;
    private const ushort DontFragment = 0x4000;

    private readonly TransportPacket _headers;
    private readonly int _segmentSize;
    private readonly bool _canLead;
    private uint _nextSequence;
    private int _length;
    private bool _isVerified;
    private bool _endsWithPush;

    /// <summary>A packet that stays alone.</summary>
    public PacketGroup(int member)
    {
        First = member;
        Last = member;
        Packets = 1;
    }

    /// <summary>A packet of a flow, which others may join.</summary>
    public PacketGroup(int member, ReadOnlySpan<byte> packet, in TransportPacket headers)
        : this(member)
    {
        var transport = packet[headers.TransportOffset..];
        _headers = headers;
        _segmentSize = packet.Length - headers.HeaderLength;
        _length = packet.Length;
        if (headers.IsTcp)
        {
            _nextSequence = BinaryPrimitives.ReadUInt32BigEndian(transport[4..]) + (uint)_segmentSize;
            _canLead = _segmentSize > 0 && (transport[13] & ~(EcnEcho | CongestionWindowReduced)) == Acknowledgement;
        }
        else
        {
            _canLead = _segmentSize > 0 && (HasChecksum(transport) || !headers.IsIPv6); // IPv6 has no UDP without (RFC 8200, section 8.1)
        }

        IsOpen = _canLead;
    }

    /// <summary>Number of its first packet.</summary>
    public int First { get; }

    /// <summary>Number of its last packet.</summary>
    public int Last { get; private set; }

    /// <summary>How many there are.</summary>
    public int Packets { get; private set; }

    /// <summary>Whether another may join.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Whether the first packet's headers are kept as they came, for it may have got those of all.</summary>
    public bool IsSaved { get; set; }

    /// <summary>Bytes of the first packet that <see cref="Finish"/> may change.</summary>
    public readonly int ChangedLength => _headers.TransportOffset + (_headers.IsTcp ? TransportPacket.TcpHeaderLength : TransportPacket.UdpHeaderLength);

    /// <summary>Bytes of the headers, which only the first packet gives to the super-packet.</summary>
    public readonly int HeaderLength => _headers.HeaderLength;

    /// <summary>Adds a packet of the same flow, if it continues what is here.</summary>
    public bool TryAppend(int member, ReadOnlySpan<byte> packet, in TransportPacket headers, ReadOnlySpan<byte> head)
    {
        var payload = packet.Length - headers.HeaderLength;
        if (!IsOpen || headers.HeaderLength != _headers.HeaderLength || payload == 0 || payload > _segmentSize || _length + payload > MaximumLength
            || !(headers.IsIPv6 ? ContinuesIPv6(packet, head) : ContinuesIPv4(packet, head)))
        {
            return false;
        }

        var transport = packet[headers.TransportOffset..];
        var headTransport = head[headers.TransportOffset..];
        if (!(headers.IsTcp ? ContinuesTcp(transport, headTransport) : ContinuesUdp(transport, headTransport)))
        {
            return false;
        }

        // Last, because it reads all of the packet. The first one's is looked at when there is a second: most that stay alone never are.
        _isVerified = _isVerified || IsIntact(head);
        if (!_isVerified || !IsIntact(packet))
        {
            return false;
        }

        Last = member;
        Packets++;
        _length += payload;
        _nextSequence += (uint)payload;
        _endsWithPush = headers.IsTcp && (transport[13] & Push) != 0;
        IsOpen = payload == _segmentSize && !_endsWithPush && Packets < MaximumPackets;
        return true;
    }

    /// <summary>Makes the first packet's headers those of all.</summary>
    /// <returns>What the kernel needs to know to take it for several.</returns>
    public readonly VirtioHeader Finish(Span<byte> head)
    {
        var offset = _headers.TransportOffset;
        var transport = head[offset..];
        var gso = VirtioGso.UdpL4;
        if (_headers.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(head[4..], (ushort)(_length - offset));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(head[2..], (ushort)_length);
            InternetChecksum.WriteIPv4(head[..offset]);
        }

        if (_headers.IsTcp)
        {
            gso = (_headers.IsIPv6 ? VirtioGso.TcpV6 : VirtioGso.TcpV4)
                | ((transport[13] & CongestionWindowReduced) != 0 ? VirtioGso.Ecn : VirtioGso.None);
            transport[13] |= _endsWithPush ? Push : (byte)0;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)(_length - offset));
        }

        // The kernel makes the rest of the sum, if it ever has to, also for datagrams that came without: it takes no UDP segments otherwise.
        var partial = InternetChecksum.Fold(InternetChecksum.Add(_headers.PseudoHeader(head), (ushort)(_length - offset)));
        BinaryPrimitives.WriteUInt16BigEndian(transport[_headers.ChecksumOffset..], partial);
        return new VirtioHeader(
            VirtioFlags.NeedsChecksum, gso, (ushort)_headers.HeaderLength, (ushort)_segmentSize, (ushort)offset, (ushort)_headers.ChecksumOffset);
    }

    // Type of service with ECN, flags, TTL. An identification counts up, or means nothing (RFC 6864: atomic datagrams).
    private readonly bool ContinuesIPv4(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> head)
    {
        var fragmentation = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        var identification = (ushort)(BinaryPrimitives.ReadUInt16BigEndian(head[4..]) + Packets);
        return packet[..2].SequenceEqual(head[..2])
            && packet[6..9].SequenceEqual(head[6..9])
            && (fragmentation == DontFragment || identification == BinaryPrimitives.ReadUInt16BigEndian(packet[4..]));
    }

    // traffic class with ECN, flow label, hop limit
    private static bool ContinuesIPv6(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> head) =>
        packet[..4].SequenceEqual(head[..4]) && packet[7] == head[7];

    // Acknowledgement and window have to be equal, and the options, timestamps among them. CWR never comes behind.
    private readonly bool ContinuesTcp(ReadOnlySpan<byte> transport, ReadOnlySpan<byte> head) =>
        BinaryPrimitives.ReadUInt32BigEndian(transport[4..]) == _nextSequence
        && transport[8..13].SequenceEqual(head[8..13])
        && (transport[13] & ~Push) == (head[13] & ~CongestionWindowReduced)
        && transport[14..16].SequenceEqual(head[14..16])
        && transport[18..(_headers.HeaderLength - _headers.TransportOffset)].SequenceEqual(head[18..(_headers.HeaderLength - _headers.TransportOffset)]);

    private static bool ContinuesUdp(ReadOnlySpan<byte> transport, ReadOnlySpan<byte> head) => HasChecksum(transport) == HasChecksum(head);

    // A wrong checksum must reach whoever would notice it; a super-packet's is made anew.
    private readonly bool IsIntact(ReadOnlySpan<byte> packet)
    {
        var offset = _headers.TransportOffset;
        if (!_headers.IsIPv6 && !InternetChecksum.IsValid(InternetChecksum.Add(0, packet[..offset])))
        {
            return false;
        }

        var transport = packet[offset..];
        return (!_headers.IsTcp && !HasChecksum(transport))
            || InternetChecksum.IsValid(InternetChecksum.Add(InternetChecksum.Add(_headers.PseudoHeader(packet), (ushort)transport.Length), transport));
    }

    private static bool HasChecksum(ReadOnlySpan<byte> udp) => (udp[TransportPacket.UdpChecksumOffset] | udp[TransportPacket.UdpChecksumOffset + 1]) != 0;
}
