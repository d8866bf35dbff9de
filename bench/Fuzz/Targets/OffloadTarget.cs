using WgMesh.Engine.Offload;
using WgMesh.Engine.Routing;

namespace WgMesh.Fuzz.Targets;

/// <summary>
/// What the TUN gives, cut into segments, gathered again and cut once more: nothing is read or written outside, the pieces are whole packets
/// with the payload of the whole, and gathering loses, changes and invents nothing.
/// </summary>
internal sealed class OffloadTarget : FuzzTarget
{
    private const int MostPackets = 128;

    /// <inheritdoc/>
    public override string Name => "offload";

    /// <inheritdoc/>
    public override void Run(IReadOnlyList<Sample> samples)
    {
        List<byte[]> packets = [];
        foreach (var sample in samples)
        {
            var read = sample.Apply(OffloadPackets.Reads[(int)(sample.Entry % (uint)OffloadPackets.Reads.Length)], OffloadPackets.Reads, []);
            if (read.Length >= VirtioHeader.Length)
            {
                packets.AddRange(Segments(VirtioHeader.Read(read), read[VirtioHeader.Length..]));
                Single(read[VirtioHeader.Length..], (byte)sample.Entry);
            }
        }

        Gather([.. packets.Where(packet => IpPacket.TryGetLength(packet, out var length) && length == packet.Length).Take(MostPackets)]);
    }

    private static List<byte[]> Segments(in VirtioHeader header, byte[] packet)
    {
        List<byte[]> segments = [];
        var before = GC.GetAllocatedBytesForCurrentThread();
        var isOne = SuperPacket.TryParse(header, packet, out var super);
        Require(GC.GetAllocatedBytesForCurrentThread() - before < 64 * 1024, "reading a packet took memory");
        if (!isOne)
        {
            return segments;
        }

        Require(super.Count >= 1 && super.Count <= packet.Length, $"{packet.Length} bytes are {super.Count} segments");
        for (var i = 0; i < super.Count && segments.Count < 2 * MostPackets; i++)
        {
            const byte Guard = 0xa5;
            var length = super.LengthOf(i);
            Require(length > 0 && length <= packet.Length, $"a segment of {packet.Length} bytes has {length}");
            var memory = new byte[length + 32];
            memory.AsSpan().Fill(Guard);
            super.CopyTo(i, memory);
            Require(!memory.AsSpan(length).ContainsAnyExcept(Guard), "a segment was written beyond its end");
            segments.Add(memory[..length]);
            Require(
                header.Gso == VirtioGso.None || (IpPacket.TryGetLength(memory.AsSpan(0, length), out var stated) && stated == length),
                "the length of a segment is not what its header states");
        }

        return segments;
    }

    // what is done with one packet, whatever it is
    private static void Single(byte[] packet, byte trafficClass)
    {
        byte[] marked = [.. packet];
        Require((Ecn.Outer(packet) & ~3) == 0, "ECN has two bits");
        Ecn.TryCombine(marked, trafficClass);
        for (var i = 0; i < packet.Length; i++)
        {
            Require(marked[i] == packet[i] || i is 1 or 10 or 11, $"a mark changed byte {i}");
        }

        var answer = new byte[IcmpUnreachable.MaximumLength];
        if (IcmpUnreachable.TryWrite(packet, answer, out var length))
        {
            Require(IpPacket.TryGetLength(answer.AsSpan(0, length), out var stated) && stated == length, "an ICMP message is not as long as it states");
            Require(!IcmpUnreachable.TryWrite(answer.AsSpan(0, length), new byte[IcmpUnreachable.MaximumLength], out _), "an error would be answered with an error");
        }
    }

    private static void Gather(byte[][] packets)
    {
        byte[] buffer = [.. packets.SelectMany(packet => packet)];
        byte[] original = [.. buffer];
        var coalescer = new Coalescer(MostPackets);
        var offset = 0;
        foreach (var packet in packets)
        {
            coalescer.Add(buffer, offset, packet.Length);
            offset += packet.Length;
        }

        List<int> starts = [];
        for (var group = 0; group < coalescer.Count; group++)
        {
            var header = coalescer.Finish(group);
            var whole = Joined(buffer, coalescer.Slices(group));
            var again = coalescer.Packets(group) == 1 ? [whole] : Segments(header, whole);
            coalescer.Restore(group);
            var singles = coalescer.Singles(group).ToArray();
            Require(again.Count == singles.Length, $"{singles.Length} packets were gathered and {again.Count} cut");
            for (var i = 0; i < singles.Length; i++)
            {
                var before = original.AsSpan(singles[i].Offset, singles[i].Length);
                Require(
                    IsSame(again[i], before),
                    $"packet {i} of {singles.Length}, of {before.Length} bytes, was gathered and cut into {again[i].Length} that differ from {before.CommonPrefixLength(again[i])} on: "
                        + $"{Convert.ToHexString(before[..Math.Min(60, before.Length)])} became {Convert.ToHexString(again[i], 0, Math.Min(60, again[i].Length))}");
                starts.Add(singles[i].Offset);
            }
        }

        Require(buffer.AsSpan().SequenceEqual(original), "what was restored is not what it was");
        Require(starts.Count == packets.Length && starts.Distinct().Count() == packets.Length, "a packet was lost, or came twice");
    }

    // The identification of an IPv4 packet that may not be fragmented says nothing (RFC 6864), and goes up again where it did not. A UDP
    // datagram without a checksum gets one, since the kernel takes no others as several.
    private static bool IsSame(byte[] packet, ReadOnlySpan<byte> before)
    {
        const byte DontFragment = 0x40, UdpProtocol = 17;
        byte[] expected = [.. before];
        var isIPv6 = before[0] >> 4 == 6;
        if (packet.Length == expected.Length && !isIPv6 && (before[6] & DontFragment) != 0)
        {
            packet.AsSpan(4, 2).CopyTo(expected.AsSpan(4));
            packet.AsSpan(10, 2).CopyTo(expected.AsSpan(10));
        }

        var checksum = (isIPv6 ? IpPacket.IPv6HeaderLength : IpPacket.IPv4HeaderLength) + 6;
        if (packet.Length == expected.Length && expected.Length >= checksum + 2 && before[isIPv6 ? 6 : 9] == UdpProtocol && before[checksum] == 0 && before[checksum + 1] == 0)
        {
            packet.AsSpan(checksum, 2).CopyTo(expected.AsSpan(checksum));
        }

        return packet.AsSpan().SequenceEqual(expected);
    }

    private static byte[] Joined(byte[] buffer, ReadOnlySpan<Slice> slices)
    {
        List<byte> whole = [];
        foreach (var slice in slices)
        {
            whole.AddRange(buffer.AsSpan(slice.Offset, slice.Length));
        }

        return [.. whole];
    }
}
