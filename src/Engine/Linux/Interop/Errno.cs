using System.Globalization;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>errno.h</c>: the numbers of x86-64 and arm64 (asm-generic) that this code meets, and their names.</summary>
public static class Errno
{
    /// <summary>No error.</summary>
    public const int None = 0;

    /// <summary>Operation not permitted.</summary>
    public const int EPERM = 1;

    /// <summary>No such file or directory.</summary>
    public const int ENOENT = 2;

    /// <summary>No such process; rtnetlink's answer for "no such route".</summary>
    public const int ESRCH = 3;

    /// <summary>Interrupted by a signal.</summary>
    public const int EINTR = 4;

    /// <summary>Input/output error; a TUN that is down answers a write with it.</summary>
    public const int EIO = 5;

    /// <summary>No such device or address.</summary>
    public const int ENXIO = 6;

    /// <summary>Bad file descriptor; also what a method here answers after Dispose.</summary>
    public const int EBADF = 9;

    /// <summary>Try again: nothing to read, or no room to write.</summary>
    public const int EAGAIN = 11;

    /// <summary>Out of memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Permission denied.</summary>
    public const int EACCES = 13;

    /// <summary>Device or resource busy.</summary>
    public const int EBUSY = 16;

    /// <summary>File exists.</summary>
    public const int EEXIST = 17;

    /// <summary>No such device.</summary>
    public const int ENODEV = 19;

    /// <summary>Invalid argument.</summary>
    public const int EINVAL = 22;

    /// <summary>Inappropriate ioctl for the descriptor.</summary>
    public const int ENOTTY = 25;

    /// <summary>Name too long.</summary>
    public const int ENAMETOOLONG = 36;

    /// <summary>File descriptor in a bad state: the TUN's interface was deleted.</summary>
    public const int EBADFD = 77;

    /// <summary>A datagram larger than the buffer (receiving) or than the protocol takes (sending).</summary>
    public const int EMSGSIZE = 90;

    /// <summary>Protocol not supported.</summary>
    public const int EPROTONOSUPPORT = 93;

    /// <summary>Operation not supported.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>The kernel has no such address family (IPv6 off).</summary>
    public const int EAFNOSUPPORT = 97;

    /// <summary>The port is taken.</summary>
    public const int EADDRINUSE = 98;

    /// <summary>No such local address (any more).</summary>
    public const int EADDRNOTAVAIL = 99;

    /// <summary>The network is down.</summary>
    public const int ENETDOWN = 100;

    /// <summary>No route.</summary>
    public const int ENETUNREACH = 101;

    /// <summary>No room: a receive queue overflowed (netlink) or a device's send queue is full.</summary>
    public const int ENOBUFS = 105;

    /// <summary>Connection refused: an ICMP port unreachable came back.</summary>
    public const int ECONNREFUSED = 111;

    /// <summary>No route to the host.</summary>
    public const int EHOSTUNREACH = 113;

    /// <summary>The symbolic name such as <c>EADDRINUSE</c>, or <c>errno 123</c> for a number not listed here.</summary>
    public static string Name(int errno) => errno switch
    {
        EPERM => "EPERM",
        ENOENT => "ENOENT",
        ESRCH => "ESRCH",
        EINTR => "EINTR",
        EIO => "EIO",
        ENXIO => "ENXIO",
        EBADF => "EBADF",
        EAGAIN => "EAGAIN",
        ENOMEM => "ENOMEM",
        EACCES => "EACCES",
        EBUSY => "EBUSY",
        EEXIST => "EEXIST",
        ENODEV => "ENODEV",
        EINVAL => "EINVAL",
        ENOTTY => "ENOTTY",
        ENAMETOOLONG => "ENAMETOOLONG",
        EBADFD => "EBADFD",
        EMSGSIZE => "EMSGSIZE",
        EPROTONOSUPPORT => "EPROTONOSUPPORT",
        EOPNOTSUPP => "EOPNOTSUPP",
        EAFNOSUPPORT => "EAFNOSUPPORT",
        EADDRINUSE => "EADDRINUSE",
        EADDRNOTAVAIL => "EADDRNOTAVAIL",
        ENETDOWN => "ENETDOWN",
        ENETUNREACH => "ENETUNREACH",
        ENOBUFS => "ENOBUFS",
        ECONNREFUSED => "ECONNREFUSED",
        EHOSTUNREACH => "EHOSTUNREACH",
        _ => string.Create(CultureInfo.InvariantCulture, $"errno {errno}"),
    };
}
