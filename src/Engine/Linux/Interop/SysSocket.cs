using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>sys/socket.h</c> and <c>sys/uio.h</c>.</summary>
internal static unsafe partial class SysSocket
{
    internal const int InterNetwork = 2, InterNetworkV6 = 10, Netlink = 16; // AF_*
    internal const int Datagram = 2, Raw = 3, NonBlock = 0x800, CloseOnExec = 0x80000; // SOCK_*

    internal const int SocketLevel = 1; // SOL_SOCKET
    internal const int SendBuffer = 7, ReceiveBuffer = 8, SendTimeout = 21, SendBufferForce = 32, ReceiveBufferForce = 33, Mark = 36; // SO_*
    internal const int ReuseAddress = 2, ReusePort = 15, BindToInterface = 62; // SO_REUSEADDR, SO_REUSEPORT, SO_BINDTOIFINDEX

    internal const int Peek = 0x2, Truncated = 0x20, DontWait = 0x40; // MSG_*

    /// <summary><c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct IoVector
    {
        internal void* Base;
        internal nuint Length;
    }

    /// <summary><c>struct msghdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal IoVector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary><c>struct mmsghdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MultiMessage
    {
        internal MessageHeader Header;
        internal uint Length;
    }

    /// <summary>
    /// <c>struct cmsghdr</c>: the head of a control message. Its value follows, and the next head at the next multiple of
    /// <see cref="Alignment"/>.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct ControlHeader
    {
        /// <summary>What CMSG_ALIGN aligns to.</summary>
        internal static readonly int Alignment = sizeof(nuint);

        /// <summary>Of this head and its value, without padding.</summary>
        internal nuint Length;
        internal int Level;
        internal int Type;
    }

    /// <summary><c>struct timeval</c>, the value of SO_SNDTIMEO.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeValue
    {
        internal long Seconds;
        internal long Microseconds;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(int fd, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    internal static partial int GetName(int fd, void* address, uint* length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    internal static partial int SetOption(int fd, int level, int option, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetOption(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    internal static partial nint ReceiveMessage(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    internal static partial int SendMessages(int fd, MultiMessage* messages, uint count, int flags);

    [LibraryImport("libc", EntryPoint = "recvmmsg", SetLastError = true)]
    internal static partial int ReceiveMessages(int fd, MultiMessage* messages, uint count, int flags, TimeH.TimeSpecification* timeout);

    [LibraryImport("libc", EntryPoint = "writev", SetLastError = true)]
    internal static partial nint WriteVectors(int fd, IoVector* vectors, int count);
}
