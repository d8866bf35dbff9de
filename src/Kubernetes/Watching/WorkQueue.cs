namespace WgMesh.Kubernetes;

/// <summary>
/// Keys to be worked on: one that is added again while it waits is worked on once; one added while it is worked on is worked on again
/// afterwards; one that failed comes back after a delay that doubles up to a limit, however often. Thread-safe.
/// </summary>
public sealed class WorkQueue<TKey>(TimeProvider time)
    where TKey : notnull
{
    /// <summary>Puts a key in, at once or after a delay; the earlier of two times counts.</summary>
    public void Add(TKey key, TimeSpan delay = default) => throw new NotImplementedException();

    /// <summary>
    /// Works until cancelled, with so many workers; one key is never worked on twice at a time. A worker that throws (other than by
    /// cancellation) has its key put back with a delay; <paramref name="failed"/> is told.
    /// </summary>
    public Task RunAsync(
        int workers, Func<TKey, CancellationToken, Task> work, Action<TKey, Exception> failed, CancellationToken cancellationToken) =>
        throw new NotImplementedException();
}
