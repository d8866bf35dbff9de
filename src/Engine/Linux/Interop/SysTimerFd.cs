using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>sys/timerfd.h</c>.</summary>
internal static unsafe partial class SysTimerFd
{
    internal const int NonBlock = 0x800, CloseOnExec = 0x80000; // TFD_*
    internal const int AbsoluteTime = 1;                        // TFD_TIMER_ABSTIME

    /// <summary><c>struct itimerspec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct TimerSpecification
    {
        internal TimeH.TimeSpecification Interval;
        internal TimeH.TimeSpecification Value;
    }

    [LibraryImport("libc", EntryPoint = "timerfd_create", SetLastError = true)]
    internal static partial int Create(int clock, int flags);

    [LibraryImport("libc", EntryPoint = "timerfd_settime", SetLastError = true)]
    internal static partial int SetTime(int descriptor, int flags, TimerSpecification* value, TimerSpecification* old);
}
