using System.Runtime.InteropServices;
using System.Text;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Linux;

/// <summary>
/// A TUN interface (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR): what the host routes into it is read here as IP packets, what is written here
/// the host receives from it; see <see cref="TunQueue"/>. The interface goes when this is disposed of, unless it is persistent.
/// </summary>
public sealed class TunDevice : IDisposable
{
    private const string DevicePath = "/dev/net/tun";

    // What a kernel may know: all, or no super-packets of UDP (before Linux 6.2), or none at all.
    private static readonly TunOffloads[] KnownOffloads = [(TunOffloads)~0, ~(TunOffloads.Uso4 | TunOffloads.Uso6), TunOffloads.None];

    private TunDevice(string name, IReadOnlyList<TunQueue> queues)
    {
        Name = name;
        Queues = queues;
    }

    /// <summary>The interface's name when it was opened, as the kernel gave it.</summary>
    public string Name { get; }

    /// <summary>What the host was told that it may leave to us.</summary>
    public TunOffloads Offloads { get; private set; }

    /// <summary>As many as were asked for, or one if the interface takes only one.</summary>
    internal IReadOnlyList<TunQueue> Queues { get; }

    // which queue asks about the interface is all the same
    private Descriptor Descriptor => Queues[0].Descriptor;

    /// <summary>
    /// Makes an interface, or takes up a persistent one that has this name; that one may have been made for one queue or for many, and
    /// stays what it is.
    /// </summary>
    /// <param name="name">1-15 bytes; <c>wg%d</c> lets the kernel choose the number.</param>
    /// <param name="queues">How many to open, 1-256; the host spreads its flows over them.</param>
    /// <param name="wanted">To be switched on as far as the kernel knows them.</param>
    /// <exception cref="LinuxException">
    /// ENAMETOOLONG or EINVAL: no such name can be. ENOENT, ENXIO, ENODEV: no TUN in this kernel or container. EPERM: no CAP_NET_ADMIN.
    /// EBUSY: another process has it, or the name is taken by an interface that is no TUN.
    /// </exception>
    public static TunDevice Open(string name, int queues = 1, TunOffloads wanted = TunOffloads.None)
    {
        CheckName(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(queues, 1);
        using var links = RouteNetlink.Open();
        CheckUnused(links, name, 0);
        var opened = new List<TunQueue>(queues);
        try
        {
            var isMultiQueue = queues > 1;
            if (!TryOpenQueue(ref name, isMultiQueue, opened, out var errno)
                // what the kernel says of a TUN that was made for one queue when asked for many, or the other way; and of what is no TUN
                && (errno != Errno.EINVAL || !TryOpenQueue(ref name, isMultiQueue = !isMultiQueue, opened, out errno)))
            {
                throw CannotOpen(name, errno);
            }

            while (isMultiQueue && opened.Count < queues)
            {
                if (!TryOpenQueue(ref name, true, opened, out errno))
                {
                    throw CannotOpen(name, errno);
                }
            }

            if (isMultiQueue)
            {
                CheckUnused(links, name, opened.Count); // one that opened it in the same moment
            }

            var tun = new TunDevice(name, opened);
            tun.SetOffloads(wanted);
            return tun;
        }
        catch
        {
            opened.ForEach(queue => queue.Dispose());
            throw;
        }
    }

    /// <summary>Sets whether the interface stays when nobody has it open.</summary>
    /// <exception cref="LinuxException">The interface was deleted.</exception>
    public void Persist(bool persistent)
    {
        ObjectDisposedException.ThrowIf(!Descriptor.TryEnter(), this);
        try
        {
            if (SysIoctl.Ioctl(Descriptor.Number, LinuxIfTun.SetPersist, persistent ? 1u : 0u) < 0)
            {
                throw LinuxException.FromLastError($"TUNSETPERSIST {Name}");
            }
        }
        finally
        {
            Descriptor.Exit();
        }
    }

    /// <summary>The MTU at this moment in bytes, also after the interface was renamed or moved to another namespace.</summary>
    /// <exception cref="LinuxException">The interface was deleted, or the namespace cannot be entered.</exception>
    public unsafe int GetMtu()
    {
        var request = default(NetIf.InterfaceRequest);
        if (SysIoctl.Ioctl(Descriptor.Number, LinuxIfTun.GetInterface, &request) < 0)
        {
            throw LinuxException.FromLastError($"TUNGETIFF {Name}");
        }

        // asking by name is asking in the namespace of the socket, so it takes a socket in the interface's own
        using var space = OpenNamespace();
        var name = request; // a copy, since this one's address was taken
        return space is null ? GetMtu(name) : NetworkNamespace.Run(space, $"of {Name}", () => GetMtu(name));
    }

    /// <summary>
    /// The network namespace that the interface is in; null if the kernel does not tell (before Linux 5.9, or without CAP_NET_ADMIN
    /// there), when most likely it is the current one.
    /// </summary>
    /// <exception cref="LinuxException">The interface was deleted.</exception>
    internal Descriptor? OpenNamespace()
    {
        ObjectDisposedException.ThrowIf(!Descriptor.TryEnter(), this);
        var space = SysIoctl.Ioctl(Descriptor.Number, LinuxIfTun.GetDeviceNamespace, (nuint)0);
        var errno = Marshal.GetLastPInvokeError();
        Descriptor.Exit();
        return space >= 0 ? new Descriptor(space)
            : errno == Errno.EBADFD ? throw new LinuxException($"TUNGETDEVNETNS {Name}", errno)
            : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var queue in Queues)
        {
            queue.Dispose();
        }
    }

    private static unsafe bool TryOpenQueue(ref string name, bool isMultiQueue, List<TunQueue> opened, out int errno)
    {
        var descriptor = Descriptor.Open(
            Fcntl.Open(DevicePath, Fcntl.ReadWrite | Fcntl.NonBlock | Fcntl.CloseOnExec, 0),
            $"open {DevicePath}",
            "userspace WireGuard needs the TUN driver (modprobe tun) and, in a container, the device /dev/net/tun (character device 10, 200)");
        var flags = LinuxIfTun.Tun | LinuxIfTun.NoPacketInfo | LinuxIfTun.VnetHeader | (isMultiQueue ? LinuxIfTun.MultiQueue : 0);
        var request = new NetIf.InterfaceRequest { Flags = (ushort)flags };
        request.SetName(name);
        if (SysIoctl.Ioctl(descriptor.Number, LinuxIfTun.SetInterface, &request) < 0)
        {
            errno = Marshal.GetLastPInvokeError();
            descriptor.Dispose();
            return false;
        }

        // One that belongs to nobody is anybody's: the kernel asks for CAP_NET_ADMIN only where there is an owner, who is somebody else. And a
        // persistent interface keeps what its last process had.
        var headerLength = VirtioHeader.Length;
        if (SysIoctl.Ioctl(descriptor.Number, LinuxIfTun.SetOwner, Unistd.GetEffectiveUser()) < 0
            || SysIoctl.Ioctl(descriptor.Number, LinuxIfTun.SetVnetHeaderSize, &headerLength) < 0)
        {
            errno = Marshal.GetLastPInvokeError();
            descriptor.Dispose();
            return false;
        }

        errno = Errno.None;
        name = request.GetName();
        opened.Add(new TunQueue(descriptor));
        return true;
    }

    // The kernel lets whoever may open one queue of a TUN with many open one more, and would then give him part of the packets.
    private static void CheckUnused(RouteNetlink links, string name, int ours)
    {
        if (links.FindLink(name)?.OpenQueues > ours)
        {
            throw CannotOpen(name, Errno.EBUSY);
        }
    }

    private void SetOffloads(TunOffloads wanted)
    {
        if (wanted != TunOffloads.None)
        {
            wanted |= TunOffloads.Checksum; // a segment's own checksum is ours to make
        }

        // always, since a persistent interface keeps what its last owner could do
        foreach (var known in KnownOffloads)
        {
            if (SysIoctl.Ioctl(Descriptor.Number, LinuxIfTun.SetOffload, (nuint)(wanted & known)) == 0)
            {
                Offloads = wanted & known;
                return;
            }
        }

        throw LinuxException.FromLastError($"TUNSETOFFLOAD {Name}");
    }

    private static unsafe int GetMtu(NetIf.InterfaceRequest request)
    {
        using var socket = Descriptor.Open(
            SysSocket.Socket(SysSocket.InterNetwork, SysSocket.Datagram | SysSocket.CloseOnExec, 0), "socket");
        return SysIoctl.Ioctl(socket.Number, NetIf.GetMtu, &request) < 0
            ? throw LinuxException.FromLastError($"SIOCGIFMTU {request.GetName()}")
            : request.Mtu;
    }

    private static void CheckName(string name)
    {
        var length = Encoding.UTF8.GetByteCount(name);
        if (length >= NetIf.NameSize)
        {
            throw new LinuxException(
                $"make the interface \"{name}\"", Errno.ENAMETOOLONG, $"a name has at most {NetIf.NameSize - 1} bytes, this one {length}");
        }

        // dev_valid_name() of the kernel, which would only say EINVAL
        if (name is "" or "." or ".." || name.Any(c => c is '/' or ':' or '\0' || char.IsWhiteSpace(c)))
        {
            throw new LinuxException(
                $"make the interface \"{name}\"",
                Errno.EINVAL,
                "a name has 1-15 bytes, no '/', ':' or white space, and is not \".\" or \"..\"");
        }
    }

    private static LinuxException CannotOpen(string name, int errno) => errno switch
    {
        Errno.EPERM => new($"make the interface {name}", errno, "it takes CAP_NET_ADMIN"),
        Errno.EBUSY => new($"make the interface {name}", errno, "the name is taken by another process's TUN"),
        // the name being valid, EINVAL is what the kernel says of an interface of another kind
        Errno.EINVAL => new(
            $"make the interface {name}", Errno.EBUSY, "the name is taken by an interface that is not a TUN"),
        _ => new($"make the interface {name}", errno),
    };
}
