using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>netinet/in.h</c>.</summary>
internal static class NetinetIn
{
    internal const int IPv6Level = 41, IPv6Only = 26; // IPPROTO_IPV6, IPV6_V6ONLY

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

        private static ushort Network(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

        private static uint Network(uint value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

        private static ulong Network(ulong value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
    }
}
