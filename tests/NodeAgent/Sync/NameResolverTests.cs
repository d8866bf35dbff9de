using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using WgMesh.NodeAgent.Sync;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class NameResolverTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly ConcurrentDictionary<string, string[]> _answers = new();
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly NameResolver _names;
    private readonly Task _running;
    private int _changes;

    public NameResolverTests()
    {
        _names = new NameResolver(LookUp, _time, new RecordingLog());
        _running = _names.RunAsync(() => Interlocked.Increment(ref _changes), _stop.Token);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);
        _stop.Dispose();
    }

    [Fact]
    public async Task A_new_name_is_looked_up_at_once()
    {
        _answers["gw"] = ["192.0.2.1"];
        _names.Want(["gw"]);

        await Wait.Until(() => Found("gw") == "192.0.2.1");
    }

    [Fact]
    public async Task A_name_is_looked_up_again_and_followed()
    {
        _answers["gw"] = ["192.0.2.1"];
        _names.Want(["gw"]);
        await Wait.Until(() => Found("gw") == "192.0.2.1");

        _answers["gw"] = ["192.0.2.2"];
        await Wait.Until(() => Found("gw") == "192.0.2.2", () => _time.Advance(TimeSpan.FromSeconds(1)));
        await Wait.Until(() => Volatile.Read(ref _changes) >= 2);
    }

    [Fact]
    public async Task An_answer_in_another_order_keeps_the_address_in_use()
    {
        _answers["gw"] = ["192.0.2.1", "192.0.2.2"];
        _names.Want(["gw"]);
        await Wait.Until(() => Found("gw") is not null);

        _answers["gw"] = ["192.0.2.2", "192.0.2.1"];
        await Wait.Until(() => _asked.Count >= 3, () => _time.Advance(NameResolver.Refresh));

        Assert.Equal("192.0.2.1", Found("gw"));
        Assert.Equal(1, Volatile.Read(ref _changes));
    }

    [Fact]
    public async Task A_name_that_fails_keeps_its_last_good_answer_and_says_so()
    {
        _answers["gw"] = ["192.0.2.1"];
        _names.Want(["gw"]);
        await Wait.Until(() => Found("gw") is not null);

        _answers.Clear();
        await Wait.Until(() => _names.Error("gw") is not null, () => _time.Advance(TimeSpan.FromSeconds(1)));

        Assert.Equal("192.0.2.1", Found("gw"));
    }

    [Fact]
    public async Task A_name_that_hangs_holds_no_other_up()
    {
        _answers["hangs"] = [];
        _answers["gw"] = ["192.0.2.1"];
        _names.Want(["hangs", "gw"]);
        await Wait.Until(() => Found("gw") == "192.0.2.1");

        await Wait.Until(() => _names.Error("hangs") is not null, () => _time.Advance(TimeSpan.FromSeconds(1)));
        Assert.Contains("5 s", _names.Error("hangs"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_fails_is_tried_soon_again_and_then_less_often()
    {
        _names.Want(["nowhere"]);
        await Wait.Until(() => _names.Error("nowhere") is not null);
        Assert.Single(_asked);

        // 5 s, 10 s, 20 s, 40 s: in 75 s four more, and not one every five seconds
        await Wait.Until(() => _asked.Count >= 5, () => _time.Advance(TimeSpan.FromSeconds(0.5)));
        var elapsed = _time.GetUtcNow() - new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        Assert.True(elapsed >= TimeSpan.FromSeconds(75), $"only {elapsed}");
    }

    [Fact]
    public async Task A_name_that_is_not_wanted_any_more_is_forgotten()
    {
        _answers["gw"] = ["192.0.2.1"];
        _names.Want(["gw"]);
        await Wait.Until(() => Found("gw") is not null);

        _names.Want([]);

        Assert.Null(Found("gw"));
    }

    private string? Found(string name) => _names.Find(name) is [var first, ..] ? first.ToString() : null;

    private async Task<IPAddress[]> LookUp(string name, CancellationToken stop)
    {
        _asked.Enqueue(name);
        if (!_answers.TryGetValue(name, out var answer))
        {
            throw new SocketException((int)SocketError.HostNotFound);
        }

        if (answer.Length == 0)
        {
            // as the system's resolver does: it does not heed the token
            await Task.Delay(System.Threading.Timeout.Infinite, CancellationToken.None).WaitAsync(_stop.Token);
        }

        return [.. answer.Select(IPAddress.Parse)];
    }
}
