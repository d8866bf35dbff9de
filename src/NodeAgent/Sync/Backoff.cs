namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// How long to wait before the operators are called again: 0.8 s doubled up to 30 s, of which a random half is left out so that a
/// restarted operator is not called by all agents at once.
/// </summary>
internal sealed class Backoff(Random random)
{
    internal static readonly TimeSpan First = TimeSpan.FromSeconds(0.8);
    internal static readonly TimeSpan Most = TimeSpan.FromSeconds(30);

    private int _failures;

    /// <summary>After a failure that waiting may heal.</summary>
    internal TimeSpan Next()
    {
        var delay = First * Math.Pow(2, Math.Min(_failures++, 10));
        return Jitter(delay < Most ? delay : Most);
    }

    /// <summary>After a failure that a person has to heal.</summary>
    internal TimeSpan Slow() => Jitter(Most);

    /// <summary>After a time of health.</summary>
    internal void Reset() => _failures = 0;

    private TimeSpan Jitter(TimeSpan delay) => delay * (0.5 + (random.NextDouble() / 2));
}
