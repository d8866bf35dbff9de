using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// Timestamps by CLOCK_BOOTTIME, which never jumps and counts the time the host was suspended, so that keys age and deadlines pass in
/// a sleeping laptop or a frozen virtual machine. Wall-clock time and timers are the system's.
/// </summary>
public sealed class BootClock : TimeProvider
{
    /// <summary>The one clock of the host.</summary>
    public static BootClock Instance { get; } = new();

    private BootClock()
    {
    }

    /// <summary>Nanoseconds.</summary>
    public override long TimestampFrequency => 1_000_000_000;

    /// <summary>Nanoseconds since boot.</summary>
    public override unsafe long GetTimestamp()
    {
        TimeH.TimeSpecification time;
        _ = TimeH.GetClock(TimeH.BootTime, &time); // can only fail for an unknown clock
        return (time.Seconds * 1_000_000_000) + time.Nanoseconds;
    }
}
