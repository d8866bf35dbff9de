namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>netinet/udp.h</c> and <c>linux/udp.h</c>.</summary>
internal static class NetinetUdp
{
    internal const int Level = 17, Segment = 103, Coalesce = 104; // SOL_UDP, UDP_SEGMENT, UDP_GRO
}
