using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>Network namespaces: sockets and TUNs belong to the one that their thread is in when they are made.</summary>
public static class NetworkNamespace
{
    /// <summary>
    /// Moves the calling thread into a namespace, for good: call it on a thread of your own, never on one of the pool's.
    /// </summary>
    /// <param name="path">Such as <c>/run/netns/NAME</c> or <c>/proc/PID/ns/net</c>.</param>
    /// <exception cref="LinuxException">No such namespace, or no CAP_SYS_ADMIN.</exception>
    public static void Enter(string path)
    {
        using var descriptor = Descriptor.Open(Fcntl.Open(path, Fcntl.ReadOnly | Fcntl.CloseOnExec, 0), $"open {path}");
        Enter(descriptor, path);
    }

    /// <summary>As above, for an open descriptor of a namespace.</summary>
    internal static void Enter(Descriptor descriptor, string name)
    {
        if (Sched.SetNamespace(descriptor.Number, Sched.NewNetwork) < 0)
        {
            throw LinuxException.FromLastError($"setns {name}", "it takes CAP_SYS_ADMIN");
        }
    }

    /// <summary>Whether the calling thread is in that namespace.</summary>
    internal static bool IsCurrent(Descriptor space) =>
        new FileInfo($"/proc/self/fd/{space.Number}").LinkTarget is { } target && target == new FileInfo("/proc/thread-self/ns/net").LinkTarget;
}
