using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>
/// Leads while it holds a Lease. Its own deadlines are on monotonic time; what others wrote is judged by when it was seen to change, never by
/// their clocks. It does not fence: what a leader writes must bear being written by two.
/// </summary>
public sealed class LeaderElector(KubernetesClient client, LeaderElectionOptions options, TimeProvider time, ILogger logger)
{
    /// <summary>So long the leader's work is waited for once it was cancelled.</summary>
    internal static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ReleaseLimit = TimeSpan.FromSeconds(3);

    private readonly LeaderElectionOptions _options = options.Checked();
    private readonly LeaseHold _lease = new(client, options, time);
    private readonly string _name = $"{options.Namespace}/{options.Name}";
    private readonly Backoff _backoff = new();
    private volatile string? _leader;
    private long _leadUntil = long.MinValue;
    private bool _isUnreachable;

    /// <summary>Who holds the lease, as far as is known; null: nobody. Also while this process does.</summary>
    public string? Leader => _leader;

    /// <summary>
    /// Raised when <see cref="Leader"/> changed, on the elector's own task; <see cref="IsLeader"/> and <see cref="LeadUntil"/> have changed before.
    /// Handlers are quick and do not throw.
    /// </summary>
    public event Action<string?>? LeaderChanged;

    /// <summary>
    /// Until when this process may begin to write (a timestamp of the clock it was given), if it does not renew the lease before; in the past: it
    /// does not lead. The lease holds for longer, by <see cref="LeaderElectionOptions.LeaseDuration"/> less
    /// <see cref="LeaderElectionOptions.RenewDeadline"/>, so that what was begun can end.
    /// </summary>
    public long LeadUntil => Interlocked.Read(ref _leadUntil);

    /// <summary>
    /// Whether this process leads now. To be asked right before each write: it holds by the clock, whether or not the work has heard of the end yet.
    /// </summary>
    public bool IsLeader => time.GetTimestamp() < LeadUntil;

    /// <summary>
    /// Waits for the lease, runs <paramref name="lead"/> for as long as it is held, and starts over; until cancelled. The token given to
    /// <paramref name="lead"/> is cancelled, and <paramref name="lead"/> awaited, before the lease is released. Work that does not end within 5 s
    /// after that keeps the lease from being released: it runs out by itself, and this process does not take it again before that work has ended.
    /// Work that ends or fails by itself costs the lease, and is begun again later, if nobody else has taken over.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled, and the lease was released.</exception>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        while (true)
        {
            await AcquireAsync(cancellationToken);
            await LeadAsync(lead, cancellationToken);
        }
    }

    private async Task AcquireAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var delay = _options.RetryPeriod * (1 + (Random.Shared.NextDouble() / 5));
            switch (await AttemptAsync(_options.RenewDeadline / 2, cancellationToken))
            {
                case Outcome.Held:
                    return;
                case Outcome.HeldByOther:
                    SetLeader(_lease.Holder);
                    // the time at which a lease runs out is no secret: a lease that is not renewed is not left lying
                    var left = _lease.Left + TimeSpan.FromMilliseconds(1);
                    if (left < delay)
                        delay = left;
                    break;
            }

            await Task.Delay(delay, time, cancellationToken);
        }
    }

    private async Task LeadAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        Extend();
        SetLeader(_options.Identity);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var work = Task.Run(() => lead(stop.Token), CancellationToken.None);
        var end = await RenewAsync(work, cancellationToken);

        Interlocked.Exchange(ref _leadUntil, long.MinValue);
        SetLeader(end == End.TakenByOther ? _lease.Holder : null);
        if (end is End.TakenByOther or End.NotRenewed)
        {
            Log.LeadLost(logger, _name, end == End.NotRenewed
                ? $"it could not be renewed for {_options.RenewDeadline.TotalSeconds:0.#} s" : $"{_lease.Holder ?? "somebody"} took it");
        }

        var hasFailed = end == End.WorkEnded;
        await stop.CancelAsync();
        if (await HasEndedAsync(work))
        {
            if (end is End.WorkEnded or End.Cancelled)
                await ReleaseAsync();
            // cancelled or not, work that ended by an error of its own is worth a word
            if (hasFailed || (work.IsFaulted && work.Exception.InnerException is not OperationCanceledException))
            {
                var delay = _backoff.Next(time.GetElapsedTime(began));
                Log.LeadEnded(logger, _name, delay.TotalSeconds, work.Exception?.InnerException);
                await Task.Delay(delay, time, cancellationToken);
            }
        }
        else
        {
            Log.LeadDoesNotEnd(logger, _name, EndLimit.TotalSeconds);
            await ((Task)Task.WhenAny(work)).WaitAsync(cancellationToken);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Renews the lease until there is a reason not to.</summary>
    private async Task<End> RenewAsync(Task work, CancellationToken cancellationToken)
    {
        while (true)
        {
            var left = Left();
            if (left <= TimeSpan.Zero)
                return End.NotRenewed;
            using (var awake = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                await Task.WhenAny(work, Task.Delay(left < _options.RetryPeriod ? left : _options.RetryPeriod, time, awake.Token));
                await awake.CancelAsync();
            }

            left = Left();
            if (cancellationToken.IsCancellationRequested)
                return End.Cancelled;
            if (work.IsCompleted)
                return End.WorkEnded;
            if (left <= TimeSpan.Zero)
                return End.NotRenewed;
            var bound = _options.RenewDeadline / 2;
            try
            {
                switch (await AttemptAsync(left < bound ? left : bound, cancellationToken))
                {
                    case Outcome.Held:
                        Extend();
                        break;
                    case Outcome.HeldByOther:
                        return End.TakenByOther;
                }
            }
            catch (OperationCanceledException)
            {
                return End.Cancelled;
            }
        }
    }

    private async Task<Outcome> AttemptAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            var isHeld = await _lease.TryAsync(either.Token);
            if (_isUnreachable)
            {
                _isUnreachable = false;
                Log.LeaseReachable(logger, _name);
            }

            return isHeld ? Outcome.Held : Outcome.HeldByOther;
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!_isUnreachable)
            {
                _isUnreachable = true;
                Log.LeaseUnreachable(logger, _name, late.IsCancellationRequested ? $"no answer within {limit.TotalSeconds:0.#} s" : e.Message);
            }

            return Outcome.Unknown;
        }
    }

    private async Task<bool> HasEndedAsync(Task work)
    {
        try
        {
            await work.WaitAsync(EndLimit, time, CancellationToken.None);
        }
        catch (Exception) when (work.IsCompleted)
        {
            // how it ended is looked at afterwards
        }
        catch (TimeoutException)
        {
            return false;
        }

        return true;
    }

    /// <summary>Even when the process is being ended: it is what lets another lead at once.</summary>
    private async Task ReleaseAsync()
    {
        using var late = new CancellationTokenSource(ReleaseLimit, time);
        try
        {
            await _lease.ReleaseAsync(late.Token);
            Log.Released(logger, _name);
        }
        catch (Exception e)
        {
            Log.NotReleased(logger, _name, late.IsCancellationRequested ? $"no answer within {ReleaseLimit.TotalSeconds:0.#} s" : e.Message);
        }
    }

    private TimeSpan Left() => time.GetElapsedTime(time.GetTimestamp(), LeadUntil);

    private void Extend() => Interlocked.Exchange(
        ref _leadUntil, _lease.RenewedAt + (long)(_options.RenewDeadline.TotalSeconds * time.TimestampFrequency));

    private void SetLeader(string? leader)
    {
        if (_leader == leader)
            return;
        _leader = leader;
        if (leader == _options.Identity)
            Log.Leads(logger, _name, leader);
        else if (leader is not null)
            Log.LeaderSeen(logger, _name, leader);
        foreach (var handler in Delegate.EnumerateInvocationList(LeaderChanged))
        {
            try
            {
                handler(leader);
            }
            catch (Exception e)
            {
                Log.LeaderHandlerFailed(logger, _name, e);
            }
        }
    }

    private enum Outcome
    {
        Held,
        HeldByOther,
        Unknown,
    }

    private enum End
    {
        Cancelled,
        WorkEnded,
        TakenByOther,
        NotRenewed,
    }
}
