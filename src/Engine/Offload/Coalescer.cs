using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Offload;

/// <summary>
/// Gathers received packets that lie in one buffer into super-packets for the TUN, without moving payload: a group is written as its
/// first packet whole and the payload of the others.
/// </summary>
/// <remarks>
/// For one thread. First all packets of a batch are added, then the groups are finished and written in their order, which keeps the
/// order of each flow: a packet that cannot join its flow's last group ends it.
/// </remarks>
/// <param name="maximumPackets">How many are added at most before <see cref="Clear"/>.</param>
internal sealed class Coalescer(int maximumPackets)
{
    /// <summary>IPv6 and TCP without options: what a group can change of its first packet.</summary>
    private const int SavedLength = IpPacket.IPv6HeaderLength + TransportPacket.TcpHeaderLength;

    private readonly Slice[] _packets = new Slice[maximumPackets];
    private readonly int[] _next = new int[maximumPackets]; // the next packet of the same group
    private readonly PacketGroup[] _groups = new PacketGroup[maximumPackets];
    private readonly byte[] _savedHeaders = new byte[maximumPackets * SavedLength];
    private readonly Slice[] _slices = new Slice[PacketGroup.MaximumPackets];
    private readonly FlowTable _flows = new();
    private byte[] _buffer = [];
    private int _packetCount;

    /// <summary>Whether TCP is gathered; if not, every packet is a group of its own.</summary>
    public bool Tcp { get; set; } = true;

    /// <summary>Whether UDP is gathered.</summary>
    public bool Udp { get; set; } = true;

    /// <summary>Number of groups.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a packet.</summary>
    /// <param name="buffer">Where it lies, the same for all until <see cref="Clear"/>.</param>
    /// <param name="offset">Where it starts.</param>
    /// <param name="length">The length that its IP header states.</param>
    /// <exception cref="InvalidOperationException">There are as many packets as were said to come.</exception>
    public void Add(byte[] buffer, int offset, int length)
    {
        if (_packetCount == _packets.Length)
        {
            throw new InvalidOperationException("More packets than the coalescer was made for.");
        }

        _buffer = buffer;
        var member = _packetCount++;
        _packets[member] = new Slice(offset, length);
        var packet = buffer.AsSpan(offset, length);
        if (!TransportPacket.TryParse(packet, out var headers) || headers.TransportOffset != (headers.IsIPv6 ? 40 : 20))
        {
            if (MayBelongToAnyFlow(packet))
            {
                _flows.Clear();
            }

            _groups[Count++] = new PacketGroup(member);
        }
        else if (!(headers.IsTcp ? Tcp : Udp))
        {
            _groups[Count++] = new PacketGroup(member);
        }
        else
        {
            AddToFlow(member, packet, headers);
        }
    }

    /// <summary>Makes the headers of a group's first packet those of the super-packet, in the buffer.</summary>
    /// <returns>The virtio header to write in front of it; of a single packet the one that says nothing.</returns>
    public VirtioHeader Finish(int group)
    {
        ref var it = ref _groups[group];
        if (it.Packets == 1)
        {
            return default;
        }

        var head = Bytes(it.First);
        Restore(group); // so that a second call answers the same
        head[..it.ChangedLength].CopyTo(_savedHeaders.AsSpan(group * SavedLength));
        it.IsSaved = true;
        return it.Finish(head);
    }

    /// <summary>What to write of a group: its first packet whole, then payloads. The span holds until the next call of this or <see cref="Singles"/>.</summary>
    public ReadOnlySpan<Slice> Slices(int group)
    {
        var slices = Singles(group);
        for (var i = 1; i < slices.Length; i++)
        {
            var headers = _groups[group].HeaderLength;
            _slices[i] = new Slice(slices[i].Offset + headers, slices[i].Length - headers);
        }

        return slices;
    }

    /// <summary>Number of packets in a group.</summary>
    public int Packets(int group) => _groups[group].Packets;

    /// <summary>Undoes <see cref="Finish"/>, for writing the packets one by one when the kernel refused them as one.</summary>
    public void Restore(int group)
    {
        ref var it = ref _groups[group];
        if (it.IsSaved)
        {
            _savedHeaders.AsSpan(group * SavedLength, it.ChangedLength).CopyTo(Bytes(it.First));
        }
    }

    /// <summary>Every packet of a group whole, as it came if the group is restored. The span holds until the next call of this or <see cref="Slices"/>.</summary>
    public ReadOnlySpan<Slice> Singles(int group)
    {
        ref var it = ref _groups[group];
        for (int i = 0, member = it.First; i < it.Packets; i++, member = _next[member])
        {
            _slices[i] = _packets[member];
        }

        return _slices.AsSpan(0, it.Packets);
    }

    /// <summary>Forgets all packets, for the next batch.</summary>
    public void Clear()
    {
        Count = 0;
        _packetCount = 0;
        _flows.Clear();
    }

    private void AddToFlow(int member, ReadOnlySpan<byte> packet, in TransportPacket headers)
    {
        ref var open = ref _flows.GroupOf(new FlowKey(packet, headers));
        if (open != FlowTable.NoGroup)
        {
            ref var group = ref _groups[open];
            var last = group.Last;
            if (group.TryAppend(member, packet, headers, Bytes(group.First)))
            {
                _next[last] = member;
                return;
            }
        }

        open = Count;
        _groups[Count++] = new PacketGroup(member, packet, headers);
    }

    // Fragments, options, extension headers: rare, and no reason to look which flow it is that they must not be overtaken by.
    private static bool MayBelongToAnyFlow(ReadOnlySpan<byte> packet)
    {
        if (!IpPacket.TryGetLength(packet, out _))
        {
            return false;
        }

        var protocol = packet[0] >> 4 == 6 ? packet[6] : packet[9];
        return protocol is TransportPacket.Tcp or TransportPacket.Udp || (packet[0] >> 4 == 6 && IPv6Extensions.IsExtension(protocol));
    }

    private Span<byte> Bytes(int member) => _buffer.AsSpan(_packets[member].Offset, _packets[member].Length);
}
