namespace WgMesh.Kubernetes;

/// <summary>Cancels what takes too long, and knows afterwards whether it was that or the caller.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _limit;
    private readonly CancellationTokenSource _either;

    private Deadline(TimeSpan limit, TimeProvider time, CancellationToken caller)
    {
        (Limit, _caller) = (limit, caller);
        _limit = new CancellationTokenSource(limit, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(caller, _limit.Token);
    }

    public TimeSpan Limit { get; }

    public CancellationToken Token => _either.Token;

    /// <summary>Whether the time is over and the caller has not cancelled.</summary>
    public bool IsOver => _limit.IsCancellationRequested && !IsCallers;

    /// <summary>Whether the caller has cancelled.</summary>
    public bool IsCallers => _caller.IsCancellationRequested;

    public static Deadline In(TimeSpan limit, TimeProvider time, CancellationToken caller) => new(limit, time, caller);

    public void Dispose()
    {
        _either.Dispose();
        _limit.Dispose();
    }
}
