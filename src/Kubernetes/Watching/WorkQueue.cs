using System.Threading.Channels;

namespace WgMesh.Kubernetes;

/// <summary>
/// Keys to be worked on: one that is added again while it waits is worked on once; one added while it is worked on is worked on again
/// afterwards; one that failed comes back after a delay that doubles from 5 ms up to 5 min, however often. Thread-safe.
/// </summary>
public sealed class WorkQueue<TKey>(TimeProvider time)
    where TKey : notnull
{
    internal static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(5);
    internal static readonly TimeSpan MostDelay = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Item> _items = [];
    private readonly SortedSet<Item> _waiting = new(Comparer<Item>.Create((a, b) => (a.Due, a.Number).CompareTo((b.Due, b.Number))));
    private readonly Channel<Item> _ready = Channel.CreateUnbounded<Item>();
    private ITimer? _timer;
    private long _numbers;

    /// <summary>How many keys wait, or are worked on.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _items.Count;
        }
    }

    /// <summary>Puts a key in, at once or after a delay; the earlier of two times counts.</summary>
    public void Add(TKey key, TimeSpan delay = default)
    {
        lock (_gate)
        {
            if (!_items.TryGetValue(key, out var item))
                _items.Add(key, item = new Item(key, ++_numbers));
            Put(item, delay);
        }
    }

    /// <summary>
    /// Works until cancelled, with so many workers; one key is never worked on twice at a time. A worker that throws (other than by
    /// cancellation) has its key put back with a delay; <paramref name="failed"/> is told, and does not throw. Ends when all workers have
    /// ended; keys that were not done are still there.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task RunAsync(
        int workers, Func<TKey, CancellationToken, Task> work, Action<TKey, Exception> failed, CancellationToken cancellationToken)
    {
        // should one end, by an error of the caller's, the others are not to go on as if all were well
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(
            async () =>
            {
                try
                {
                    await WorkAsync(work, failed, ended.Token);
                }
                finally
                {
                    await ended.CancelAsync();
                }
            },
            CancellationToken.None)));
    }

    private async Task WorkAsync(Func<TKey, CancellationToken, Task> work, Action<TKey, Exception> failed, CancellationToken cancellationToken)
    {
        while (true)
        {
            var item = await _ready.Reader.ReadAsync(cancellationToken);
            lock (_gate)
            {
                item.IsReady = false;
                item.IsRunning = true;
            }

            Exception? failure = null;
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                await work(item.Key, cancellationToken);
            }
            catch (Exception e)
            {
                failure = e;
            }

            var isCancelled = failure is OperationCanceledException && cancellationToken.IsCancellationRequested;
            lock (_gate)
            {
                if (failure is null)
                    item.Failures = 0;
                else
                    Put(item, isCancelled ? TimeSpan.Zero : DelayAfter(++item.Failures));
                item.IsRunning = false; // not before it was put back: it is settled once
                Settle(item);
            }

            if (failure is not null && !isCancelled)
                failed(item.Key, failure);
        }
    }

    private static TimeSpan DelayAfter(int failures)
    {
        var delay = FirstDelay * Math.Pow(2, Math.Min(failures - 1, 30));
        return delay < MostDelay ? delay : MostDelay;
    }

    private void Put(Item item, TimeSpan delay)
    {
        var now = time.GetTimestamp();
        var due = delay > TimeSpan.Zero ? now + (long)Math.Ceiling(delay.TotalSeconds * time.TimestampFrequency) : now;
        // what is ready is yet to be looked at, so it sees what this call is about
        if (item.IsReady || item.Due <= due)
            return;
        _waiting.Remove(item);
        item.Due = due;
        if (!item.IsRunning)
            Settle(item);
    }

    /// <summary>Puts an item that is not worked on where it belongs.</summary>
    private void Settle(Item item)
    {
        if (item.Due == Item.Never)
        {
            if (!item.IsReady)
                _items.Remove(item.Key);
        }
        else if (item.Due <= time.GetTimestamp())
        {
            item.Due = Item.Never;
            item.IsReady = true;
            _ready.Writer.TryWrite(item);
        }
        else
        {
            _waiting.Add(item);
            if (ReferenceEquals(_waiting.Min, item))
                SetTimer();
        }
    }

    private void SetTimer()
    {
        // not sooner than it is due, for timers count whole milliseconds
        var left = (_waiting.Min!.Due - time.GetTimestamp()) / (double)time.TimestampFrequency;
        var delay = TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(left, 0) * 1000));
        _timer ??= time.CreateTimer(static queue => ((WorkQueue<TKey>)queue!).OnDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
    }

    private void OnDue()
    {
        lock (_gate)
        {
            while (_waiting.Min is { } first)
            {
                if (first.Due > time.GetTimestamp())
                {
                    SetTimer();
                    return;
                }

                _waiting.Remove(first);
                Settle(first);
            }
        }
    }

    private sealed class Item(TKey key, long number)
    {
        public const long Never = long.MaxValue;

        public TKey Key { get; } = key;

        /// <summary>Keeps items apart that are due at the same time.</summary>
        public long Number { get; } = number;

        /// <summary>When it is to be worked on (timestamp).</summary>
        public long Due { get; set; } = Never;

        /// <summary>Whether a worker is about to take it.</summary>
        public bool IsReady { get; set; }

        public bool IsRunning { get; set; }

        /// <summary>In a row.</summary>
        public int Failures { get; set; }
    }
}
