using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// A UDP socket of one family, bound to all addresses. Receiving does not wait; sending waits at most <see cref="SendTimeout"/> for room.
/// Any number of threads may use it at once. No call for a packet allocates.
/// </summary>
public sealed class UdpSocket : IDisposable
{
    /// <summary>
    /// Socket buffers in bytes: a burst of full super-packets fits (with 256 KiB TCP through the tunnel retransmits heavily).
    /// </summary>
    public const int BufferSize = 7 << 20;

    private UdpSocket(Descriptor descriptor, ushort port, bool isIPv6)
    {
        Descriptor = descriptor;
        Port = port;
        IsIPv6 = isIPv6;
    }

    /// <summary>
    /// The longest that <see cref="Send"/> waits for room in the send buffer: back pressure for a fast sender, and yet an end for a stuck
    /// device.
    /// </summary>
    public static TimeSpan SendTimeout { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>To wait for in <see cref="Poll"/>: readable when a datagram is there.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>The port it is bound to.</summary>
    public ushort Port { get; }

    /// <summary>The family; an IPv6 socket carries no IPv4.</summary>
    public bool IsIPv6 { get; }

    /// <summary>Makes a socket in the calling thread's network namespace and binds it.</summary>
    /// <param name="isIPv6">The family.</param>
    /// <param name="port">0 for the kernel's choice.</param>
    /// <param name="mark">SO_MARK, by which rules can route the datagrams; 0 for none.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken. EAFNOSUPPORT: the kernel has no such family. EPERM: a mark takes CAP_NET_ADMIN.
    /// </exception>
    public static unsafe UdpSocket Bind(bool isIPv6, ushort port, uint mark = 0)
    {
        var family = isIPv6 ? "IPv6" : "IPv4";
        var descriptor = Descriptor.Open(
            SysSocket.Socket(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork, SysSocket.Datagram | SysSocket.CloseOnExec, 0),
            $"make a UDP socket for {family}");
        try
        {
            if (isIPv6)
            {
                SetOption(descriptor, NetinetIn.IPv6Level, NetinetIn.IPv6Only, 1, "IPV6_V6ONLY"); // else it would take IPv4's port as well
            }

            SetBuffer(descriptor, SysSocket.ReceiveBufferForce, SysSocket.ReceiveBuffer, "SO_RCVBUF");
            SetBuffer(descriptor, SysSocket.SendBufferForce, SysSocket.SendBuffer, "SO_SNDBUF");
            var timeout = new SysSocket.TimeValue { Microseconds = (long)SendTimeout.TotalMicroseconds };
            SetOption(descriptor, SysSocket.SocketLevel, SysSocket.SendTimeout, timeout, "SO_SNDTIMEO");
            if (mark != 0)
            {
                SetOption(descriptor, SysSocket.SocketLevel, SysSocket.Mark, mark, "SO_MARK");
            }

            var address = NetinetIn.SocketAddress.Any(isIPv6, port);
            if (SysSocket.Bind(descriptor.Number, &address, address.Length) < 0)
            {
                throw LinuxException.FromLastError($"bind UDP port {port} for {family}");
            }

            var length = (uint)sizeof(NetinetIn.SocketAddress);
            return SysSocket.GetName(descriptor.Number, &address, &length) < 0
                ? throw LinuxException.FromLastError("getsockname")
                : new UdpSocket(descriptor, address.Port, isIPv6);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>Sets SO_MARK for what is sent from now on; 0 for none.</summary>
    /// <exception cref="LinuxException">EPERM: it takes CAP_NET_ADMIN.</exception>
    public void SetMark(uint mark) => SetOption(Descriptor, SysSocket.SocketLevel, SysSocket.Mark, mark, "SO_MARK");

    /// <summary>Receives one datagram; does not wait.</summary>
    /// <param name="buffer">Room for the datagram.</param>
    /// <param name="from">The sender, also when the datagram did not fit.</param>
    /// <param name="errno">
    /// EAGAIN: there is none, wait with <see cref="Poll"/>. EMSGSIZE: it was longer than the buffer and is gone. EBADF: disposed of.
    /// </param>
    /// <returns>The datagram's length, which may be 0, or -1 with <paramref name="errno"/> set.</returns>
    public unsafe int Receive(Span<byte> buffer, out Endpoint from, out int errno)
    {
        from = default;
        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        NetinetIn.SocketAddress address;
        SysSocket.MessageHeader message;
        nint count;
        fixed (byte* pointer = buffer)
        {
            var vector = new SysSocket.IoVector { Base = pointer, Length = (nuint)buffer.Length };
            do
            {
                message = new SysSocket.MessageHeader
                {
                    Name = &address, NameLength = (uint)sizeof(NetinetIn.SocketAddress), Vectors = &vector, VectorCount = 1,
                };
                count = SysSocket.ReceiveMessage(Descriptor.Number, &message, SysSocket.DontWait);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Descriptor.Exit();
        if (count < 0)
        {
            return -1;
        }

        from = address.ToEndpoint();
        if ((message.Flags & SysSocket.Truncated) != 0)
        {
            errno = Errno.EMSGSIZE;
            return -1;
        }

        return (int)count;
    }

    /// <summary>Sends one datagram.</summary>
    /// <param name="datagram">Its payload.</param>
    /// <param name="to">An endpoint of this family.</param>
    /// <param name="errno">
    /// EAFNOSUPPORT or EINVAL: the wrong family. EAGAIN: no room within <see cref="SendTimeout"/>. ENETUNREACH, EHOSTUNREACH,
    /// EADDRNOTAVAIL, ENETDOWN: no way there.
    /// EMSGSIZE: longer than a datagram can be. EPERM: a firewall said no. EBADF: disposed of.
    /// </param>
    /// <returns>The datagram's length, or -1 with <paramref name="errno"/> set.</returns>
    public unsafe int Send(ReadOnlySpan<byte> datagram, in Endpoint to, out int errno)
    {
        if (to.IsIPv6 != IsIPv6)
        {
            errno = Errno.EAFNOSUPPORT; // an IPv6 socket would read past a shorter IPv4 address, and the other way truncate
            return -1;
        }

        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        var address = NetinetIn.SocketAddress.From(to);
        nint count;
        fixed (byte* pointer = datagram)
        {
            var vector = new SysSocket.IoVector { Base = pointer, Length = (nuint)datagram.Length };
            var message = new SysSocket.MessageHeader { Name = &address, NameLength = address.Length, Vectors = &vector, VectorCount = 1 };
            do
            {
                count = SysSocket.SendMessage(Descriptor.Number, &message, 0);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Descriptor.Exit();
        return (int)count;
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();

    // The FORCE variant may go beyond net.core.rmem_max; without CAP_NET_ADMIN it is refused and the sysctl's limit holds, which works but
    // slower.
    private static void SetBuffer(Descriptor descriptor, int force, int option, string name)
    {
        if (!TrySetOption(descriptor, SysSocket.SocketLevel, force, BufferSize))
        {
            SetOption(descriptor, SysSocket.SocketLevel, option, BufferSize, name);
        }
    }

    private static unsafe bool TrySetOption<T>(Descriptor descriptor, int level, int option, T value)
        where T : unmanaged => SysSocket.SetOption(descriptor.Number, level, option, &value, (uint)sizeof(T)) == 0;

    private static void SetOption<T>(Descriptor descriptor, int level, int option, T value, string name)
        where T : unmanaged
    {
        if (!TrySetOption(descriptor, level, option, value))
        {
            throw LinuxException.FromLastError($"set {name} to {value}");
        }
    }
}
