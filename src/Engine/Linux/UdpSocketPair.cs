using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// IPv4 and IPv6 sockets on one port: one of each family for each lane. Of several, the kernel gives each flow to one (by a hash of
/// addresses and ports), so that it stays in order. A family that the host does not have is missing.
/// </summary>
public sealed class UdpSocketPair : IDisposable
{
    // with half of all ports taken in one family a failure of all tries is one in a million
    private const int RandomPortTries = 20;

    private readonly Descriptor? _guard;

    private UdpSocketPair(UdpSocket[]? ipv4, UdpSocket[]? ipv6)
    {
        IPv4 = ipv4;
        IPv6 = ipv6;
        All = [.. ipv4 ?? [], .. ipv6 ?? []];
        Lanes = (ipv4 ?? ipv6)!.Length;
        _guard = Lanes > 1 ? PortGuard.TryOpen(All) : null;
    }

    /// <summary>One for each lane; null if the host has no IPv4.</summary>
    public IReadOnlyList<UdpSocket>? IPv4 { get; }

    /// <summary>One for each lane; null if the host has no IPv6.</summary>
    public IReadOnlyList<UdpSocket>? IPv6 { get; }

    /// <summary>Those of both families.</summary>
    public IReadOnlyList<UdpSocket> All { get; }

    /// <summary>Sockets in each family.</summary>
    public int Lanes { get; }

    /// <summary>The port of all.</summary>
    public ushort Port => All[0].Port;

    /// <summary>Binds both families in the calling thread's network namespace.</summary>
    /// <param name="port">0 picks one that is free in both.</param>
    /// <param name="mark">SO_MARK; 0 for none.</param>
    /// <param name="lanes">Sockets in each family.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken in one family. EAFNOSUPPORT: neither family is there. EPERM: a mark takes CAP_NET_ADMIN.
    /// </exception>
    public static UdpSocketPair Bind(ushort port, uint mark = 0, int lanes = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        for (var attempt = 1; ; attempt++)
        {
            var bound = new List<UdpSocket>();
            try
            {
                // Both families' first sockets are bound without sharing, so that a port that anybody has is EADDRINUSE.
                var ipv4 = BindIfSupported(false, port, mark, bound, out var missing);
                var ipv6 = BindIfSupported(true, ipv4?.Port ?? port, mark, bound, out _);
                return ipv4 is null && ipv6 is null
                    ? throw missing!
                    : new UdpSocketPair(BindLanes(ipv4, mark, lanes, bound), BindLanes(ipv6, mark, lanes, bound));
            }
            catch (LinuxException e)
            {
                bound.ForEach(socket => socket.Dispose());
                if (port != 0 || e.Errno != Errno.EADDRINUSE || attempt == RandomPortTries)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Sets SO_MARK of all for what is sent from now on; 0 for none.</summary>
    /// <exception cref="LinuxException">EPERM: it takes CAP_NET_ADMIN.</exception>
    public void SetMark(uint mark)
    {
        foreach (var socket in All)
        {
            socket.SetMark(mark);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var socket in All)
        {
            socket.Dispose();
        }

        _guard?.Dispose();
    }

    private static UdpSocket? BindIfSupported(bool isIPv6, ushort port, uint mark, List<UdpSocket> bound, out LinuxException? missing)
    {
        missing = null;
        try
        {
            bound.Add(UdpSocket.Bind(isIPv6, port, mark));
            return bound[^1];
        }
        catch (LinuxException e) when (e.Errno is Errno.EAFNOSUPPORT or Errno.EADDRNOTAVAIL)
        {
            missing = e;
            return null;
        }
    }

    private static UdpSocket[]? BindLanes(UdpSocket? first, uint mark, int lanes, List<UdpSocket> bound)
    {
        if (first is null)
        {
            return null;
        }

        var sockets = new UdpSocket[lanes];
        sockets[0] = first;
        for (var lane = 1; lane < lanes; lane++)
        {
            bound.Add(sockets[lane] = UdpSocket.BindBeside(first, mark));
        }

        return sockets;
    }
}
