using System.Buffers.Binary;
using WgMesh.Engine.Offload;

namespace WgMesh.Micro;

/// <summary>What a TUN gives of one flow: 45 segments of 1,420 bytes in one packet, as large as it can be.</summary>
internal sealed class Segments
{
    public const int Count = 45;
    public const int Length = 1420;

    private const int IpHeader = 20;

    /// <param name="isTcp">Else UDP.</param>
    /// <param name="port">The sender's: which flow it is.</param>
    public Segments(bool isTcp, ushort port)
    {
        var transportHeader = isTcp ? 20 : 8;
        var headers = IpHeader + transportHeader;
        var segmentSize = Length - headers;
        Packet = new byte[headers + (Count * segmentSize)];
        new Random(port).NextBytes(Packet);
        var ip = Packet.AsSpan(0, IpHeader);
        ip.Clear();
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)Packet.Length);
        ip[6] = 0x40; // not to be fragmented
        ip[8] = 64;
        ip[9] = isTcp ? (byte)6 : (byte)17;
        BinaryPrimitives.WriteUInt32BigEndian(ip[12..], 0x0A000001); // 10.0.0.1 to 10.0.0.2
        BinaryPrimitives.WriteUInt32BigEndian(ip[16..], 0x0A000002);
        InternetChecksum.WriteIPv4(ip);

        var transport = Packet.AsSpan(IpHeader, transportHeader);
        BinaryPrimitives.WriteUInt16BigEndian(transport, port);
        var checksumOffset = isTcp ? 16 : 6;
        if (isTcp)
        {
            transport[12] = 5 << 4;
            transport[13] = 0x10; // ACK
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)(Packet.Length - IpHeader));
        }

        var pseudoHeader = InternetChecksum.Add(InternetChecksum.PseudoHeader(ip[12..20], ip[9]), (ushort)(Packet.Length - IpHeader));
        BinaryPrimitives.WriteUInt16BigEndian(transport[checksumOffset..], InternetChecksum.Fold(pseudoHeader));
        Header = new VirtioHeader(
            VirtioFlags.NeedsChecksum, isTcp ? VirtioGso.TcpV4 : VirtioGso.UdpL4, (ushort)headers, (ushort)segmentSize, IpHeader, (ushort)checksumOffset);
    }

    public byte[] Packet { get; }

    public VirtioHeader Header { get; }

    /// <summary>As the engine reads it.</summary>
    public SuperPacket Parse() => SuperPacket.TryParse(Header, Packet, out var packets) && packets.Count == Count
        ? packets
        : throw new InvalidOperationException("That is no packet a TUN gives.");
}
