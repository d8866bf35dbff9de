using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>time.h</c>.</summary>
internal static unsafe partial class TimeH
{
    internal const int BootTime = 7; // CLOCK_BOOTTIME

    /// <summary><c>struct timespec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeSpecification
    {
        internal long Seconds;
        internal long Nanoseconds;
    }

    // answered by the vDSO in some 25 ns and never blocking, which is what SuppressGCTransition is for
    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [SuppressGCTransition]
    internal static partial int GetClock(int clock, TimeSpecification* time);
}
