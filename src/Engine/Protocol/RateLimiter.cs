namespace WgMesh.Engine.Protocol;

/// <summary>
/// A token bucket per source of handshake messages, used under load and after mac2 has shown that the source is real:
/// 20 a second with bursts of 5, per IPv4 address or IPv6 /64 (whoever has one address of a /64 has them all). Bounded:
/// when the table is full of sources that were heard lately, new ones are refused.
/// </summary>
internal sealed class RateLimiter
{
    public const int MaximumSources = 16384;

    private static readonly TimeSpan Cost = TimeSpan.FromSeconds(1) / 20;
    private static readonly TimeSpan Burst = 5 * Cost;

    private readonly Dictionary<(UInt128 Source, bool IsIPv6), Bucket> _buckets = [];
    private readonly Lock _gate = new();
    private Instant _lastSweep;

    private readonly record struct Bucket(TimeSpan Tokens, Instant At);

    public bool Allow(in Endpoint from, Instant now)
    {
        var key = (from.IsIPv6 ? from.Address >> 64 : from.Address, from.IsIPv6);
        lock (_gate)
        {
            if (!_buckets.TryGetValue(key, out var bucket))
            {
                if (_buckets.Count >= MaximumSources && !Sweep(now))
                {
                    return false;
                }

                bucket = new Bucket(Burst, now);
            }

            var tokens = bucket.Tokens + (now - bucket.At);
            tokens = tokens > Burst ? Burst : tokens;
            var allowed = tokens >= Cost;
            _buckets[key] = new Bucket(allowed ? tokens - Cost : tokens, now);
            return allowed;
        }
    }

    // a full bucket is as good as none; looked for at most once a second, so that a flood does not buy a scan per packet
    private bool Sweep(Instant now)
    {
        if (now - _lastSweep < TimeSpan.FromSeconds(1))
        {
            return false;
        }

        _lastSweep = now;
        foreach (var (source, bucket) in _buckets)
        {
            if (now - bucket.At >= Burst)
            {
                _buckets.Remove(source);
            }
        }

        return _buckets.Count < MaximumSources;
    }
}
