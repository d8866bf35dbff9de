using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// Says when the ways that the kernel knows may have changed, and with them the best of our addresses to send from: routes of both
/// families, rules, and interfaces switched off, whose IPv4 routes go unreported. It is open in the network namespace of the thread that
/// opens it.
/// </summary>
/// <remarks>
/// Addresses are heard of by the routes that they bring and take. Reports of the addresses themselves are left out: each router
/// advertisement and each renewed lease repeats them.
/// </remarks>
internal sealed class RouteMonitor : IDisposable
{
    private static readonly Prefix[] Everything = [Prefix.Create(0, 0, isIPv6: false), Prefix.Create(0, 0, isIPv6: true)];

    private readonly NetlinkSocket _socket;
    private readonly byte[] _buffer = new byte[64 << 10];

    private RouteMonitor(NetlinkSocket socket) => _socket = socket;

    /// <summary>To wait for in <see cref="Poll"/>.</summary>
    internal Descriptor Descriptor => _socket.Descriptor;

    /// <summary>Begins to listen in the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">Out of descriptors.</exception>
    internal static RouteMonitor Open() => new(NetlinkSocket.Open(
        LinuxRtnetlink.LinkGroup,
        LinuxRtnetlink.IPv4RouteGroup,
        LinuxRtnetlink.IPv6RouteGroup,
        LinuxRtnetlink.IPv4RuleGroup,
        LinuxRtnetlink.IPv6RuleGroup));

    /// <summary>Takes what there is to hear; does not wait. One thread at a time.</summary>
    /// <param name="changed">
    /// Takes the prefixes that may now be reached another way, both default routes if any may be. A host where containers come and go
    /// changes routes all day, and few of them concern a given address.
    /// </param>
    /// <returns>Whether anything changed; so it is when reports were lost.</returns>
    internal bool Read(ICollection<Prefix>? changed = null)
    {
        var any = false;
        while (true)
        {
            var count = _socket.Receive(_buffer, wait: false, out var errno);
            if (count < 0 && errno is Errno.EAGAIN or Errno.EBADF)
            {
                return any;
            }

            if (count < 0) // ENOBUFS: reports were lost; or one was too long for the buffer
            {
                any = Add(Everything, changed);
                continue;
            }

            ReadOnlySpan<byte> rest = _buffer.AsSpan(0, count);
            while (NetlinkReader.TryReadMessage(ref rest, out var header, out var payload))
            {
                any |= Add(Affected(header.Type, payload), changed);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>What a message says may be reached another way.</summary>
    internal static ReadOnlySpan<Prefix> Affected(ushort type, ReadOnlySpan<byte> payload) => type switch
    {
        LinuxRtnetlink.NewRoute or LinuxRtnetlink.DeleteRoute => Route.TryParse(payload, out var route) ? [route.Destination] : Everything,
        LinuxRtnetlink.NewRule or LinuxRtnetlink.DeleteRule => Everything,
        LinuxRtnetlink.NewLink when IsSwitchedOff(payload) => Everything, // also before it is deleted
        _ => default,
    };

    private static bool IsSwitchedOff(ReadOnlySpan<byte> payload) =>
        NetlinkReader.TryReadFixed(ref payload, out LinuxRtnetlink.LinkHeader link)
        && (link.Change & LinuxRtnetlink.LinkUp) != 0
        && (link.Flags & LinuxRtnetlink.LinkUp) == 0
        && !IsHalfOfDeletedPair(payload);

    // Each container that ends takes its veth pair with it: far too often to forget by it how our peers were reached. They are not
    // reached through containers; and if they were, what goes with the interface, its addresses and IPv6 routes, is reported as well.
    private static bool IsHalfOfDeletedPair(ReadOnlySpan<byte> attributes)
    {
        var information = NetlinkReader.Find(attributes, LinuxRtnetlink.LinkAttribute.Info);
        return NetlinkReader.ToText(NetlinkReader.Find(information, LinuxRtnetlink.LinkAttribute.InfoKind)) == "veth"
            && NetlinkReader.ToUInt32(NetlinkReader.Find(attributes, LinuxRtnetlink.LinkAttribute.Partner)) == 0;
    }

    private static bool Add(ReadOnlySpan<Prefix> prefixes, ICollection<Prefix>? changed)
    {
        foreach (var prefix in prefixes)
        {
            changed?.Add(prefix);
        }

        return !prefixes.IsEmpty;
    }
}
