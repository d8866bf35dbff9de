namespace WgMesh.Kubernetes;

/// <summary>
/// A Lease as one candidate sees it. Whether another's lease has run out is judged by when it was last seen to change and by the duration that it
/// states; the times in it were written by other clocks, and mean nothing here.
/// </summary>
internal sealed class LeaseHold(KubernetesClient client, LeaderElectionOptions options, TimeProvider time)
{
    private Lease? _lease;   // as the server has it as far as is known; null: it has to be read
    private Record? _observed;
    private long _observedAt;

    /// <summary>Who holds it; null: nobody.</summary>
    public string? Holder => string.IsNullOrEmpty(_observed?.Holder) ? null : _observed.Holder;

    /// <summary>When the request was sent by which this candidate last took or renewed the lease (timestamp): others have seen it later.</summary>
    public long RenewedAt { get; private set; }

    /// <summary>For how long others have to leave it alone, unless it is renewed.</summary>
    public TimeSpan Left
    {
        get
        {
            if (Holder is null)
                return TimeSpan.Zero;
            var left = _observed!.Duration - time.GetElapsedTime(_observedAt);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>Takes the lease if it may be taken, or renews it. Whether this candidate holds it now.</summary>
    /// <exception cref="Exception">The server could not be asked, or did not answer: nobody knows whether the lease was written.</exception>
    public async Task<bool> TryAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            // a holder that knows the version needs not read
            if (_lease is null || Holder != options.Identity)
                await ReadAsync(cancellationToken);
            if (Holder != options.Identity && Left > TimeSpan.Zero)
                return false;
            var sent = time.GetTimestamp();
            try
            {
                await WriteAsync(Renewed, cancellationToken);
                RenewedAt = sent;
                return true;
            }
            catch (ApiException e) when (e.StatusCode is 409 or 404 && attempt < 3)
            {
                // it is not as it was, or no longer there: look again
            }
        }
    }

    /// <summary>Lets go of the lease, if this candidate holds it, so that another can take it at once.</summary>
    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (_lease is null)
                await ReadAsync(cancellationToken);
            if (_lease is null || Holder != options.Identity)
                return;
            try
            {
                await WriteAsync(Released, cancellationToken);
                return;
            }
            catch (ApiException e) when (e.StatusCode is 409 or 404 && attempt < 3)
            {
                // it is not as it was, or no longer there: look again
            }
        }
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        _lease = await client.FindAsync(ResourceTypes.Leases, options.Name, options.Namespace, cancellationToken);
        Observe();
    }

    private async Task WriteAsync(Action<LeaseSpec> change, CancellationToken cancellationToken)
    {
        // until the server has said so the change is not there
        var lease = _lease;
        _lease = null;
        if (lease is null)
        {
            lease = new Lease { Metadata = { Name = options.Name, Namespace = options.Namespace } };
            change(lease.Spec);
            _lease = await client.CreateAsync(ResourceTypes.Leases, lease, cancellationToken);
        }
        else
        {
            change(lease.Spec);
            _lease = await client.ReplaceAsync(ResourceTypes.Leases, lease, cancellationToken);
        }

        Observe();
    }

    private void Renewed(LeaseSpec spec)
    {
        var now = time.GetUtcNow();
        if (spec.HolderIdentity != options.Identity)
        {
            spec.LeaseTransitions = spec.HolderIdentity is null ? spec.LeaseTransitions ?? 0 : (spec.LeaseTransitions ?? 0) + 1;
            spec.HolderIdentity = options.Identity;
            spec.AcquireTime = now;
        }

        spec.LeaseDurationSeconds = (int)options.LeaseDuration.TotalSeconds;
        spec.RenewTime = now;
    }

    private void Released(LeaseSpec spec)
    {
        var now = time.GetUtcNow();
        spec.HolderIdentity = "";
        spec.LeaseDurationSeconds = 1;
        spec.AcquireTime = now;
        spec.RenewTime = now;
    }

    private void Observe()
    {
        var seen = _lease is null ? null : new Record(
            _lease.Metadata.Uid,
            _lease.Spec.HolderIdentity,
            _lease.Spec.LeaseDurationSeconds is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : options.LeaseDuration,
            _lease.Spec.AcquireTime,
            _lease.Spec.RenewTime,
            _lease.Spec.LeaseTransitions);
        if (seen == _observed)
            return;
        _observed = seen;
        _observedAt = time.GetTimestamp();
    }

    private sealed record Record(string? Uid, string? Holder, TimeSpan Duration, DateTimeOffset? AcquiredAt, DateTimeOffset? RenewedAt, int? Transitions);
}
