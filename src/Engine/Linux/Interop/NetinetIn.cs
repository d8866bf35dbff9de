using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>netinet/in.h</c>.</summary>
internal static class NetinetIn
{
    // IPPROTO_IP; IP_TOS, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVTOS
    internal const int IPv4Level = 0, IPv4TrafficClass = 1, IPv4PacketInfo = 8, IPv4MtuDiscovery = 10, ReceiveIPv4TrafficClass = 13;

    // IPPROTO_IPV6; IPV6_MTU_DISCOVER, IPV6_V6ONLY, IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_RECVTCLASS, IPV6_TCLASS
    internal const int IPv6Level = 41, IPv6MtuDiscovery = 23, IPv6Only = 26;
    internal const int ReceiveIPv6PacketInfo = 49, IPv6PacketInfo = 50, ReceiveIPv6TrafficClass = 66, IPv6TrafficClass = 67;

    internal const int NoMtuDiscovery = 0; // IP_PMTUDISC_DONT, IPV6_PMTUDISC_DONT

    /// <summary>
    /// <c>struct sockaddr_in</c> (the first 16 bytes) and <c>struct sockaddr_in6</c> (all 28) in one; told apart by the family.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 28)]
    internal struct SocketAddress
    {
        internal const uint IPv4Length = 16, IPv6Length = 28;

        [FieldOffset(0)] internal ushort Family;
        [FieldOffset(2)] private ushort _port; // big-endian, as all that follow but the scope
        [FieldOffset(4)] private uint _address4;
        [FieldOffset(8)] private ulong _address6High;
        [FieldOffset(16)] private ulong _address6Low;
        [FieldOffset(24)] private uint _scopeId; // host order

        internal readonly uint Length => Family == SysSocket.InterNetworkV6 ? IPv6Length : IPv4Length;

        internal readonly ushort Port => Network(_port);

        internal static SocketAddress From(in Endpoint endpoint)
        {
            var address = new SocketAddress { _port = Network(endpoint.Port) };
            if (endpoint.IsIPv6)
            {
                address.Family = SysSocket.InterNetworkV6;
                address._address6High = Network((ulong)(endpoint.Address >> 64));
                address._address6Low = Network((ulong)endpoint.Address);
                address._scopeId = endpoint.ScopeId;
            }
            else
            {
                address.Family = SysSocket.InterNetwork;
                address._address4 = Network((uint)endpoint.Address);
            }

            return address;
        }

        /// <summary>The any-address of a family with a port.</summary>
        internal static SocketAddress Any(bool isIPv6, ushort port) => From(new Endpoint(0, port, isIPv6));

        internal readonly Endpoint ToEndpoint() => Family == SysSocket.InterNetworkV6
            ? new Endpoint(new UInt128(Network(_address6High), Network(_address6Low)), Port, true, _scopeId)
            : new Endpoint(Network(_address4), Port, false);

    }

    /// <summary><c>struct in_pktinfo</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PacketInfoV4
    {
        internal int InterfaceIndex;
        private uint _local; // ipi_spec_dst: our address, the source of an answer; big-endian
        private uint _destination; // ipi_addr: what the IP header says, which may be a broadcast address

        internal UInt128 Local
        {
            readonly get => Network(_local);
            set => _local = Network((uint)value);
        }
    }

    /// <summary><c>struct in6_pktinfo</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PacketInfoV6
    {
        private uint _address0, _address1, _address2, _address3; // big-endian; in C the struct is aligned to 4
        internal uint InterfaceIndex;

        internal UInt128 Local
        {
            readonly get => new(
                (ulong)Network(_address0) << 32 | Network(_address1), (ulong)Network(_address2) << 32 | Network(_address3));
            set
            {
                _address0 = Network((uint)(value >> 96));
                _address1 = Network((uint)(value >> 64));
                _address2 = Network((uint)(value >> 32));
                _address3 = Network((uint)value);
            }
        }
    }

    private static ushort Network(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    private static uint Network(uint value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    private static ulong Network(ulong value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}
