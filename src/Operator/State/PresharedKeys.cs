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
/// when a peer refers to another. While the API server cannot say, what it said last holds. Every answer counts as soon as it is there.
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

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Namespace, string Name), Answer> _answers = []; // under the gate
    private readonly Latest<References> _wanted = new(new([]));
    private bool _isFailing;                                                             // under the gate: a failure has been told of

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

    /// <summary>
    /// Ends when every Secret that was wanted has been asked for and the API server had an answer, and after half a minute at the latest: what
    /// has no answer by then cannot be read now.
    /// </summary>
    public async Task LookUpFirstAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(LongestFirstLook, time);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            while (!await LookUpAsync(Secrets(answer => answer is null or { Failure: not null }), limited.Token))
                await Task.Delay(Retry, time, limited.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            foreach (var (space, name) in Secrets(answer => answer is null))
                Take(space, name, Unread(space, name, $"no answer within {LongestFirstLook.TotalSeconds} s"));
        }
    }

    /// <summary>Keeps the keys up to date until cancelled, after <see cref="LookUpFirstAsync"/>.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => Together.RunAsync(cancellationToken, LookUpNewAsync, LookUpAgainAsync);

    // beside the other one, which may take long: it must not keep a new peer waiting
    private async Task LookUpNewAsync(CancellationToken cancellationToken)
    {
        for (var wanted = _wanted.Value; ; wanted = await _wanted.NextAsync(wanted, cancellationToken))
        {
            lock (_gate)
            {
                foreach (var gone in _answers.Keys.Where(secret => !wanted.BySecret.Contains(secret)).ToList())
                    _answers.Remove(gone);
                Publish(wanted, wanted.All);
            }

            await LookUpAsync(Secrets(answer => answer is null), cancellationToken);
        }
    }

    private async Task LookUpAgainAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            await LookUpAsync(Secrets(answer => answer is not null), cancellationToken);
    }

    /// <summary>The wanted Secrets of whose answers so far something holds; null: none yet.</summary>
    private List<(string Namespace, string Name)> Secrets(Func<Answer?, bool> predicate)
    {
        lock (_gate)
            return [.. _wanted.Value.BySecret.Select(group => group.Key).Where(secret => predicate(_answers.GetValueOrDefault(secret)))];
    }

    /// <summary>Whether the API server had an answer to everything.</summary>
    private async Task<bool> LookUpAsync(List<(string Namespace, string Name)> secrets, CancellationToken cancellationToken)
    {
        await Parallel.ForAsync(0, secrets.Count, new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellationToken },
            async (index, cancellation) =>
            {
                var (space, name) = secrets[index];
                Take(space, name, await ReadAsync(space, name, cancellation));
                if (secrets.Count > Readers)
                    await Task.Delay(Pace, time, cancellation);
            });
        lock (_gate)
        {
            var wanted = _wanted.Value;
            _isFailing = _answers.Any(entry => entry.Value.Failure is not null && wanted.BySecret.Contains(entry.Key));
            return !_isFailing;
        }
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
            return Unread(space, name, e.Message);
        }
    }

    private static Answer Unread(string space, string name, string reason) =>
        new(null, Failure: $"Secret {space}/{name}: it cannot be read now; what was read before stays in force", Reason: reason);

    private void Take(string space, string name, Answer answer)
    {
        lock (_gate)
        {
            var wanted = _wanted.Value;
            if (!wanted.BySecret.Contains((space, name)))
                return;

            var before = _answers.GetValueOrDefault((space, name));
            if (answer.Failure is not null)
            {
                answer = answer with { Secret = before?.Secret };
                if (!_isFailing)
                    Log.SecretsNotRead(logger, space, name, answer.Reason!);
                _isFailing = true;
            }

            _answers[(space, name)] = answer;
            if (before is null || !answer.SaysTheSameAs(before))
                Publish(wanted, wanted.BySecret[(space, name)]);
        }
    }

    // under the gate
    private void Publish(References wanted, IEnumerable<SecretReference> changed)
    {
        var before = Current;
        var values = before.Values.RemoveRange(before.Values.Keys.Where(reference => !wanted.All.Contains(reference)));
        foreach (var reference in changed)
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
    /// <param name="Reason">Why there was none.</param>
    private sealed record Answer(Secret? Secret, string? Problem = null, string? Failure = null, string? Reason = null)
    {
        public bool SaysTheSameAs(Answer other) =>
            Problem == other.Problem && Failure == other.Failure
            && (ReferenceEquals(Secret, other.Secret)
                || (Secret?.Metadata is { ResourceVersion: not null } mine && other.Secret?.Metadata is { } theirs
                    && mine.ResourceVersion == theirs.ResourceVersion && mine.Uid == theirs.Uid));
    }

    private sealed record References(ImmutableHashSet<SecretReference> All)
    {
        public ILookup<(string Namespace, string Name), SecretReference> BySecret { get; } =
            All.ToLookup(reference => (reference.Namespace, reference.Name));
    }
}
