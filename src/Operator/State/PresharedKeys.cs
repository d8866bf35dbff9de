using System.Collections.Immutable;
using System.Text;
using WgMesh.Engine;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>The preshared keys that peers refer to, as far as they could be read.</summary>
/// <param name="Values">Without those that are not there, or are no preshared keys.</param>
/// <param name="Problems">What must not be read or could not, one sentence each.</param>
internal sealed record PresharedKeySet(ImmutableDictionary<SecretReference, SecretKey> Values, ImmutableArray<string> Problems)
{
    public static readonly PresharedKeySet Empty = new(ImmutableDictionary<SecretReference, SecretKey>.Empty, []);
}

/// <summary>
/// Reads the Secrets that peers refer to, each by its name, so that nothing more need be allowed than those: again every minute, and at once
/// when a peer refers to another. While the API server cannot say, what it said last holds.
/// </summary>
internal sealed class PresharedKeys(KubernetesClient client, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>A Secret that cannot be read at the start keeps the whole mesh waiting no longer than this.</summary>
    private static readonly TimeSpan LongestFirstLook = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    /// <summary>Calls at a time, and the time that one of them takes at least: a thousand Secrets are not read in one moment.</summary>
    private const int Readers = 4;

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<(string Namespace, string Name), Answer> _answers = [];
    private readonly Latest<References> _wanted = new(new([]));

    /// <summary>The keys now.</summary>
    public PresharedKeySet Current { get; private set; } = PresharedKeySet.Empty;

    /// <summary>Raised after <see cref="Current"/> changed, by one call at a time.</summary>
    public event Action? Changed;

    /// <summary>Says which keys are referred to. Calls do not overlap.</summary>
    public void Want(ImmutableHashSet<SecretReference> references)
    {
        if (!_wanted.Value.All.SetEquals(references))
            _wanted.Publish(new(references));
    }

    /// <summary>Ends when every Secret that is wanted has been asked for and the API server had an answer, or has had none for half a minute.</summary>
    public async Task LookUpFirstAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (!await LookUpAsync(_wanted.Value.All, onlyNew: true, cancellationToken) && time.GetElapsedTime(started) < LongestFirstLook)
            await Task.Delay(Retry, time, cancellationToken);
    }

    /// <summary>Keeps the keys up to date until cancelled, after <see cref="LookUpFirstAsync"/>.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var seen = _wanted.Value;
        var read = time.GetTimestamp();
        while (true)
        {
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var rest = Interval - time.GetElapsedTime(read);
            var due = Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, waiting.Token);
            var next = _wanted.NextAsync(seen, waiting.Token);
            await Task.WhenAny(due, next);
            var isDue = due.IsCompleted;
            await waiting.CancelAsync();
            await ((Task)Task.WhenAll(due, next)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();

            seen = _wanted.Value;
            if (isDue)
                read = time.GetTimestamp();
            await LookUpAsync(seen.All, onlyNew: !isDue, cancellationToken);
        }
    }

    /// <summary>Whether the API server had an answer to everything.</summary>
    private async Task<bool> LookUpAsync(ImmutableHashSet<SecretReference> wanted, bool onlyNew, CancellationToken cancellationToken)
    {
        var secrets = wanted.Select(reference => (reference.Namespace, reference.Name)).ToHashSet();
        foreach (var gone in _answers.Keys.Where(secret => !secrets.Contains(secret)).ToList())
            _answers.Remove(gone);

        var asked = secrets.Where(secret => !onlyNew || !_answers.TryGetValue(secret, out var answer) || answer.Failure is not null).ToList();
        var answers = new Answer[asked.Count];
        await Parallel.ForAsync(0, asked.Count, new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellationToken },
            async (index, cancellation) =>
            {
                answers[index] = await ReadAsync(asked[index].Namespace, asked[index].Name, cancellation);
                if (asked.Count > Readers)
                    await Task.Delay(Pace, time, cancellation);
            });
        for (var i = 0; i < asked.Count; i++)
            _answers[asked[i]] = answers[i].Failure is null ? answers[i] : answers[i] with { Secret = _answers.GetValueOrDefault(asked[i])?.Secret };

        Publish(wanted);
        return answers.All(answer => answer.Failure is null);
    }

    private async Task<Answer> ReadAsync(string space, string name, CancellationToken cancellationToken)
    {
        try
        {
            return new Answer(await client.FindAsync(ResourceTypes.Secrets, name, space, cancellationToken));
        }
        catch (ApiException e) when (e.StatusCode == 403)
        {
            return new Answer(null, Problem: $"Secret {space}/{name}: the operator must not read it; allow its service account to get it " +
                $"(a Role in namespace {space} with apiGroups [\"\"], resources [\"secrets\"], resourceNames [\"{name}\"], verbs [\"get\"], and a RoleBinding)");
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.SecretNotRead(logger, space, name, e.Message);
            return new Answer(null, Failure: $"Secret {space}/{name}: it cannot be read now; what was read before stays in force");
        }
    }

    private void Publish(ImmutableHashSet<SecretReference> wanted)
    {
        var before = Current;
        var values = before.Values.RemoveRange(before.Values.Keys.Where(reference => !wanted.Contains(reference)));
        foreach (var reference in wanted)
        {
            var key = _answers.GetValueOrDefault((reference.Namespace, reference.Name))?.Secret?.Find(reference.Key) is { } bytes
                ? SecretKey.ParseBase64(Encoding.UTF8.GetString(bytes).Trim())
                : null;
            if (key is null)
                values = values.Remove(reference);
            else if (!key.Equals(values.GetValueOrDefault(reference)))
                values = values.SetItem(reference, key);
        }

        ImmutableArray<string> problems =
            [.. _answers.Values.Select(answer => answer.Problem ?? answer.Failure).OfType<string>().Order(StringComparer.Ordinal)];
        if (problems.SequenceEqual(before.Problems, StringComparer.Ordinal))
            problems = before.Problems;
        if (values == before.Values && problems == before.Problems)
            return;

        Current = new PresharedKeySet(values, problems);
        Changed?.Invoke();
    }

    /// <param name="Secret">Null: there is none, or it must not be read.</param>
    /// <param name="Problem">Why it must not be read.</param>
    /// <param name="Failure">That there was no answer.</param>
    private sealed record Answer(Secret? Secret, string? Problem = null, string? Failure = null);

    private sealed record References(ImmutableHashSet<SecretReference> All);
}
