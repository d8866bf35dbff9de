using System.Runtime.InteropServices;

namespace WgMesh.NodeAgent.Interop;

/// <summary>The few calls of <c>unistd.h</c> and <c>fcntl.h</c> that .NET has no name for.</summary>
internal static partial class Unistd
{
    internal const int Eexist = 17;
    internal const int ReadOnly = 0;
    internal const int CloseOnExec = 0x80000;
    internal const int Directory = 0x10000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int Fsync(int fd);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Link(string existing, string name);

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    internal static partial int Setsid();
}
