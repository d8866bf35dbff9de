using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// The control messages that go with a datagram or a run of them (cmsg(3), ip(7), ipv6(7), udp(7)): which of our addresses it used, the
/// traffic class of its IP header, and the size of its segments.
/// </summary>
internal static class UdpControl
{
    /// <summary>Bytes that take all control messages of one datagram: three heads and values of at most 20, 4 and 4 bytes need 88.</summary>
    internal const int Room = 96;

    private static readonly int HeaderLength = Align(Unsafe.SizeOf<SysSocket.ControlHeader>());

    /// <summary>Writes what a run asks for.</summary>
    /// <param name="room"><see cref="Room"/> bytes.</param>
    /// <returns>The bytes used; 0 if it asks for nothing.</returns>
    internal static int Write(Span<byte> room, in UdpRun run)
    {
        var used = 0;
        var to = run.To;
        if (to.Local.IsKnown)
        {
            Debug.Assert(to.Local.IsIPv6 == to.Remote.IsIPv6, "a path has one family");
            if (to.Remote.IsIPv6)
            {
                var info = new NetinetIn.PacketInfoV6 { Local = to.Local.Address, InterfaceIndex = to.Local.InterfaceIndex };
                Append(room, ref used, NetinetIn.IPv6Level, NetinetIn.IPv6PacketInfo, info);
            }
            else
            {
                // no interface: the routes say which one it leaves by
                Append(room, ref used, NetinetIn.IPv4Level, NetinetIn.IPv4PacketInfo, new NetinetIn.PacketInfoV4 { Local = to.Local.Address });
            }
        }

        if (run.TrafficClass != 0)
        {
            var (level, type) = to.Remote.IsIPv6
                ? (NetinetIn.IPv6Level, NetinetIn.IPv6TrafficClass)
                : (NetinetIn.IPv4Level, NetinetIn.IPv4TrafficClass);
            Append(room, ref used, level, type, (int)run.TrafficClass);
        }

        if (run.IsSegmented)
        {
            Append(room, ref used, NetinetUdp.Level, NetinetUdp.Segment, (ushort)run.SegmentSize); // an int is EINVAL
        }

        return used;
    }

    /// <summary>Reads what the kernel says of a received datagram; what it does not say stays as it is.</summary>
    internal static void Read(ReadOnlySpan<byte> control, ref LocalAddress local, ref byte trafficClass, ref int segmentSize)
    {
        while (MemoryMarshal.TryRead(control, out SysSocket.ControlHeader header)
            && header.Length >= (nuint)HeaderLength && header.Length <= (nuint)control.Length)
        {
            var value = control[HeaderLength..(int)header.Length];
            switch (header.Level, header.Type)
            {
                case (NetinetIn.IPv4Level, NetinetIn.IPv4PacketInfo) when MemoryMarshal.TryRead(value, out NetinetIn.PacketInfoV4 info):
                    local = new LocalAddress(info.Local, 0, false);
                    break;
                case (NetinetIn.IPv6Level, NetinetIn.IPv6PacketInfo) when MemoryMarshal.TryRead(value, out NetinetIn.PacketInfoV6 info):
                    local = ToLocalAddress(info);
                    break;
                case (NetinetIn.IPv4Level, NetinetIn.IPv4TrafficClass) when value.Length > 0:
                    trafficClass = value[0]; // one byte, though it is set as an int
                    break;
                case (NetinetIn.IPv6Level, NetinetIn.IPv6TrafficClass) when MemoryMarshal.TryRead(value, out int read):
                    trafficClass = (byte)read;
                    break;
                case (NetinetUdp.Level, NetinetUdp.Coalesce) when MemoryMarshal.TryRead(value, out int read) && read > 0:
                    segmentSize = read;
                    break;
                default:
                    break;
            }

            control = control[Math.Min(control.Length, Align((int)header.Length))..]; // the last one may end without padding
        }
    }

    private static LocalAddress ToLocalAddress(in NetinetIn.PacketInfoV6 info)
    {
        const int Multicast = 0xff, LinkLocal = 0xfe80 >> 6;
        var address = info.Local;
        return (int)(address >> 120) == Multicast
            ? default // not ours: nothing can be sent from it
            : new LocalAddress(address, (int)(address >> 118) == LinkLocal ? info.InterfaceIndex : 0, true);
    }

    private static void Append<T>(Span<byte> room, ref int used, int level, int type, T value)
        where T : unmanaged
    {
        var length = HeaderLength + Unsafe.SizeOf<T>();
        var header = new SysSocket.ControlHeader { Length = (nuint)length, Level = level, Type = type };
        MemoryMarshal.Write(room[used..], header);
        MemoryMarshal.Write(room[(used + HeaderLength)..], value);
        used += Align(length);
    }

    private static int Align(int length) => (length + SysSocket.ControlHeader.Alignment - 1) & -SysSocket.ControlHeader.Alignment;
}
