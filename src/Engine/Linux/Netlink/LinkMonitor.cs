using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// Follows interfaces, addresses and routes of both families in the network namespace of the thread that opens it. To miss nothing, open it
/// before reading the state that the events change.
/// </summary>
public sealed class LinkMonitor : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly byte[] _buffer = new byte[64 << 10];

    private LinkMonitor(NetlinkSocket socket) => _socket = socket;

    /// <summary>To wait for in <see cref="Poll"/>: readable when events are there.</summary>
    public Descriptor Descriptor => _socket.Descriptor;

    /// <summary>Begins to listen in the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">Out of descriptors.</exception>
    public static LinkMonitor Open() => new(NetlinkSocket.Open(
        LinuxRtnetlink.LinkGroup,
        LinuxRtnetlink.IPv4AddressGroup,
        LinuxRtnetlink.IPv6AddressGroup,
        LinuxRtnetlink.IPv4RouteGroup,
        LinuxRtnetlink.IPv6RouteGroup));

    /// <summary>
    /// Begins to listen in the namespace that a TUN is in, wherever that is: when it has moved, its MTU is followed by a new monitor
    /// opened so.
    /// </summary>
    /// <exception cref="LinuxException">
    /// Out of descriptors; EPERM: the namespace is another and there is no CAP_SYS_ADMIN; EBADFD: the interface was deleted.
    /// </exception>
    internal static LinkMonitor Open(TunDevice tun)
    {
        while (true)
        {
            using var space = tun.OpenNamespace();
            if (space is null)
            {
                return Open();
            }

            var monitor = NetworkNamespace.Run(space, $"of {tun.Name}", Open);
            using var after = tun.OpenNamespace();
            if (after is null || NetworkNamespace.AreSame(space, after))
            {
                return monitor;
            }

            monitor.Dispose(); // it moved before we listened, so nobody would have told us
        }
    }

    /// <summary>Appends the events that are there, in the order they happened; does not wait. One thread at a time.</summary>
    /// <returns>False if the monitor is disposed of.</returns>
    public bool Read(List<LinkEvent> events)
    {
        while (true)
        {
            var count = _socket.Receive(_buffer, wait: false, out var errno);
            if (count < 0)
            {
                if (errno is Errno.EAGAIN or Errno.EBADF)
                {
                    return errno == Errno.EAGAIN;
                }

                events.Add(LinkEvent.Resync.Instance); // ENOBUFS, or an event too long for the buffer
                continue;
            }

            ReadOnlySpan<byte> rest = _buffer.AsSpan(0, count);
            while (NetlinkReader.TryReadMessage(ref rest, out var header, out var payload))
            {
                if (ToEvent(header.Type, payload) is { } happened)
                {
                    events.Add(happened);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>The event that a message tells of; null for what is of no interest here.</summary>
    internal static LinkEvent? ToEvent(ushort type, ReadOnlySpan<byte> payload) => type switch
    {
        LinuxRtnetlink.NewLink when Link.TryParse(payload, out var link) => new LinkEvent.LinkChanged(link),
        LinuxRtnetlink.DeleteLink when Link.TryParse(payload, out var link) => new LinkEvent.LinkGone(link),
        LinuxRtnetlink.NewAddress when LinkAddress.TryParse(payload, out var address) => new LinkEvent.AddressChanged(address),
        LinuxRtnetlink.DeleteAddress when LinkAddress.TryParse(payload, out var address) => new LinkEvent.AddressGone(address),
        LinuxRtnetlink.NewRoute when Route.TryParse(payload, out var route) => new LinkEvent.RouteChanged(route),
        LinuxRtnetlink.DeleteRoute when Route.TryParse(payload, out var route) => new LinkEvent.RouteGone(route),
        _ => null,
    };
}
