using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>sys/eventfd.h</c>.</summary>
internal static partial class SysEventFd
{
    internal const int NonBlock = 0x800, CloseOnExec = 0x80000; // EFD_*

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int Create(uint initialValue, int flags);
}
