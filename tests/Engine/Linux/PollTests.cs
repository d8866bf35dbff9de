using System.Diagnostics;
using WgMesh.Engine.Linux;

namespace WgMesh.Engine.Tests.Linux;

public sealed class PollTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void A_signal_wakes_a_waiting_thread_and_says_which_descriptor_it_was()
    {
        using var first = new EventFd();
        using var second = new EventFd();
        var mask = 0u;
        var thread = new Thread(() => mask = Poll.Wait([first.Descriptor, second.Descriptor], Patience));
        thread.Start();
        second.Signal();
        Assert.True(thread.Join(Patience));
        Assert.Equal(2u, mask);
    }

    [Fact]
    public void A_signal_stays_until_it_is_drained()
    {
        using var signal = new EventFd();
        signal.Signal();
        signal.Signal();
        Assert.Equal(1u, Poll.Wait([signal.Descriptor], TimeSpan.Zero));
        Assert.Equal(1u, Poll.Wait([signal.Descriptor], Timeout.InfiniteTimeSpan));
        Assert.True(signal.Drain());
        Assert.False(signal.Drain());
        Assert.Equal(0u, Poll.Wait([signal.Descriptor], TimeSpan.Zero));
    }

    [Fact]
    public void Waiting_ends_when_the_time_is_over_and_not_before()
    {
        using var signal = new EventFd();
        var start = Stopwatch.GetTimestamp();
        Assert.Equal(0u, Poll.Wait([signal.Descriptor], TimeSpan.FromMilliseconds(30)));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(30), Patience);
    }

    [Fact]
    public void A_closed_descriptor_is_ready_so_that_no_thread_waits_for_it()
    {
        using var open = new EventFd();
        var closed = new EventFd();
        closed.Dispose();
        Assert.Equal(2u, Poll.Wait([open.Descriptor, closed.Descriptor], Timeout.InfiniteTimeSpan));
        Assert.False(closed.Drain());
    }

    [Fact]
    public void A_descriptor_is_not_closed_under_a_thread_that_waits_for_it()
    {
        var signal = new EventFd();
        using var ready = new ManualResetEventSlim();
        var drained = false;
        var thread = new Thread(() =>
        {
            ready.Set();
            Poll.Wait([signal.Descriptor], Timeout.InfiniteTimeSpan);
            drained = true;
        });
        thread.Start();
        ready.Wait();
        signal.Signal();
        signal.Dispose();
        Assert.True(thread.Join(Patience));
        Assert.True(drained);
    }

    [Fact]
    public void The_boot_clock_runs_in_nanoseconds_and_counts_from_boot()
    {
        var clock = BootClock.Instance;
        var start = clock.GetTimestamp();
        var uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
        Thread.Sleep(5);
        var end = clock.GetTimestamp();
        Assert.InRange(uptime, (start / 1e9) - 0.01, end / 1e9); // CLOCK_BOOTTIME too, in hundredths
        Assert.InRange(clock.GetElapsedTime(start, end), TimeSpan.FromMilliseconds(5), Patience);
    }
}
