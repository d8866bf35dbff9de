namespace WgMesh.Engine.Linux;

/// <summary>
/// Datagrams that lie one after the other in memory and go to one place. More than one leave as one super-packet, which the kernel or the
/// network card divides (UDP_SEGMENT, Linux 4.18).
/// </summary>
/// <param name="Offset">Where the first one starts.</param>
/// <param name="Length">Bytes of all of them, at most <see cref="MaximumLength"/> if they are more than one.</param>
/// <param name="SegmentSize">Bytes of each; the last may be shorter. They are at most <see cref="MaximumSegments"/>.</param>
/// <param name="To">Where they go, and from which of our addresses.</param>
/// <param name="TrafficClass">DSCP and ECN of the outer IP header; 0: the kernel's default, which is 0.</param>
internal readonly record struct UdpRun(int Offset, int Length, int SegmentSize, UdpPath To, byte TrafficClass)
{
    /// <summary>UDP_MAX_SEGMENTS of kernels before 6.9; later ones take 128. Beyond it: EINVAL.</summary>
    internal const int MaximumSegments = 64;

    /// <summary>The largest payload of one UDP datagram over IPv4, which the super-packet is for a while. Beyond it: EMSGSIZE.</summary>
    internal const int MaximumLength = 65_507;

    /// <summary>Whether it is more than one datagram.</summary>
    internal bool IsSegmented => Length > SegmentSize;
}
