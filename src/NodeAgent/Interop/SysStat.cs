using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WgMesh.NodeAgent.Interop;

/// <summary><c>sys/stat.h</c>: which file it is, whatever its name. By statx(2), whose result is the same on every architecture.</summary>
internal static unsafe partial class SysStat
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint InodeWanted = 0x100; // STATX_INO

    /// <summary>Whether a path leads to the file that is open.</summary>
    internal static bool IsAt(SafeFileHandle file, string path)
    {
        StatX open, named;
        return Statx((int)file.DangerousGetHandle(), "", EmptyPath, InodeWanted, &open) == 0
            && Statx(CurrentFolder, path, 0, InodeWanted, &named) == 0
            && (open.Inode, open.DeviceMajor, open.DeviceMinor) == (named.Inode, named.DeviceMajor, named.DeviceMinor);
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, StatX* result);

    /// <summary><c>struct statx</c>, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatX
    {
        [FieldOffset(32)]
        internal readonly ulong Inode;

        [FieldOffset(136)]
        internal readonly uint DeviceMajor;

        [FieldOffset(140)]
        internal readonly uint DeviceMinor;
    }
}
