using WgMesh.Kubernetes;

namespace WgMesh.Operator.Reconciling;

/// <summary>Says once a minute for each kind of failure what failed, and how many more did: a thousand objects may fail alike. Thread-safe.</summary>
internal sealed class FailureLog(ILogger logger, TimeProvider time)
{
    internal static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long SaidAt, int Unsaid)> _kinds = new(StringComparer.Ordinal);

    /// <summary>Could not bring <paramref name="what"/> in order.</summary>
    public void Failed(string what, Exception e)
    {
        var kind = e is ApiException { StatusCode: var code } ? $"{code}" : e.GetType().Name;
        int unsaid;
        lock (_lock)
        {
            if (_kinds.TryGetValue(kind, out var before) && time.GetElapsedTime(before.SaidAt) < Interval)
            {
                _kinds[kind] = before with { Unsaid = before.Unsaid + 1 };
                return;
            }

            unsaid = before.Unsaid;
            _kinds[kind] = (time.GetTimestamp(), 0);
        }

        Log.ReconcileFailed(logger, unsaid == 0 ? what : $"{what} (and {unsaid} times more, this or others like it)", e.Message);
    }
}
