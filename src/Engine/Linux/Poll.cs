using System.Diagnostics;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// Waits until one of a few descriptors has something to read: how a thread waits for its packets and for its end at once.
/// </summary>
public static class Poll
{
    /// <summary>The most descriptors in one call.</summary>
    public const int MaxDescriptors = 16;

    /// <summary>
    /// Waits until at least one descriptor is readable, has failed, or is closed: whoever reads from it then learns what happened.
    /// </summary>
    /// <param name="descriptors">At most <see cref="MaxDescriptors"/>.</param>
    /// <param name="timeout">
    /// Not negative, or <see cref="Timeout.InfiniteTimeSpan"/>. It does not count time during which the host is suspended.
    /// </param>
    /// <returns>A bit for each ready descriptor, the first one's being 1; 0 when the time is over.</returns>
    /// <exception cref="LinuxException">Out of memory.</exception>
    public static unsafe uint Wait(ReadOnlySpan<Descriptor> descriptors, TimeSpan timeout)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MaxDescriptors);
        var entries = stackalloc PollH.PollDescriptor[MaxDescriptors];
        var entered = 0u;
        for (var i = 0; i < descriptors.Length; i++)
        {
            entries[i] = new PollH.PollDescriptor { Descriptor = descriptors[i].Number, Events = PollH.In };
            entered |= (descriptors[i].TryEnter() ? 1u : 0) << i;
        }

        var all = (1u << descriptors.Length) - 1;
        try
        {
            return entered == all ? Wait(entries, descriptors.Length, timeout) : all & ~entered; // closed ones are "ready"
        }
        finally
        {
            for (var i = 0; i < descriptors.Length; i++)
            {
                if ((entered >> i & 1) != 0)
                {
                    descriptors[i].Exit();
                }
            }
        }
    }

    private static unsafe uint Wait(PollH.PollDescriptor* entries, int count, TimeSpan timeout)
    {
        var start = Stopwatch.GetTimestamp();
        var left = timeout;
        while (true)
        {
            TimeH.TimeSpecification time = new()
            {
                Seconds = left.Ticks / TimeSpan.TicksPerSecond,
                Nanoseconds = left.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
            };
            var ready = PollH.Wait(entries, (nuint)count, timeout == Timeout.InfiniteTimeSpan ? null : &time, null);
            if (ready < 0)
            {
                var errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR)
                {
                    throw new LinuxException("ppoll", errno);
                }

                left = timeout - Stopwatch.GetElapsedTime(start);
                left = left < TimeSpan.Zero ? TimeSpan.Zero : left;
                continue;
            }

            var mask = 0u;
            for (var i = 0; i < count; i++)
            {
                mask |= (entries[i].ReturnedEvents != 0 ? 1u : 0) << i;
            }

            return mask;
        }
    }
}
