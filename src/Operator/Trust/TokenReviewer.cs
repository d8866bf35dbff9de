using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Trust;

/// <summary>
/// Finds out from the API server who calls, and remembers it for a while, by the token's hash: an answer holds for a minute, a refusal for
/// some seconds, and none beyond the token's own end. Calls that come with one token at one time share one question. While the API server
/// cannot be asked, who was known stays known for some minutes. Thread-safe.
/// </summary>
/// <param name="lookup">Asks for the owner of a token.</param>
/// <param name="metrics">Counts the questions.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told when the API server cannot be asked.</param>
internal sealed class TokenReviewer(
    Func<string, CancellationToken, Task<TokenVerdict>> lookup, OperatorMetrics metrics, TimeProvider time, ILogger<TokenReviewer> logger)
    : IAuthenticator
{
    /// <summary>So long is a caller taken for good without asking again.</summary>
    public static readonly TimeSpan GoodFor = TimeSpan.FromMinutes(1);

    /// <summary>So long is a refusal repeated without asking again.</summary>
    public static readonly TimeSpan BadFor = TimeSpan.FromSeconds(5);

    /// <summary>So much longer is a caller taken for good if the API server cannot be asked.</summary>
    public static readonly TimeSpan GoodLongerUnasked = TimeSpan.FromMinutes(5);

    /// <summary>So long after the API server could not be asked about a caller it is not asked about it again.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    /// <summary>A question that takes longer has no answer.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>In characters: the tokens of service accounts have some 1,200.</summary>
    private const int LongestToken = 16 * 1024;

    /// <summary>Entries: what is remembered is bounded whatever comes.</summary>
    private const int MostGood = 16_384, MostBad = 1_024;

    /// <summary>Questions: so many are asked at one time, and so many wait.</summary>
    private const int MostAsked = 64, MostWaiting = 8_192;

    private static readonly TokenVerdict TooMany =
        new(null, StatusCode.Unavailable, "too many tokens come from this address that nobody knows; try again in some seconds");

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _good = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Entry> _bad = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Task<TokenVerdict>> _pending = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _slots = new(MostAsked);
    private readonly RefusalBudget _refusals = new(time);
    private bool _isAway;

    /// <inheritdoc/>
    public TimeSpan RecheckInterval => TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public async ValueTask<Caller?> AuthenticateAsync(string? authorization, string from, CancellationToken cancellationToken)
    {
        const string scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            return null;
        var token = authorization[scheme.Length..].Trim();
        if (token.Length is 0 or > LongestToken)
            return null;

        var (known, review) = Begin(token, from);
        var verdict = known ?? await review!.WaitAsync(cancellationToken);
        return verdict.Caller ?? throw new RpcException(new Status(verdict.Code, verdict.Detail));
    }

    /// <summary>What is known, or the question that will tell.</summary>
    private (TokenVerdict? Known, Task<TokenVerdict>? Review) Begin(string token, string from)
    {
        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        lock (_lock)
        {
            var known = _good.GetValueOrDefault(key);
            if ((known ?? _bad.GetValueOrDefault(key)) is { } entry && IsFresh(entry))
                return (entry.Verdict, null);
            if (_pending.TryGetValue(key, out var pending))
                return (null, pending);
            if (known is null && (_pending.Count >= MostWaiting || !_refusals.Allows(from)))
                return (TooMany, null);

            // on a thread of its own, so that it cannot end before it is pending
            var review = Task.Run(() => ReviewAsync(key, token, from, isKnown: known is not null));
            _pending.Add(key, review);
            return (null, review);
        }
    }

    // no caller's leaving ends it: others may wait for it
    private async Task<TokenVerdict> ReviewAsync(string key, string token, string from, bool isKnown)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        try
        {
            await _slots.WaitAsync(limit.Token);
            try
            {
                lock (_lock)
                {
                    if (!isKnown && !_refusals.Allows(from))
                        return TooMany; // others were refused while this one waited
                }

                return Remember(key, token, from, await lookup(token, limit.Token));
            }
            finally
            {
                _slots.Release();
            }
        }
        catch (ApiException e) when (e.StatusCode is 400 or 413 or 422)
        {
            return Remember(key, token, from, TokenVerdict.Unauthenticated("the API server cannot make sense of the token"));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return Unasked(key, e is OperationCanceledException ? $"no answer within {Limit.TotalSeconds:0} s" : e.Message);
        }
        finally
        {
            lock (_lock)
                _pending.Remove(key);
        }
    }

    private TokenVerdict Remember(string key, string token, string from, TokenVerdict verdict)
    {
        var isGood = verdict.Caller is not null;
        metrics.TokenReviewed(isGood ? TokenOutcome.Accepted : TokenOutcome.Refused);
        lock (_lock)
        {
            if (_isAway)
                Log.TokensCheckedAgain(logger);
            _isAway = false;

            var now = time.GetTimestamp();
            var entry = new Entry(verdict, now, TokenClaims.Read(token)?.Expires);
            _good.Remove(key);
            _bad.Remove(key);
            if (isGood)
            {
                Put(_good, MostGood, key, entry);
            }
            else
            {
                _refusals.Refused(from);
                Put(_bad, MostBad, key, entry);
            }
        }

        return verdict;
    }

    private TokenVerdict Unasked(string key, string reason)
    {
        metrics.TokenReviewed(TokenOutcome.Failed);
        lock (_lock)
        {
            if (!_isAway)
                Log.TokensNotChecked(logger, GoodLongerUnasked.TotalMinutes, reason);
            _isAway = true;

            // also of a token that is over by now: nothing new begins with it, but a stream that is open would find no way back
            if (!_good.TryGetValue(key, out var known) || time.GetElapsedTime(known.AsOf) >= GoodFor + GoodLongerUnasked
                || known.Expires <= time.GetUtcNow())
            {
                return new TokenVerdict(null, StatusCode.Unavailable, "the operator cannot ask the API server about the token now; try again later");
            }

            known.Unasked = time.GetTimestamp();
            return known.Verdict;
        }
    }

    private bool IsFresh(Entry entry)
    {
        var age = time.GetElapsedTime(entry.AsOf);
        if (entry.Verdict.Caller is null)
            return age < BadFor;
        if (entry.Expires <= time.GetUtcNow())
            return false;
        var isUnasked = entry.Unasked is { } unasked && time.GetElapsedTime(unasked) < Retry;
        return age < (isUnasked ? GoodFor + GoodLongerUnasked : GoodFor);
    }

    private static void Put(Dictionary<string, Entry> entries, int most, string key, Entry entry)
    {
        if (entries.Count >= most)
        {
            // half of them: seldom, and not one by one
            var middle = entries.Values.Select(each => each.AsOf).Order().ElementAt(entries.Count / 2);
            foreach (var old in entries.Where(each => each.Value.AsOf <= middle).Select(each => each.Key).ToList())
                entries.Remove(old);
        }

        entries.Add(key, entry);
    }

    private sealed class Entry(TokenVerdict verdict, long asOf, DateTimeOffset? expires)
    {
        public TokenVerdict Verdict { get; } = verdict;

        /// <summary>When the API server said so.</summary>
        public long AsOf { get; } = asOf;

        /// <summary>As the token says.</summary>
        public DateTimeOffset? Expires { get; } = expires;

        /// <summary>When it could not be asked last; null: it could.</summary>
        public long? Unasked { get; set; }
    }
}
