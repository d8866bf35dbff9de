using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Tests.Linux;

public sealed class BootTimerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly BootTimer _timer = new();

    public void Dispose() => _timer.Dispose();

    [Fact]
    public void A_wait_ends_at_the_moment_and_not_before()
    {
        var at = BootClock.Instance.GetTimestamp() + 50_000_000;
        _timer.Set(at);
        Assert.Equal(1u, Poll.Wait([_timer.Descriptor], Patience));
        Assert.True(BootClock.Instance.GetTimestamp() >= at);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_moment_in_the_past_ends_it(long timestamp)
    {
        _timer.Set(timestamp);
        Assert.Equal(1u, Poll.Wait([_timer.Descriptor], Patience));
    }

    [Fact]
    public void Set_anew_it_is_not_due_any_more()
    {
        _timer.Set(1);
        _timer.Set(BootClock.Instance.GetTimestamp() + 3_600_000_000_000);
        Assert.Equal(0u, Poll.Wait([_timer.Descriptor], TimeSpan.Zero));
        _timer.Set(1);
        _timer.Set(long.MaxValue);
        Assert.Equal(0u, Poll.Wait([_timer.Descriptor], TimeSpan.Zero));
    }

    [Fact]
    public void Its_clock_is_the_one_that_counts_suspension()
    {
        Assert.Contains("clockid: 7", File.ReadLines($"/proc/self/fdinfo/{_timer.Descriptor.Number}")); // CLOCK_BOOTTIME, linux/time.h
        Assert.Equal(7, TimeH.BootTime);
    }
}
