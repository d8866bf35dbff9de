using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>An IPv4 and an IPv6 socket on one port. A family that the host does not have is missing.</summary>
public sealed class UdpSocketPair : IDisposable
{
    // with half of all ports taken in one family a failure of all tries is one in a million
    private const int RandomPortTries = 20;

    private UdpSocketPair(UdpSocket? ipv4, UdpSocket? ipv6)
    {
        IPv4 = ipv4;
        IPv6 = ipv6;
    }

    /// <summary>Null if the host has no IPv4.</summary>
    public UdpSocket? IPv4 { get; }

    /// <summary>Null if the host has no IPv6.</summary>
    public UdpSocket? IPv6 { get; }

    /// <summary>The port of both.</summary>
    public ushort Port => (IPv4 ?? IPv6)!.Port;

    /// <summary>Binds both families in the calling thread's network namespace.</summary>
    /// <param name="port">0 picks one that is free in both.</param>
    /// <param name="mark">SO_MARK; 0 for none.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken in one family. EAFNOSUPPORT: neither family is there. EPERM: a mark takes CAP_NET_ADMIN.
    /// </exception>
    public static UdpSocketPair Bind(ushort port, uint mark = 0)
    {
        for (var attempt = 1; ; attempt++)
        {
            var ipv4 = BindIfSupported(false, port, mark, out var missing);
            try
            {
                var ipv6 = BindIfSupported(true, ipv4?.Port ?? port, mark, out _);
                return ipv4 is null && ipv6 is null ? throw missing! : new UdpSocketPair(ipv4, ipv6);
            }
            catch (LinuxException e)
            {
                ipv4?.Dispose();
                if (port != 0 || e.Errno != Errno.EADDRINUSE || attempt == RandomPortTries)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Sets SO_MARK of both for what is sent from now on; 0 for none.</summary>
    /// <exception cref="LinuxException">EPERM: it takes CAP_NET_ADMIN.</exception>
    public void SetMark(uint mark)
    {
        IPv4?.SetMark(mark);
        IPv6?.SetMark(mark);
    }

    /// <summary>Sends one datagram by the socket of its family.</summary>
    /// <param name="datagram">Its payload.</param>
    /// <param name="to">Where to.</param>
    /// <param name="errno">As <see cref="UdpSocket.Send"/> has it; EAFNOSUPPORT if the family is missing.</param>
    /// <returns>The datagram's length, or -1 with <paramref name="errno"/> set.</returns>
    public int Send(ReadOnlySpan<byte> datagram, in Endpoint to, out int errno)
    {
        if ((to.IsIPv6 ? IPv6 : IPv4) is { } socket)
        {
            return socket.Send(datagram, to, out errno);
        }

        errno = Errno.EAFNOSUPPORT;
        return -1;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IPv4?.Dispose();
        IPv6?.Dispose();
    }

    private static UdpSocket? BindIfSupported(bool isIPv6, ushort port, uint mark, out LinuxException? missing)
    {
        missing = null;
        try
        {
            return UdpSocket.Bind(isIPv6, port, mark);
        }
        catch (LinuxException e) when (e.Errno is Errno.EAFNOSUPPORT or Errno.EADDRNOTAVAIL)
        {
            missing = e;
            return null;
        }
    }
}
