namespace WgMesh.Engine.Protocol;

/// <summary>Lets a burst through, and then so many a second. Safe to be used by several threads.</summary>
internal sealed class TokenBucket(int perSecond, int burst)
{
    private readonly long _interval = 1_000_000_000 / perSecond;
    private readonly Lock _gate = new();
    private long _fullAt = long.MinValue; // when all tokens will be there again; each that is taken puts it off by an interval

    /// <returns>False if there is no token now.</returns>
    public bool TryTake(Instant now)
    {
        lock (_gate)
        {
            var fullAt = Math.Max(_fullAt, now.Nanoseconds) + _interval;
            if (fullAt - now.Nanoseconds > burst * _interval)
            {
                return false;
            }

            _fullAt = fullAt;
            return true;
        }
    }
}
