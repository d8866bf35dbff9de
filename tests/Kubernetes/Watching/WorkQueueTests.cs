using System.Collections.Concurrent;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Watching;

public sealed class WorkQueueTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly WorkQueue<string> _queue;
    private readonly ConcurrentQueue<string> _worked = new();
    private readonly ConcurrentQueue<(string Key, string Problem)> _failed = new();
    private Task _running = Task.CompletedTask;

    public WorkQueueTests() => _queue = new WorkQueue<string>(_time);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        _stop.Dispose();
    }

    [Fact]
    public async Task A_key_that_is_added_again_while_it_waits_is_worked_on_once()
    {
        _queue.Add("a");
        _queue.Add("b");
        _queue.Add("a");
        _queue.Add("a");
        Run(1);
        await Idle();
        Assert.Equal(["a", "b"], _worked);
    }

    [Fact]
    public async Task A_key_that_is_added_while_it_is_worked_on_is_worked_on_again_afterwards_and_never_twice_at_a_time()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (inside, most) = (0, 0);
        Run(4, async (_, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref inside));
            await gate.Task;
            Interlocked.Decrement(ref inside);
        });
        _queue.Add("a");
        await Wait.Until(() => Volatile.Read(ref inside) == 1, "the key is worked on");
        _queue.Add("a");
        _queue.Add("a");
        _queue.Add("b");
        await Wait.Until(() => Volatile.Read(ref inside) == 2, "another key is worked on besides");
        gate.SetResult();
        await Idle();
        Assert.Equal(["a", "a", "b"], _worked.Order());
        Assert.Equal(2, most);
    }

    [Fact]
    public async Task A_delayed_key_is_worked_on_when_its_time_has_come()
    {
        Run(1);
        _queue.Add("later", TimeSpan.FromSeconds(10));
        _queue.Add("now");
        await Wait.Until(() => _worked.Contains("now"), "the other key is worked on");
        _time.Advance(TimeSpan.FromSeconds(9.999));
        Assert.Equal(1, _queue.Count);
        Assert.Equal(["now"], _worked);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Idle();
        Assert.Equal(["now", "later"], _worked);
    }

    [Theory]
    [InlineData(10, 3)]
    [InlineData(3, 10)]
    public async Task The_earlier_of_two_times_counts(int first, int second)
    {
        Run(1);
        _queue.Add("a", TimeSpan.FromSeconds(first));
        _queue.Add("a", TimeSpan.FromSeconds(second));
        _time.Advance(TimeSpan.FromSeconds(3));
        await Idle();
        _time.Advance(TimeSpan.FromSeconds(30));
        await Idle();
        Assert.Equal(["a"], _worked);
    }

    [Fact]
    public async Task Delayed_keys_come_in_the_order_of_their_times()
    {
        Run(1);
        foreach (var seconds in new[] { 3, 1, 2, 1 })
            _queue.Add($"{seconds}", TimeSpan.FromSeconds(seconds));
        _time.Advance(TimeSpan.FromSeconds(3));
        await Idle();
        Assert.Equal(["1", "2", "3"], _worked);
    }

    [Fact]
    public async Task A_key_that_fails_comes_back_after_5_ms_doubled_up_to_5_min_for_as_long_as_it_fails_and_success_starts_over()
    {
        var isFailing = true;
        Run(1, (_, _) => isFailing ? throw new InvalidOperationException("not yet") : Task.CompletedTask);
        _queue.Add("a");
        List<double> delays = [];
        for (var attempt = 1; attempt <= 40; attempt++)
        {
            delays.Add(await DelayAfterFailure(attempt));
            isFailing = attempt < 40;
            _time.Advance(TimeSpan.FromMilliseconds(delays[^1]));
        }

        await Idle();
        Assert.Equal([5, 10, 20, 40, 80], delays[..5]);
        Assert.Equal([163_840, 300_000, 300_000], delays[15..18]);
        Assert.Equal(300_000, delays[39]);
        Assert.Equal(("a", "not yet"), _failed.Last());

        isFailing = true;
        _queue.Add("a");
        Assert.Equal(5, await DelayAfterFailure(41));

        async Task<double> DelayAfterFailure(int failures)
        {
            await Wait.Until(() => _failed.Count == failures && _time.Waits.Count == 1, "the key has failed and waits");
            return _time.Waits.Single().TotalMilliseconds;
        }
    }

    [Fact]
    public async Task A_failing_key_holds_up_no_other_and_comes_at_once_if_it_is_added()
    {
        var isFailing = true;
        Run(1, (key, _) => key == "bad" && isFailing ? throw new InvalidOperationException("bad") : Task.CompletedTask);
        _queue.Add("bad");
        await Wait.Until(() => _time.Waits.Count == 1 && _failed.Count == 1, "the key has failed");
        _queue.Add("good");
        await Wait.Until(() => _worked.Contains("good"), "the other key is worked on");
        isFailing = false;
        _queue.Add("bad");
        await Idle();
        Assert.Equal(["bad", "good", "bad"], _worked);
    }

    [Fact]
    public async Task Cancelled_it_ends_when_its_workers_have_and_keeps_what_was_not_done()
    {
        var (begun, ended) = (0, 0);
        Run(2, async (_, cancellationToken) =>
        {
            Interlocked.Increment(ref begun);
            await ((Task)Task.WhenAny(Task.Delay(Timeout.Infinite, cancellationToken)));
            await Task.Yield();
            Interlocked.Increment(ref ended);
            cancellationToken.ThrowIfCancellationRequested();
        });
        foreach (var key in new[] { "a", "b", "c" })
            _queue.Add(key);
        await Wait.Until(() => Volatile.Read(ref begun) == 2, "two keys are worked on");
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(Wait.Limit));
        Assert.Equal((2, 2), (begun, ended));
        Assert.Equal(3, _queue.Count);
        Assert.Empty(_failed);

        using var stop = new CancellationTokenSource();
        var again = new ConcurrentQueue<string>();
        var running = _queue.RunAsync(1, (key, _) => { again.Enqueue(key); return Task.CompletedTask; }, (_, _) => { }, stop.Token);
        await Idle();
        Assert.Equal(["a", "b", "c"], again.Order());
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Wait.Limit));
    }

    [Fact]
    public async Task A_time_out_inside_the_work_is_a_failure_and_not_the_end()
    {
        Run(1, (_, _) => _worked.Count == 1 ? throw new TaskCanceledException("late") : Task.CompletedTask);
        _queue.Add("a");
        await Wait.Until(() => _failed.Count == 1 && _time.Waits.Count == 1, "the key has failed");
        _time.Advance(TimeSpan.FromMilliseconds(5));
        await Idle();
        Assert.Equal(["a", "a"], _worked);
    }

    [Fact]
    public async Task Nothing_is_lost_when_many_add_and_many_work()
    {
        var seen = new ConcurrentDictionary<string, int>();
        var latest = new ConcurrentDictionary<string, int>();
        Run(4, async (key, _) =>
        {
            var value = latest[key];
            await Task.Yield();
            seen[key] = value;
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(adder => Task.Run(() =>
        {
            for (var i = 1; i <= 2000; i++)
            {
                var key = $"{adder}/{i % 10}";
                latest[key] = i;
                _queue.Add(key);
            }
        })));
        await Idle();
        Assert.Equal(latest.OrderBy(one => one.Key), seen.OrderBy(one => one.Key));
    }

    [Fact]
    public async Task A_key_that_comes_due_while_it_is_put_back_waits_no_longer()
    {
        var hasty = new HastyTime();
        var queue = new WorkQueue<string>(hasty);
        queue.Add("a");
        var attempts = 0;
        _running = queue.RunAsync(1, (_, _) => attempts++ == 0 ? throw new InvalidOperationException("once") : Task.CompletedTask, (_, _) => { }, _stop.Token);
        await Wait.Until(
            () =>
            {
                hasty.Ring();
                return queue.Count == 0;
            },
            "the key is done");

        queue.Add("b", WorkQueue<string>.MostDelay);
        hasty.Ring();

        Assert.InRange(hasty.LongestWait, TimeSpan.Zero, WorkQueue<string>.MostDelay);
    }

    /// <summary>On a busy machine much time passes from one look at the clock to the next: more than half of the first delay.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _timestamp;
        private TimerCallback? _callback;
        private object? _state;

        public TimeSpan LongestWait { get; private set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Interlocked.Add(ref _timestamp, (long)(WorkQueue<string>.FirstDelay.TotalMilliseconds / 2) + 1);

        public void Ring() => _callback?.Invoke(_state);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (_state, _callback) = (state, callback);
            return new Alarm(this);
        }

        private sealed class Alarm(HastyTime time) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                if (dueTime > time.LongestWait)
                    time.LongestWait = dueTime;
                return true;
            }

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }

    private Task Idle() => Wait.Until(() => _queue.Count == 0, "all keys are done");

    private void Run(int workers, Func<string, CancellationToken, Task>? work = null) => _running = _queue.RunAsync(
        workers,
        (key, cancellationToken) =>
        {
            _worked.Enqueue(key);
            return work?.Invoke(key, cancellationToken) ?? Task.CompletedTask;
        },
        (key, failure) => _failed.Enqueue((key, failure.Message)),
        _stop.Token);
}
