using System.Runtime.ExceptionServices;
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

    /// <summary>
    /// Runs something in a namespace: here if the calling thread is in it, as nearly always, or else on a thread of its own, which takes
    /// CAP_SYS_ADMIN.
    /// </summary>
    /// <param name="name">Names the namespace in errors.</param>
    /// <exception cref="LinuxException">The namespace cannot be entered; and what <paramref name="action"/> throws.</exception>
    internal static T Run<T>(Descriptor space, string name, Func<T> action)
    {
        if (IsCurrent(space))
        {
            return action();
        }

        var result = default(T)!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter(space, name);
                result = action();
            }
            catch (LinuxException e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <summary>Whether two descriptors are of one namespace.</summary>
    internal static bool AreSame(Descriptor left, Descriptor right) => Identity(left) is { } identity && identity == Identity(right);

    /// <summary>Whether the calling thread is in that namespace.</summary>
    internal static bool IsCurrent(Descriptor space) =>
        Identity(space) is { } identity && identity == new FileInfo("/proc/thread-self/ns/net").LinkTarget;

    // such as net:[4026531840]
    private static string? Identity(Descriptor space) => new FileInfo($"/proc/self/fd/{space.Number}").LinkTarget;
}
