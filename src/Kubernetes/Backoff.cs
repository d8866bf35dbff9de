namespace WgMesh.Kubernetes;

/// <summary>
/// How long to wait after a failure: 0.8 to 1.6 s, then twice as long each time up to 30 s, of which a random part up to a half is left out so
/// that a server which comes back is not called by all at once.
/// </summary>
internal sealed class Backoff
{
    internal static readonly TimeSpan First = TimeSpan.FromSeconds(0.8);
    internal static readonly TimeSpan Most = TimeSpan.FromSeconds(30);

    /// <summary>What goes well for so long has nothing to do with the failures before.</summary>
    internal static readonly TimeSpan Health = TimeSpan.FromMinutes(2);

    private int _failures;

    /// <summary>After one more failure.</summary>
    /// <param name="healthy">For how long all went well before it.</param>
    public TimeSpan Next(TimeSpan healthy)
    {
        if (healthy >= Health)
            _failures = 0;
        var most = First * Math.Pow(2, ++_failures);
        if (most > Most)
            most = Most;
        return most * (1 - (Random.Shared.NextDouble() / 2));
    }
}
