using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Reconciling;

namespace WgMesh.Operator.Tests.State;

/// <summary>What comes before what when Secrets are read: the server answers when the test says, and the clock stands still.</summary>
public sealed class PresharedKeysOrderTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly SecretServer _server = new();
    private readonly Warnings _log = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly KubernetesClient _client;
    private readonly PresharedKeys _keys;
    private Task _running = Task.CompletedTask;

    public PresharedKeysOrderTests()
    {
        _client = new KubernetesClient(new KubernetesClientConfiguration { Host = new Uri("http://127.0.0.1:1") }, null, [_server]);
        _keys = new PresharedKeys(_client, _time, _log);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _stopped.Dispose();
    }

    [Fact]
    public async Task A_secret_that_is_referred_to_during_the_first_look_is_read_as_soon_as_that_is_over()
    {
        var release = _server.Hang("a");
        _server.Has("b", 2);
        Want("a");
        var first = _keys.LookUpFirstAsync(_stopped.Token);
        await _server.AskedAsync("a", 1);
        Want("a", "b");
        _server.Has("a", 1);
        release.SetResult();
        await first;
        _running = _keys.RunAsync(_stopped.Token);
        await UntilHasAsync("b", 2);
        Assert.Equal(Key(1), Value("a"));
    }

    [Fact]
    public async Task A_secret_without_an_answer_keeps_the_start_waiting_for_half_a_minute_and_the_others_count_meanwhile()
    {
        _server.Hang("a");
        _server.Has("b", 2);
        Want("a", "b");
        var first = _keys.LookUpFirstAsync(_stopped.Token);
        await _server.AskedAsync("a", 1);
        await UntilHasAsync("b", 2);
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.False(first.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        await first.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Contains("Secret ns/a: it cannot be read now", Assert.Single(_keys.Current.Problems), StringComparison.Ordinal);

        _server.Has("a", 1);
        _running = _keys.RunAsync(_stopped.Token);
        await NextMinuteAsync(() => Value("a") is not null && _keys.Current.Problems.IsEmpty);
    }

    [Fact]
    public async Task A_new_reference_does_not_wait_for_the_reading_of_every_minute()
    {
        _server.Has("a", 1);
        _server.Has("b", 2);
        await StartAsync("a");
        _server.Hang("a");
        await NextMinuteAsync(() => _server.Asked("a") == 2);
        Want("a", "b");
        await UntilHasAsync("b", 2);
        Assert.Equal(Key(1), Value("a"));
    }

    [Fact]
    public async Task The_newest_answer_counts_and_none_at_all_changes_nothing()
    {
        _server.Has("a", 1);
        _server.Refuses("b", HttpStatusCode.Forbidden);
        await StartAsync("a", "b", "c");
        Assert.Equal([Reference("a")], _keys.Current.Values.Keys);
        Assert.Contains("Secret ns/b: the operator must not read it", Assert.Single(_keys.Current.Problems), StringComparison.Ordinal);

        _server.Has("a", 3);
        _server.Has("b", 4);
        await NextMinuteAsync(() => Key(3).Equals(Value("a")) && Key(4).Equals(Value("b")) && _keys.Current.Problems.IsEmpty);

        _server.Refuses("a", HttpStatusCode.InternalServerError);
        _server.HasNot("b");
        await NextMinuteAsync(() => Value("b") is null && _keys.Current.Problems.Length == 1);
        Assert.Equal(Key(3), Value("a"));

        // nobody refers to it, nobody asks for it
        Want("c");
        await WaitAsync(() => _keys.Current.Values.IsEmpty && _keys.Current.Problems.IsEmpty);
    }

    [Fact]
    public async Task Many_secrets_that_cannot_be_read_are_told_of_once_until_all_can_be()
    {
        string[] names = ["a", "b", "c"];
        await StartAsync(names);
        for (var outage = 1; outage <= 2; outage++)
        {
            foreach (var name in names)
                _server.Refuses(name, HttpStatusCode.InternalServerError);
            var asked = _server.Asked("c");
            await NextMinuteAsync(() => _keys.Current.Problems.Length == 3 && _server.Asked("c") >= asked + 3);
            Assert.Equal(outage, _log.Lines.Count);
            foreach (var name in names)
                _server.HasNot(name);
            asked = _server.Asked("c");
            await NextMinuteAsync(() => _keys.Current.Problems.IsEmpty && _server.Asked("c") >= asked + 3);
        }
    }

    private static SecretReference Reference(string name) => new("ns", name, "k");

    private static SecretKey Key(byte number) => SecretKey.ParseBase64(KeyText(number))!;

    private static string KeyText(byte number) => Convert.ToBase64String(Enumerable.Repeat(number, 32).ToArray());

    private SecretKey? Value(string name) => _keys.Current.Values.GetValueOrDefault(Reference(name));

    private void Want(params string[] names) => _keys.Want([.. names.Select(Reference)]);

    private async Task StartAsync(params string[] names)
    {
        Want(names);
        await _keys.LookUpFirstAsync(_stopped.Token);
        _running = _keys.RunAsync(_stopped.Token);
    }

    private Task UntilHasAsync(string name, byte number) => WaitAsync(() => Key(number).Equals(Value(name)));

    private static Task WaitAsync(Func<bool> condition) => KubernetesObjects.WaitAsync(condition, "what was expected");

    private Task NextMinuteAsync(Func<bool> condition) => WaitAsync(() =>
    {
        if (condition())
            return true;
        if (_time.Waits.Count > 0)
            _time.Advance(_time.Waits.Max());
        return false;
    });

    /// <summary>Answers for each Secret by its name; of one that nothing is said of there is none.</summary>
    private sealed class SecretServer : DelegatingHandler
    {
        private readonly ConcurrentDictionary<string, Func<CancellationToken, Task<HttpResponseMessage>>> _answers = new();
        private readonly ConcurrentDictionary<string, int> _asked = new();
        private int _version;

        public int Asked(string name) => _asked.GetValueOrDefault(name);

        public Task AskedAsync(string name, int times) => WaitAsync(() => Asked(name) >= times);

        public void Has(string name, byte number)
        {
            var version = Interlocked.Increment(ref _version);
            _answers[name] = _ => Answer(HttpStatusCode.OK, new JsonObject
            {
                ["metadata"] = new JsonObject { ["name"] = name, ["uid"] = name, ["resourceVersion"] = $"{version}" },
                ["data"] = new JsonObject { ["k"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(KeyText(number))) },
            });
        }

        public void HasNot(string name) => _answers.TryRemove(name, out _);

        public void Refuses(string name, HttpStatusCode code) =>
            _answers[name] = _ => Answer(code, new JsonObject { ["kind"] = "Status", ["code"] = (int)code });

        /// <summary>Until it is let go, to what is the answer by then.</summary>
        public TaskCompletionSource Hang(string name)
        {
            var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _answers[name] = async token =>
            {
                await release.Task.WaitAsync(token);
                return await _answers[name](token);
            };
            return release;
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var name = request.RequestUri!.Segments[^1];
            _asked.AddOrUpdate(name, 1, (_, count) => count + 1);
            return _answers.TryGetValue(name, out var answer)
                ? answer(cancellationToken)
                : Answer(HttpStatusCode.NotFound, new JsonObject
                {
                    ["kind"] = "Status",
                    ["reason"] = "NotFound",
                    ["code"] = 404,
                    ["details"] = new JsonObject { ["name"] = name, ["kind"] = "secrets" },
                });
        }

        private static Task<HttpResponseMessage> Answer(HttpStatusCode code, JsonObject body) =>
            Task.FromResult(new HttpResponseMessage(code) { Content = new StringContent(body.ToJsonString()) });
    }

    private sealed class Warnings : ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));
    }
}
