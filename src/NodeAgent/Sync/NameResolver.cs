using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// Looks up the names of endpoints, again and again, beside everything else: a name that fails holds nothing up, and its last
/// good answer stays.
/// </summary>
internal sealed class NameResolver(Func<string, CancellationToken, Task<IPAddress[]>> lookUp, TimeProvider time, ILogger log)
{
    // .NET does not tell the TTL of an answer; a minute is what most gateways' records have
    internal static readonly TimeSpan Refresh = TimeSpan.FromSeconds(60);
    internal static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    internal static readonly TimeSpan LookUpTimeout = TimeSpan.FromSeconds(5);
    private const int Parallelism = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);
    private TaskCompletionSource _wanted = NewSignal();

    /// <summary>Sets the names to look up; new ones are looked up at once, others are forgotten.</summary>
    internal void Want(IEnumerable<string> names)
    {
        lock (_lock)
        {
            var wanted = names.ToHashSet(StringComparer.OrdinalIgnoreCase);
            foreach (var gone in _entries.Keys.Where(name => !wanted.Contains(name)).ToArray())
            {
                _entries.Remove(gone);
            }

            var added = wanted.Count(name => _entries.TryAdd(name, new Entry(time.GetTimestamp())));
            if (added > 0)
            {
                _wanted.TrySetResult();
            }
        }
    }

    /// <summary>The last good answer, the address to use first; empty if there never was one.</summary>
    internal ImmutableArray<IPAddress> Find(string name)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(name, out var entry) ? entry.Addresses : [];
        }
    }

    /// <summary>Why the newest look-up failed; null: it did not, or is not over.</summary>
    internal string? Error(string name)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(name, out var entry) ? entry.Error : null;
        }
    }

    /// <summary>Looks up until cancelled.</summary>
    /// <param name="changed">Called after each look-up that changed an answer or an error.</param>
    /// <param name="stop">Ends it.</param>
    internal async Task RunAsync(Action changed, CancellationToken stop)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = stop };
        while (true)
        {
            var (due, wait, wanted) = Due();
            if (due.Length > 0)
            {
                await Parallel.ForEachAsync(due, options, async (name, _) =>
                {
                    if (Note(name, await LookUpAsync(name, stop)))
                    {
                        changed();
                    }
                });
                continue;
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
            await Task.WhenAny(Task.Delay(wait, time, either.Token), wanted);
            await either.CancelAsync();
            stop.ThrowIfCancellationRequested();
        }
    }

    private (string[] Due, TimeSpan Wait, Task Wanted) Due()
    {
        lock (_lock)
        {
            if (_wanted.Task.IsCompleted)
            {
                _wanted = NewSignal();
            }

            var now = time.GetTimestamp();
            // new names before those that have failed so far
            string[] due = [.. _entries.Where(e => e.Value.Due <= now).OrderBy(e => e.Value.Failures).Select(e => e.Key)];
            var next = _entries.Count > 0 ? _entries.Values.Min(e => e.Due) : now + After(Refresh);
            return (due, time.GetElapsedTime(now, Math.Max(now, next)) + TimeSpan.FromMilliseconds(1), _wanted.Task);
        }
    }

    private async Task<(IPAddress[] Addresses, string? Error)> LookUpAsync(string name, CancellationToken stop)
    {
        using var timeout = new CancellationTokenSource(LookUpTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, timeout.Token);
        try
        {
            // WaitAsync, since the system's resolver may not heed the token
            var addresses = await lookUp(name, either.Token).WaitAsync(either.Token);
            return addresses.Length > 0 ? (addresses, null) : ([], "no address");
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return ([], $"no answer within {LookUpTimeout.TotalSeconds:0} s");
        }
        catch (SocketException e)
        {
            return ([], e.Message);
        }
    }

    private bool Note(string name, (IPAddress[] Addresses, string? Error) answer)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(name, out var entry))
            {
                return false;
            }

            var before = (First: entry.Addresses.FirstOrDefault(), entry.Addresses.Length, entry.Error);
            if (answer.Error is null)
            {
                // servers rotate their answers: an address that is still good stays the first
                var keep = answer.Addresses.Where(a => a.Equals(before.First));
                entry.Addresses = [.. keep.Concat(answer.Addresses).Distinct()];
                entry.Failures = 0;
            }
            else
            {
                entry.Failures++;
                log.NameFailed(name, answer.Error);
            }

            entry.Error = answer.Error;
            var wait = answer.Error is null ? Refresh : FirstRetry * Math.Pow(2, Math.Min(entry.Failures - 1, 10));
            entry.Due = time.GetTimestamp() + After(wait < Refresh ? wait : Refresh);
            return !before.Equals((entry.Addresses.FirstOrDefault(), entry.Addresses.Length, entry.Error));
        }
    }

    private long After(TimeSpan wait) => (long)(wait.TotalSeconds * time.TimestampFrequency);

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed class Entry(long due)
    {
        internal long Due { get; set; } = due;

        internal ImmutableArray<IPAddress> Addresses { get; set; } = [];

        internal string? Error { get; set; }

        internal int Failures { get; set; }
    }
}
