using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// A UDP socket of one family, bound to all addresses. Receiving does not wait; sending waits at most <see cref="SendTimeout"/> for room.
/// Any number of threads may use it at once, each with batches of its own. No call for a packet allocates.
/// </summary>
public sealed class UdpSocket : IDisposable
{
    /// <summary>
    /// Socket buffers in bytes: a burst of full super-packets fits (with 256 KiB TCP through the tunnel retransmits heavily).
    /// </summary>
    public const int BufferSize = 7 << 20;

    private UdpSocket(Descriptor descriptor, bool isIPv6)
    {
        Descriptor = descriptor;
        IsIPv6 = isIPv6;
        CanSegment = HasSegmentation(descriptor);
        CanCoalesce = TrySetOption(descriptor, NetinetUdp.Level, NetinetUdp.Coalesce, 1);
    }

    /// <summary>
    /// The longest that <see cref="Send"/> waits for room in the send buffer for one run: back pressure for a fast sender, and yet an end
    /// for a stuck device.
    /// </summary>
    public static TimeSpan SendTimeout { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>To wait for in <see cref="Poll"/>: readable when a datagram is there.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>The port it is bound to.</summary>
    public ushort Port { get; private set; }

    /// <summary>The family; an IPv6 socket carries no IPv4.</summary>
    public bool IsIPv6 { get; }

    /// <summary>
    /// Whether runs of several datagrams may be sent (UDP_SEGMENT, Linux 4.18). Clear it where the kernel turns out not to take them.
    /// </summary>
    public bool CanSegment { get; set; }

    /// <summary>Whether runs of several datagrams are received as one message (UDP_GRO, Linux 5.0).</summary>
    public bool CanCoalesce { get; private set; }

    /// <summary>Makes a socket in the calling thread's network namespace and binds it.</summary>
    /// <param name="isIPv6">The family.</param>
    /// <param name="port">0 for the kernel's choice.</param>
    /// <param name="mark">SO_MARK, by which rules can route the datagrams; 0 for none.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken. EAFNOSUPPORT: the kernel has no such family. EPERM: a mark takes CAP_NET_ADMIN.
    /// </exception>
    public static UdpSocket Bind(bool isIPv6, ushort port, uint mark = 0) => Bind(isIPv6, port, mark, shared: false);

    /// <summary>Makes another socket on the port of <paramref name="first"/>; the kernel shares the flows out among them.</summary>
    /// <exception cref="LinuxException">As with <see cref="Bind(bool, ushort, uint)"/>.</exception>
    internal static UdpSocket BindBeside(UdpSocket first, uint mark)
    {
        SetOption(first.Descriptor, SysSocket.SocketLevel, SysSocket.ReusePort, 1, "SO_REUSEPORT");
        return Bind(first.IsIPv6, first.Port, mark, shared: true);
    }

    /// <summary>Sets SO_MARK for what is sent from now on; 0 for none.</summary>
    /// <exception cref="LinuxException">EPERM: it takes CAP_NET_ADMIN.</exception>
    public void SetMark(uint mark) => SetOption(Descriptor, SysSocket.SocketLevel, SysSocket.Mark, mark, "SO_MARK");

    /// <summary>From now on each datagram is received as one message; those that arrived before may still come as runs.</summary>
    public void StopCoalescing()
    {
        TrySetOption(Descriptor, NetinetUdp.Level, NetinetUdp.Coalesce, 0);
        CanCoalesce = false;
    }

    /// <summary>Sends runs of datagrams, in their order, until one of them fails.</summary>
    /// <param name="memory">What they lie in.</param>
    /// <param name="runs">Of this family; runs of several datagrams within <see cref="UdpRun"/>'s limits.</param>
    /// <param name="scratch">The calling thread's.</param>
    /// <param name="errno">
    /// Why the next one did not go; nothing of it went. EAGAIN: no room within <see cref="SendTimeout"/>. ENETUNREACH, EHOSTUNREACH,
    /// EADDRNOTAVAIL, ENETDOWN: no way there. EPERM: a firewall said no. The address to send from is gone: EINVAL (IPv6, and IPv4 on
    /// older kernels), ENETUNREACH (IPv4), ENODEV (an interface gone with its link-local address). EMSGSIZE: longer than a datagram can
    /// be, or a run whose segments do not fit the path's MTU (EINVAL on older kernels), though each of them alone would be sent in
    /// fragments. EINVAL: too many segments. EIO: the kernel or the way there cannot divide a run. EAFNOSUPPORT: the wrong family.
    /// EBADF: disposed of.
    /// </param>
    /// <returns>
    /// How many went; if not all, the caller may go on with the one that failed, changed, or with the one behind it.
    /// </returns>
    internal unsafe int Send(byte[] memory, ReadOnlySpan<UdpRun> runs, UdpSendBatch scratch, out int errno)
    {
        errno = Errno.None;
        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return 0;
        }

        var sent = 0;
        fixed (byte* pointer = memory)
        {
            while (sent < runs.Length && errno == Errno.None)
            {
                var ready = 0;
                var refusal = Errno.None; // of the run behind those that are ready
                foreach (ref readonly var run in runs[sent..])
                {
                    if (ready == UdpSendBatch.Capacity || (refusal = Refusal(run)) != Errno.None)
                    {
                        break;
                    }

                    scratch.Set(ready++, pointer, run);
                }

                sent += SendAll(scratch.Messages, ready, out errno);
                errno = errno == Errno.None ? refusal : errno;
            }
        }

        Descriptor.Exit();
        return sent;
    }

    /// <summary>Receives what is there, up to <see cref="UdpReceiveBatch.Capacity"/> messages; does not wait.</summary>
    /// <param name="batch">The calling thread's; what it held before is gone.</param>
    /// <param name="errno">EAGAIN: there is nothing, wait with <see cref="Poll"/>. EBADF: disposed of.</param>
    /// <returns>How many messages there are now in the batch, or -1 with <paramref name="errno"/> set.</returns>
    internal unsafe int Receive(UdpReceiveBatch batch, out int errno)
    {
        batch.Reset();
        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        int count;
        do
        {
            count = SysSocket.ReceiveMessages(Descriptor.Number, batch.Messages, UdpReceiveBatch.Capacity, SysSocket.DontWait, null);
            errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
        }
        while (errno == Errno.EINTR);

        Descriptor.Exit();
        batch.Take(Math.Max(0, count));
        return count;
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();

    private static UdpSocket Bind(bool isIPv6, ushort port, uint mark, bool shared)
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
                SetOption(descriptor, NetinetIn.IPv6Level, NetinetIn.ReceiveIPv6PacketInfo, 1, "IPV6_RECVPKTINFO");
                SetOption(descriptor, NetinetIn.IPv6Level, NetinetIn.ReceiveIPv6TrafficClass, 1, "IPV6_RECVTCLASS");
                SetOption(descriptor, NetinetIn.IPv6Level, NetinetIn.IPv6MtuDiscovery, NetinetIn.NoMtuDiscovery, "IPV6_MTU_DISCOVER");
            }
            else
            {
                SetOption(descriptor, NetinetIn.IPv4Level, NetinetIn.IPv4PacketInfo, 1, "IP_PKTINFO");
                SetOption(descriptor, NetinetIn.IPv4Level, NetinetIn.ReceiveIPv4TrafficClass, 1, "IP_RECVTOS");
                // Without DF, as the kernel's WireGuard: a datagram that the path cannot take whole is better cut up than lost.
                SetOption(descriptor, NetinetIn.IPv4Level, NetinetIn.IPv4MtuDiscovery, NetinetIn.NoMtuDiscovery, "IP_MTU_DISCOVER");
            }

            SetBuffer(descriptor, SysSocket.ReceiveBufferForce, SysSocket.ReceiveBuffer, "SO_RCVBUF");
            SetBuffer(descriptor, SysSocket.SendBufferForce, SysSocket.SendBuffer, "SO_SNDBUF");
            var timeout = new SysSocket.TimeValue { Microseconds = (long)SendTimeout.TotalMicroseconds };
            SetOption(descriptor, SysSocket.SocketLevel, SysSocket.SendTimeout, timeout, "SO_SNDTIMEO");
            if (mark != 0)
            {
                SetOption(descriptor, SysSocket.SocketLevel, SysSocket.Mark, mark, "SO_MARK");
            }

            if (shared)
            {
                SetOption(descriptor, SysSocket.SocketLevel, SysSocket.ReusePort, 1, "SO_REUSEPORT");
            }

            return new UdpSocket(descriptor, isIPv6) { Port = BindToAny(descriptor, isIPv6, port) };
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>Binds a socket to all addresses.</summary>
    /// <returns>The port.</returns>
    internal static unsafe ushort BindToAny(Descriptor descriptor, bool isIPv6, ushort port)
    {
        var address = NetinetIn.SocketAddress.Any(isIPv6, port);
        if (SysSocket.Bind(descriptor.Number, &address, address.Length) < 0)
        {
            throw LinuxException.FromLastError($"bind UDP port {port} for {(isIPv6 ? "IPv6" : "IPv4")}");
        }

        var length = (uint)sizeof(NetinetIn.SocketAddress);
        return SysSocket.GetName(descriptor.Number, &address, &length) < 0 ? throw LinuxException.FromLastError("getsockname") : address.Port;
    }

    // What the kernel would misread: a run to the other family (an IPv6 socket would read past a shorter IPv4 address), and on old
    // kernels a run of many, whose bytes would all go as one datagram.
    private int Refusal(in UdpRun run) =>
        run.To.Remote.IsIPv6 != IsIPv6 ? Errno.EAFNOSUPPORT : run.IsSegmented && !CanSegment ? Errno.EIO : Errno.None;

    // sendmmsg() that says why it stopped. The kernel tells the errno of the first message alone; behind others that went it is asked for
    // with a second call, which does not wait, since the first has waited.
    private unsafe int SendAll(SysSocket.MultiMessage* messages, int count, out int errno)
    {
        errno = Errno.None;
        var sent = 0;
        var flags = 0;
        while (sent < count)
        {
            var now = SysSocket.SendMessages(Descriptor.Number, messages + sent, (uint)(count - sent), flags);
            if (now > 0)
            {
                sent += now;
                flags = flags == 0 ? SysSocket.DontWait : 0;
                continue;
            }

            errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR)
            {
                break;
            }

            errno = Errno.None;
        }

        return sent;
    }

    private static unsafe bool HasSegmentation(Descriptor descriptor)
    {
        int value;
        var length = (uint)sizeof(int);
        return SysSocket.GetOption(descriptor.Number, NetinetUdp.Level, NetinetUdp.Segment, &value, &length) == 0;
    }

    // The FORCE variant may go beyond net.core.rmem_max; without CAP_NET_ADMIN it is refused and the sysctl's limit holds, which works but
    // slower.
    private static void SetBuffer(Descriptor descriptor, int force, int option, string name)
    {
        if (!TrySetOption(descriptor, SysSocket.SocketLevel, force, BufferSize))
        {
            SetOption(descriptor, SysSocket.SocketLevel, option, BufferSize, name);
        }
    }

    /// <summary>Sets an option; false if the kernel refuses or does not know it.</summary>
    internal static unsafe bool TrySetOption<T>(Descriptor descriptor, int level, int option, T value)
        where T : unmanaged => SysSocket.SetOption(descriptor.Number, level, option, &value, (uint)sizeof(T)) == 0;

    /// <summary>Sets an option, or throws with its name.</summary>
    internal static void SetOption<T>(Descriptor descriptor, int level, int option, T value, string name)
        where T : unmanaged
    {
        if (!TrySetOption(descriptor, level, option, value))
        {
            throw LinuxException.FromLastError($"set {name} to {value}");
        }
    }
}
