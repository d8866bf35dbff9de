using System.Buffers.Text;
using System.Net;
using System.Text;
using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Distribution;
using WgMesh.Operator.Tests.Telemetry;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

[Collection(OperatorMetersCollection.Name)]
public sealed class TokenReviewerTests : IDisposable
{
    private const string Here = "ipv4:127.0.0.1";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ManualTime _time = new();
    private readonly OperatorMetrics _metrics = new(new AgentRegistry());
    private readonly ListLogger<TokenReviewer> _log = new();
    private int _asked;
    private Func<string, Task<TokenVerdict>> _answer = _ => Task.FromResult(new TokenVerdict(new Caller { Nodes = ["a"] }));

    public void Dispose() => _metrics.Dispose();

    [Fact]
    public async Task An_answer_holds_for_a_minute()
    {
        var reviewer = Open();
        Assert.Equal(["a"], (await Ask(reviewer, "one"))!.Nodes);
        _time.Advance(TimeSpan.FromSeconds(59));
        await Ask(reviewer, "one");
        Assert.Equal(1, _asked);

        _answer = _ => Task.FromResult(TokenVerdict.Unauthenticated("gone"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("gone", (await Refused(reviewer, "one", StatusCode.Unauthenticated)).Detail);
        Assert.Equal(2, _asked);
    }

    [Fact]
    public async Task A_refusal_holds_for_some_seconds()
    {
        var reviewer = Open();
        _answer = _ => Task.FromResult(new TokenVerdict(null, StatusCode.PermissionDenied, "no tool"));
        await Refused(reviewer, "one", StatusCode.PermissionDenied);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal("no tool", (await Refused(reviewer, "one", StatusCode.PermissionDenied)).Detail);
        Assert.Equal(1, _asked);

        _answer = _ => Task.FromResult(new TokenVerdict(new Caller { IsTool = true }));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True((await Ask(reviewer, "one"))!.IsTool);
    }

    [Fact]
    public async Task No_answer_holds_beyond_the_tokens_own_end()
    {
        var reviewer = Open();
        var token = Token(_time.GetUtcNow().AddSeconds(10));
        await Ask(reviewer, token);
        _time.Advance(TimeSpan.FromSeconds(9));
        await Ask(reviewer, token);
        Assert.Equal(1, _asked);
        _time.Advance(TimeSpan.FromSeconds(1));
        await Ask(reviewer, token);
        Assert.Equal(2, _asked);

        _answer = _ => Task.FromResult(TokenVerdict.Unauthenticated("expired"));
        await Refused(reviewer, token, StatusCode.Unauthenticated);
    }

    [Fact]
    public async Task A_token_that_ends_while_the_API_server_is_away_begins_nothing_and_ends_nothing()
    {
        var reviewer = Open();
        var token = Token(_time.GetUtcNow().AddMinutes(2));
        await Ask(reviewer, token);
        _answer = _ => throw new HttpRequestException("connection refused");
        _time.Advance(TimeSpan.FromMinutes(2) - TimeSpan.FromSeconds(1));
        Assert.NotNull(await Ask(reviewer, token));

        // UNAVAILABLE ends no stream that is open
        for (var minute = 0; minute < 10; minute++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            await Refused(reviewer, token, StatusCode.Unavailable);
        }

        _answer = _ => Task.FromResult(TokenVerdict.Unauthenticated("expired"));
        await Refused(reviewer, token, StatusCode.Unauthenticated);
    }

    [Fact]
    public async Task Calls_that_come_with_one_token_share_one_question_and_none_that_leaves_ends_it()
    {
        var reviewer = Open();
        var answer = new TaskCompletionSource<TokenVerdict>();
        _answer = _ => answer.Task;
        using var leaves = new CancellationTokenSource();
        var first = reviewer.AuthenticateAsync("Bearer one", Here, leaves.Token).AsTask();
        var others = Enumerable.Range(0, 10).Select(_ => Ask(reviewer, "one")).ToList();
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.WaitAsync(Patience));

        answer.SetResult(new TokenVerdict(new Caller { Nodes = ["b"] }));
        foreach (var caller in await Task.WhenAll(others).WaitAsync(Patience))
            Assert.Equal(["b"], caller!.Nodes);
        Assert.Equal(1, _asked);
    }

    [Fact]
    public async Task While_the_API_server_is_away_who_was_known_stays_known_for_some_minutes()
    {
        var reviewer = Open();
        await Ask(reviewer, "known");
        _answer = _ => throw new HttpRequestException("connection refused");

        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.NotNull(await Ask(reviewer, "known"));
        Assert.NotNull(await Ask(reviewer, "known"));
        Assert.Equal(2, _asked); // it is not asked at once again
        await Refused(reviewer, "unknown", StatusCode.Unavailable);
        Assert.Single(_log.Lines, line => line.Contains("connection refused", StringComparison.Ordinal));

        _time.Advance(TimeSpan.FromMinutes(4) - TimeSpan.FromSeconds(1));
        Assert.NotNull(await Ask(reviewer, "known"));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Refused(reviewer, "known", StatusCode.Unavailable);

        _answer = _ => Task.FromResult(new TokenVerdict(new Caller { Nodes = ["a"] }));
        Assert.NotNull(await Ask(reviewer, "known"));
        Assert.Single(_log.Lines, line => line.Contains("again", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden, StatusCode.Unavailable)]
    [InlineData(HttpStatusCode.InternalServerError, StatusCode.Unavailable)]
    [InlineData(HttpStatusCode.TooManyRequests, StatusCode.Unavailable)]
    [InlineData(HttpStatusCode.UnprocessableEntity, StatusCode.Unauthenticated)]
    public async Task Only_what_is_about_the_token_refuses_it(HttpStatusCode answered, StatusCode expected)
    {
        var reviewer = Open();
        _answer = _ => throw new ApiException((int)answered, "", "no");
        await Refused(reviewer, "one", expected);
    }

    [Fact]
    public async Task A_question_without_an_answer_is_given_up()
    {
        var reviewer = Open();
        _answer = _ => new TaskCompletionSource<TokenVerdict>().Task;
        var asking = Ask(reviewer, "one");
        var deadline = DateTime.UtcNow + Patience;
        while (!asking.IsCompleted && DateTime.UtcNow < deadline)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1);
        }

        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => asking)).StatusCode);
    }

    [Fact]
    public async Task Tokens_that_nobody_knows_are_asked_about_at_a_limited_rate_and_known_ones_do_not_suffer()
    {
        var reviewer = Open();
        await Ask(reviewer, "known");
        _answer = token => Task.FromResult(token == "known" ? new TokenVerdict(new Caller()) : TokenVerdict.Unauthenticated("unknown"));
        var before = _asked;
        for (var guess = 0; guess < 1_000; guess++)
        {
            var e = await Assert.ThrowsAsync<RpcException>(() => Ask(reviewer, $"guess{guess}"));
            Assert.Equal(guess < 200 ? StatusCode.Unauthenticated : StatusCode.Unavailable, e.StatusCode);
        }

        Assert.Equal(200, _asked - before);
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.NotNull(await Ask(reviewer, "known"));
        await Refused(reviewer, "another", StatusCode.Unauthenticated);
    }

    [Fact]
    public async Task Whoever_guesses_keeps_out_new_callers_of_no_other_address()
    {
        var reviewer = Open();
        _answer = token => Task.FromResult(
            token.StartsWith("guess", StringComparison.Ordinal) ? TokenVerdict.Unauthenticated("unknown") : new TokenVerdict(new Caller()));
        for (var guess = 0; guess < 300; guess++)
            await Assert.ThrowsAsync<RpcException>(() => Ask(reviewer, $"guess{guess}", "ipv4:192.0.2.66"));

        var e = await Assert.ThrowsAsync<RpcException>(() => Ask(reviewer, "new", "ipv4:192.0.2.66"));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        Assert.NotNull(await Ask(reviewer, "new", "ipv4:192.0.2.1"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await Ask(reviewer, "newer", "ipv4:192.0.2.66"));
    }

    [Fact]
    public async Task Many_new_callers_that_are_good_are_not_held_up()
    {
        var reviewer = Open();
        var all = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(agent => Ask(reviewer, $"agent{agent}"))).WaitAsync(Patience);
        Assert.All(all, Assert.NotNull);
        Assert.Equal(1_000, _asked);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("one")]
    [InlineData("Bearer")]
    [InlineData("Bearer  ")]
    [InlineData("Basic one")]
    public async Task What_is_no_bearer_token_is_nobody_and_costs_no_question(string? authorization)
    {
        var reviewer = Open();
        Assert.Null(await reviewer.AuthenticateAsync(authorization, Here, CancellationToken.None));
        Assert.Null(await reviewer.AuthenticateAsync("Bearer " + new string('x', 20_000), Here, CancellationToken.None));
        Assert.Equal(0, _asked);
    }

    private TokenReviewer Open() => new((token, cancellationToken) =>
    {
        Interlocked.Increment(ref _asked);
        return _answer(token).WaitAsync(cancellationToken);
    }, _metrics, _time, _log);

    private static Task<Caller?> Ask(TokenReviewer reviewer, string token, string from = Here) =>
        reviewer.AuthenticateAsync($"Bearer {token}", from, CancellationToken.None).AsTask().WaitAsync(Patience);

    private static async Task<Grpc.Core.Status> Refused(TokenReviewer reviewer, string token, StatusCode expected)
    {
        var e = await Assert.ThrowsAsync<RpcException>(() => Ask(reviewer, token));
        Assert.Equal(expected, e.StatusCode);
        return e.Status;
    }

    private static string Token(DateTimeOffset expires) =>
        "e30." + Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"exp":{{expires.ToUnixTimeSeconds()}}}""")) + ".x";
}
