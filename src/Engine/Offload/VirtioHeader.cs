using System.Runtime.InteropServices;

namespace WgMesh.Engine.Offload;

/// <summary>What a virtio header says of the packet's checksum (linux/virtio_net.h).</summary>
[Flags]
internal enum VirtioFlags : byte
{
    None = 0,

    /// <summary>The checksum field holds the sum of the pseudo-header; the sum from <c>ChecksumStart</c> on is still to be made.</summary>
    NeedsChecksum = 1,

    /// <summary>The checksum was verified.</summary>
    DataValid = 2,
}

/// <summary>How the packet behind a virtio header divides into segments (linux/virtio_net.h).</summary>
[Flags]
internal enum VirtioGso : byte
{
    /// <summary>One packet.</summary>
    None = 0,

    /// <summary>TCP over IPv4.</summary>
    TcpV4 = 1,

    /// <summary>UDP to be cut into IP fragments: an offload that is never asked for.</summary>
    Udp = 3,

    /// <summary>TCP over IPv6.</summary>
    TcpV6 = 4,

    /// <summary>UDP datagrams of one size over either family.</summary>
    UdpL4 = 5,

    /// <summary>Beside TCP: the first segment alone carries CWR.</summary>
    Ecn = 0x80,
}

/// <summary>
/// The virtio_net_hdr in front of each packet on a TUN with IFF_VNET_HDR: 10 bytes, numbers in the order of the host.
/// </summary>
/// <param name="Flags">What is said of the checksum.</param>
/// <param name="Gso">One packet, or several in one.</param>
/// <param name="HeaderLength">Bytes of all headers. The kernel states at least that, and more for packets that it forwards.</param>
/// <param name="SegmentSize">Payload bytes of every segment but the last.</param>
/// <param name="ChecksumStart">Where the sum starts, from the start of the packet.</param>
/// <param name="ChecksumOffset">Where the checksum goes, from <paramref name="ChecksumStart"/>.</param>
internal readonly record struct VirtioHeader(
    VirtioFlags Flags, VirtioGso Gso, ushort HeaderLength, ushort SegmentSize, ushort ChecksumStart, ushort ChecksumOffset)
{
    /// <summary>Bytes of the header.</summary>
    public const int Length = 10;

    /// <summary>Reads the header that starts <paramref name="source"/>, which holds at least <see cref="Length"/> bytes.</summary>
    public static VirtioHeader Read(ReadOnlySpan<byte> source) => new(
        (VirtioFlags)source[0],
        (VirtioGso)source[1],
        MemoryMarshal.Read<ushort>(source[2..]),
        MemoryMarshal.Read<ushort>(source[4..]),
        MemoryMarshal.Read<ushort>(source[6..]),
        MemoryMarshal.Read<ushort>(source[8..]));

    /// <summary>Writes the header to the first <see cref="Length"/> bytes.</summary>
    public void Write(Span<byte> destination)
    {
        destination[0] = (byte)Flags;
        destination[1] = (byte)Gso;
        MemoryMarshal.Write(destination[2..], HeaderLength);
        MemoryMarshal.Write(destination[4..], SegmentSize);
        MemoryMarshal.Write(destination[6..], ChecksumStart);
        MemoryMarshal.Write(destination[8..], ChecksumOffset);
    }
}
