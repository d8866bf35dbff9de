using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>fcntl.h</c>. The C functions are variadic, which on the Linux ABIs of x86-64 and arm64 is called like any other.</summary>
internal static partial class Fcntl
{
    internal const int ReadOnly = 0, ReadWrite = 2, NonBlock = 0x800, CloseOnExec = 0x80000; // O_*
    internal const int GetFlags = 3, SetFlags = 4, SetDescriptorFlags = 2, DescriptorCloseOnExec = 1; // F_GETFL, F_SETFL, F_SETFD, FD_CLOEXEC

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int Control(int fd, int command, int argument);
}
