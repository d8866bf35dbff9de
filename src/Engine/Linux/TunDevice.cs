using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// A TUN interface (IFF_TUN | IFF_NO_PI): what the host routes into it is read here as bare IP packets, what is written here the
/// host receives from it. The interface goes when this is disposed of, unless it is persistent.
/// </summary>
public sealed class TunDevice : IDisposable
{
    private const string DevicePath = "/dev/net/tun";

    private TunDevice(Descriptor descriptor, string name)
    {
        Descriptor = descriptor;
        Name = name;
    }

    /// <summary>The interface's name when it was opened, as the kernel gave it.</summary>
    public string Name { get; }

    /// <summary>To wait for in <see cref="Poll"/>: readable when a packet is there or the interface was deleted.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>Makes an interface, or takes up a persistent one that has this name.</summary>
    /// <param name="name">1-15 bytes; <c>wg%d</c> lets the kernel choose the number.</param>
    /// <exception cref="LinuxException">
    /// ENAMETOOLONG or EINVAL: no such name can be. ENOENT, ENXIO, ENODEV: no TUN in this kernel or container. EPERM: no CAP_NET_ADMIN.
    /// EBUSY: another process has it, or the name is taken by an interface that is no TUN.
    /// </exception>
    public static unsafe TunDevice Open(string name)
    {
        CheckName(name);
        var descriptor = Descriptor.Open(
            Fcntl.Open(DevicePath, Fcntl.ReadWrite | Fcntl.NonBlock | Fcntl.CloseOnExec, 0),
            $"open {DevicePath}",
            "userspace WireGuard needs the TUN driver (modprobe tun) and, in a container, the device /dev/net/tun (character device 10, 200)");
        try
        {
            var request = new NetIf.InterfaceRequest { Flags = LinuxIfTun.Tun | LinuxIfTun.NoPacketInfo };
            request.SetName(name);
            if (SysIoctl.Ioctl(descriptor.Number, LinuxIfTun.SetInterface, &request) < 0)
            {
                throw CannotOpen(name, Marshal.GetLastPInvokeError());
            }

            return new TunDevice(descriptor, request.GetName());
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Takes over an open descriptor of a TUN interface, such as a parent process hands down. It is closed by <see cref="Dispose"/>.
    /// </summary>
    /// <param name="fd">The number; after an exception it is still the caller's.</param>
    /// <exception cref="LinuxException">
    /// Not a TUN's descriptor (EBADF, ENOTTY, EBADFD), or not opened as IFF_TUN | IFF_NO_PI (EINVAL).
    /// </exception>
    public static unsafe TunDevice FromDescriptor(int fd)
    {
        var request = default(NetIf.InterfaceRequest);
        if (SysIoctl.Ioctl(fd, LinuxIfTun.GetInterface, &request) < 0)
        {
            throw LinuxException.FromLastError($"TUNGETIFF on descriptor {fd}", "it is not the descriptor of a TUN interface");
        }

        const ushort Layout = LinuxIfTun.Tun | LinuxIfTun.Tap | LinuxIfTun.NoPacketInfo | LinuxIfTun.VnetHeader;
        if ((request.Flags & Layout) != (LinuxIfTun.Tun | LinuxIfTun.NoPacketInfo))
        {
            throw new LinuxException(
                $"take over descriptor {fd} of {request.GetName()}",
                Errno.EINVAL,
                "it has to be opened with IFF_TUN and IFF_NO_PI, without IFF_VNET_HDR");
        }

        var flags = Fcntl.Control(fd, Fcntl.GetFlags, 0);
        if (flags < 0
            || Fcntl.Control(fd, Fcntl.SetFlags, flags | Fcntl.NonBlock) < 0
            || Fcntl.Control(fd, Fcntl.SetDescriptorFlags, Fcntl.DescriptorCloseOnExec) < 0)
        {
            throw LinuxException.FromLastError($"fcntl on descriptor {fd}");
        }

        return new TunDevice(new Descriptor(fd), request.GetName());
    }

    /// <summary>Reads one packet; does not wait.</summary>
    /// <param name="buffer">Should take the MTU: the rest of a longer packet is lost.</param>
    /// <param name="errno">
    /// EAGAIN: there is none, wait with <see cref="Poll"/>. EBADFD: the interface was deleted. EBADF: disposed of.
    /// </param>
    /// <returns>The packet's length, or -1 with <paramref name="errno"/> set.</returns>
    public int Read(Span<byte> buffer, out int errno) => Descriptor.Read(buffer, out errno);

    /// <summary>Writes one packet; does not wait.</summary>
    /// <param name="packet">IPv4 or IPv6.</param>
    /// <param name="errno">
    /// EIO: the interface is down. EINVAL: not an IP packet. EAGAIN or ENOMEM: no memory now. EBADFD: the interface was deleted. EBADF:
    /// disposed of.
    /// </param>
    /// <returns>The packet's length, or -1 with <paramref name="errno"/> set.</returns>
    public int Write(ReadOnlySpan<byte> packet, out int errno) => Descriptor.Write(packet, out errno);

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

        // Asking by name is asking in the namespace of the socket, so it takes a socket in the interface's own, made by a thread in there.
        var home = SysIoctl.Ioctl(Descriptor.Number, LinuxIfTun.GetDeviceNamespace, (nuint)0);
        if (home < 0)
        {
            return GetMtu(request); // before Linux 5.9 or without CAP_NET_ADMIN there: most likely it is in ours
        }

        using var space = new Descriptor(home);
        if (NetworkNamespace.IsCurrent(space))
        {
            return GetMtu(request); // as nearly always; going elsewhere takes CAP_SYS_ADMIN
        }

        var name = request;
        var mtu = 0;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                NetworkNamespace.Enter(space, $"of {Name}");
                mtu = GetMtu(name);
            }
            catch (LinuxException e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return mtu;
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();

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
            $"make the interface {name}", Errno.EBUSY, "the name is taken by an interface that is not a TUN, or that is a multi-queue TUN"),
        _ => new($"make the interface {name}", errno),
    };
}
