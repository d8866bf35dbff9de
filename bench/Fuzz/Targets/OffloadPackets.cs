using System.Buffers.Binary;
using WgMesh.Engine.Offload;

namespace WgMesh.Fuzz.Targets;

/// <summary>What a TUN with IFF_VNET_HDR gives: packets, some of them several in one, with the virtio header in front.</summary>
internal static class OffloadPackets
{
    private const byte TcpProtocol = 6, UdpProtocol = 17;

    /// <summary>Two packets that follow each other in one flow, and super-packets of every kind.</summary>
    public static readonly byte[][] Reads =
    [
        Plain(Tcp(isIPv6: false, sequence: 1000, payload: 100)),
        Plain(Tcp(isIPv6: false, sequence: 1100, payload: 100)),
        Plain(Udp(isIPv6: true, payload: 200)),
        Several(Tcp(isIPv6: false, sequence: 5000, payload: 2300), isIPv6: false, isTcp: true, segmentSize: 700),
        Several(Tcp(isIPv6: true, sequence: uint.MaxValue - 1000, payload: 2300), isIPv6: true, isTcp: true, segmentSize: 700),
        Several(Udp(isIPv6: false, payload: 2500), isIPv6: false, isTcp: false, segmentSize: 1200),
        Several(Udp(isIPv6: true, payload: 2500), isIPv6: true, isTcp: false, segmentSize: 1200),
        WithHeader(new VirtioHeader(VirtioFlags.DataValid, VirtioGso.TcpV4 | VirtioGso.Ecn, 40, 1000, 0, 0), Tcp(isIPv6: false, sequence: 1, payload: 1001)),
        WithHeader(new VirtioHeader(VirtioFlags.NeedsChecksum, VirtioGso.None, 0, 0, 20, 6), Udp(isIPv6: false, payload: 33)),
    ];

    private static byte[] Plain(byte[] packet) => WithHeader(default, packet);

    private static byte[] WithHeader(in VirtioHeader header, byte[] packet)
    {
        var read = new byte[VirtioHeader.Length + packet.Length];
        header.Write(read);
        packet.CopyTo(read, VirtioHeader.Length);
        return read;
    }

    private static byte[] Several(byte[] packet, bool isIPv6, bool isTcp, ushort segmentSize)
    {
        var transport = isIPv6 ? 40 : 20;
        var field = isTcp ? 16 : 6;
        // the kernel leaves the sum of the pseudo-header there, not complemented
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(transport + field), Fold(PseudoHeader(packet, isIPv6, isTcp ? TcpProtocol : UdpProtocol)));
        var gso = !isTcp ? VirtioGso.UdpL4 : isIPv6 ? VirtioGso.TcpV6 : VirtioGso.TcpV4;
        return WithHeader(
            new VirtioHeader(VirtioFlags.NeedsChecksum, gso, (ushort)(transport + (isTcp ? 20 : 8)), segmentSize, (ushort)transport, (ushort)field), packet);
    }

    private static byte[] Tcp(bool isIPv6, uint sequence, int payload)
    {
        var packet = Ip(isIPv6, TcpProtocol, 20 + payload);
        var tcp = packet.AsSpan(isIPv6 ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(tcp, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], 443);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        tcp[12] = 0x50;
        tcp[13] = 0x10; // ACK
        Finish(packet, isIPv6, TcpProtocol, 16);
        return packet;
    }

    private static byte[] Udp(bool isIPv6, int payload)
    {
        var packet = Ip(isIPv6, UdpProtocol, 8 + payload);
        var udp = packet.AsSpan(isIPv6 ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(udp, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], 4789);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        Finish(packet, isIPv6, UdpProtocol, 6);
        return packet;
    }

    private static byte[] Ip(bool isIPv6, byte protocol, int length)
    {
        var packet = isIPv6 ? Wire.Packet6("fd00::1", "fd00::2", new string('x', length)) : Wire.Packet("10.0.0.1", "10.0.0.2", new string('x', length));
        packet[isIPv6 ? 6 : 9] = protocol;
        packet.AsSpan(isIPv6 ? 40 : 20, protocol == TcpProtocol ? 20 : 8).Clear();
        if (!isIPv6)
        {
            packet[6] = 0x40; // may not be fragmented
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~Fold(Sum(packet.AsSpan(0, 20))));
        }

        return packet;
    }

    private static void Finish(byte[] packet, bool isIPv6, byte protocol, int field)
    {
        var transport = packet.AsSpan(isIPv6 ? 40 : 20);
        BinaryPrimitives.WriteUInt16BigEndian(transport[field..], (ushort)~Fold(PseudoHeader(packet, isIPv6, protocol) + Sum(transport)));
    }

    private static ulong PseudoHeader(byte[] packet, bool isIPv6, byte protocol) =>
        Sum(isIPv6 ? packet.AsSpan(8, 32) : packet.AsSpan(12, 8)) + protocol + (ulong)(packet.Length - (isIPv6 ? 40 : 20));

    // two bytes at a time, as RFC 1071 has it
    private static ulong Sum(ReadOnlySpan<byte> bytes)
    {
        ulong sum = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            sum += (ulong)bytes[i] << (i % 2 == 0 ? 8 : 0);
        }

        return sum;
    }

    private static ushort Fold(ulong sum)
    {
        while (sum > 0xffff)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)sum;
    }
}
