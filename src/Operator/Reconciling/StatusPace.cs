using System.Collections.Concurrent;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// For how long the next write of an object's status has to wait: counters and times come at most once a minute; what is essential comes at once,
/// but ever more slowly while it keeps changing; and what failed is tried again ever more slowly, unless the object is another one now. Thread-safe.
/// </summary>
internal sealed class StatusPace(TimeProvider time)
{
    /// <summary>Between two writes of counters and times of one object, and the longest wait of all.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>After as many essential writes as the start of a node or a device takes; then twice as long each time.</summary>
    internal static readonly TimeSpan FirstHold = TimeSpan.FromSeconds(2);

    /// <summary>So many essential writes in a row do not wait.</summary>
    internal const int Free = 6;

    /// <summary>After a failure; then twice as long each time.</summary>
    internal static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Past> _pasts = new(StringComparer.Ordinal);
    private readonly Past _none = new(time.GetTimestamp(), 0, 0, null, 0, 0);

    /// <summary>How long to wait from now.</summary>
    /// <param name="key">Of the object.</param>
    /// <param name="item">The object as it is seen: one that failed is not what was made in its place.</param>
    /// <param name="inEssence">Whether more than counters, times and words changed.</param>
    public TimeSpan Rest(string key, object item, bool inEssence)
    {
        // a new leader does not begin with a write of everything that changed by a second meanwhile
        var past = _pasts.GetValueOrDefault(key, _none);
        var rest = inEssence ? Left(past.EssenceAt, HoldAfter(past.Essences)) : Left(past.At, Interval);
        var retry = ReferenceEquals(past.FailedItem, item) ? Left(past.FailedAt, Doubled(FirstRetry, past.Failures - 1)) : TimeSpan.Zero;
        return rest > retry ? rest : retry;
    }

    /// <summary>It was written.</summary>
    public void Written(string key, bool inEssence)
    {
        var (past, now) = (_pasts.GetValueOrDefault(key, _none), time.GetTimestamp());
        if (!inEssence)
            _pasts[key] = past with { At = now, FailedItem = null, Failures = 0 };
        else if (time.GetElapsedTime(past.EssenceAt, now) >= HoldAfter(past.Essences) + Interval)
            _pasts[key] = new Past(now, now, 1, null, 0, 0);
        else
            _pasts[key] = new Past(now, now, past.Essences + 1, null, 0, 0);
    }

    /// <summary>It could not be written.</summary>
    public void Failed(string key, object item)
    {
        var past = _pasts.GetValueOrDefault(key, _none);
        _pasts[key] = past with { FailedItem = item, FailedAt = time.GetTimestamp(), Failures = past.Failures + 1 };
    }

    /// <summary>Forgets objects that are gone.</summary>
    public void Forget(Predicate<string> isGone)
    {
        foreach (var key in _pasts.Keys.Where(key => isGone(key)))
            _pasts.TryRemove(key, out _);
    }

    private static TimeSpan HoldAfter(int essences) => essences < Free ? TimeSpan.Zero : Doubled(FirstHold, essences - Free);

    private static TimeSpan Doubled(TimeSpan first, int times)
    {
        var delay = first * Math.Pow(2, Math.Min(times, 20));
        return delay < Interval ? delay : Interval;
    }

    private TimeSpan Left(long since, TimeSpan wait)
    {
        var left = wait - time.GetElapsedTime(since);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <param name="At">When it was written last (timestamp); before that, when all began.</param>
    /// <param name="EssenceAt">When it was last written with a change of what is essential.</param>
    /// <param name="Essences">How often it was, one soon after the other.</param>
    /// <param name="FailedItem">The object as it was seen when it could not be written; null: it could.</param>
    /// <param name="FailedAt">When that was.</param>
    /// <param name="Failures">In a row.</param>
    private sealed record Past(long At, long EssenceAt, int Essences, object? FailedItem, long FailedAt, int Failures);
}
