namespace WgMesh.Kubernetes;

/// <summary>So many actions per second, and after a time of rest a burst of so many at once. Thread-safe.</summary>
public sealed class TokenBucket(double perSecond, int burst, TimeProvider time)
{
    private readonly Lock _gate = new();
    private double _tokens = burst;
    private long _filledAt = time.GetTimestamp();

    /// <summary>Waits for the next action's turn.</summary>
    public async Task TakeAsync(CancellationToken cancellationToken)
    {
        while (Wait() is { } wait)
            await Task.Delay(wait, time, cancellationToken);
    }

    /// <summary>How long until there may be a turn; null: it is now, and taken.</summary>
    private TimeSpan? Wait()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            _tokens = Math.Min(burst, _tokens + (time.GetElapsedTime(_filledAt, now).TotalSeconds * perSecond));
            _filledAt = now;
            if (_tokens < 1)
                return TimeSpan.FromMilliseconds(Math.Ceiling((1 - _tokens) / perSecond * 1000));

            _tokens--;
            return null;
        }
    }
}
