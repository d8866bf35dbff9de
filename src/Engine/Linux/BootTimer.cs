using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// Ends a wait in <see cref="Poll"/> at a moment of <see cref="BootClock"/>. Unlike a timeout it counts the time during
/// which the host is suspended, so that what came due meanwhile is done when it wakes. One thread at a time.
/// </summary>
public sealed class BootTimer : IDisposable
{
    /// <summary>Makes one that is not set.</summary>
    /// <exception cref="LinuxException">No more descriptors.</exception>
    public BootTimer() => Descriptor = Descriptor.Open(SysTimerFd.Create(TimeH.BootTime, SysTimerFd.NonBlock | SysTimerFd.CloseOnExec), "timerfd_create");

    /// <summary>To wait for in <see cref="Poll"/>: readable from the moment on, until the timer is set anew.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>Sets the moment.</summary>
    /// <param name="timestamp">A timestamp of <see cref="BootClock"/>, in nanoseconds; <see cref="long.MaxValue"/>: never.</param>
    public unsafe void Set(long timestamp)
    {
        var value = default(SysTimerFd.TimerSpecification);
        if (timestamp != long.MaxValue)
        {
            var at = Math.Max(timestamp, 1); // 0 would mean never
            value.Value = new TimeH.TimeSpecification { Seconds = at / 1_000_000_000, Nanoseconds = at % 1_000_000_000 };
        }

        if (!Descriptor.TryEnter())
        {
            return;
        }

        _ = SysTimerFd.SetTime(Descriptor.Number, SysTimerFd.AbsoluteTime, &value, null); // cannot fail for a valid time
        Descriptor.Exit();
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();
}
