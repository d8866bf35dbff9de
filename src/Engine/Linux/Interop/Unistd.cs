using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>unistd.h</c>.</summary>
internal static unsafe partial class Unistd
{
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    internal static partial uint GetEffectiveUser();

    // no SetLastError: after close the descriptor is gone whatever it answers, so nothing reads errno
    [LibraryImport("libc", EntryPoint = "close")]
    internal static partial int Close(int fd);
}
