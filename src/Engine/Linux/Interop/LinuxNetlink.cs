using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>linux/netlink.h</c>.</summary>
internal static class LinuxNetlink
{
    internal const int RouteProtocol = 0; // NETLINK_ROUTE

    internal const int Level = 270, AddMembership = 1, CapAck = 10, ExtendedAck = 11, StrictCheck = 12; // SOL_NETLINK, NETLINK_*

    internal const ushort Error = 2, Done = 3; // NLMSG_*

    internal const ushort Request = 0x001, Ack = 0x004, DumpInterrupted = 0x010, Dump = 0x300; // NLM_F_*
    internal const ushort Replace = 0x100, Exclusive = 0x200, Create = 0x400; // NLM_F_* of a "new" request
    internal const ushort Capped = 0x100, AckAttributes = 0x200; // NLM_F_CAPPED, NLM_F_ACK_TLVS of an error message

    internal const ushort AckMessage = 1; // NLMSGERR_ATTR_MSG

    internal const ushort Nested = 0x8000, TypeMask = 0x3fff; // NLA_F_NESTED, NLA_TYPE_MASK

    /// <summary><c>struct sockaddr_nl</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SocketAddress
    {
        internal ushort Family;
        private ushort _padding;
        internal uint PortId;
        internal uint Groups;
    }

    /// <summary><c>struct nlmsghdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        internal uint Length;
        internal ushort Type;
        internal ushort Flags;
        internal uint Sequence;
        internal uint PortId;
    }

    /// <summary><c>struct nlattr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct AttributeHeader
    {
        internal ushort Length;
        internal ushort Type;
    }
}
