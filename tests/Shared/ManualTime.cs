namespace WgMesh.Tests.Shared;

/// <summary>A clock that moves when it is told to: the wall clock and the timestamp apart, as they are on a real machine.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private DateTimeOffset _utc = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private long _timestamp = 1_000_000_000;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Volatile.Read(ref _timestamp);

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _utc;
        }
    }

    /// <summary>
    /// What each timer that has yet to come due was set to: whether somebody has begun to wait. A test lets time pass when they have, for what
    /// passed before is not counted, and a slow machine may need long to get there.
    /// </summary>
    public IReadOnlyList<TimeSpan> Waits
    {
        get
        {
            lock (_gate)
            {
                return [.. _timers.Select(timer => timer.DueTime)];
            }
        }
    }

    /// <summary>Sets the wall clock alone, as an administrator or a time server would.</summary>
    public void SetUtcNow(DateTimeOffset utc)
    {
        lock (_gate)
        {
            _utc = utc;
        }
    }

    /// <summary>Lets time pass, and calls back the timers that come due, in order.</summary>
    public void Advance(TimeSpan by)
    {
        var end = GetTimestamp() + (by.Ticks * 100);
        while (true)
        {
            ManualTimer? due;
            lock (_gate)
            {
                due = _timers.Where(timer => timer.DueAt <= end).MinBy(timer => timer.DueAt);
                var to = due is null ? end : Math.Max(due.DueAt, _timestamp);
                _utc += TimeSpan.FromTicks((to - _timestamp) / 100);
                Volatile.Write(ref _timestamp, to);
            }

            if (due is null)
            {
                return;
            }

            due.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        public long DueAt { get; private set; } = long.MaxValue;

        public TimeSpan DueTime { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                _period = period;
                DueTime = dueTime;
                DueAt = dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : time._timestamp + (dueTime.Ticks * 100);
                time._timers.Remove(this);
                if (DueAt != long.MaxValue)
                {
                    time._timers.Add(this);
                }
            }

            return true;
        }

        public void Fire()
        {
            Change(_period > TimeSpan.Zero ? _period : Timeout.InfiniteTimeSpan, _period);
            callback(state);
        }

        public void Dispose()
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
