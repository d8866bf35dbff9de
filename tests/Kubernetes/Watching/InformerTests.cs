using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Watching;

public sealed class InformerTests : IAsyncLifetime
{
    private const string Collection = "/api/v1/namespaces/s/configmaps";

    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();
    private readonly FakeApiServer _server = new();
    private readonly KubernetesClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<InformerChange<ConfigMap>> _changes = [];
    private Informer<ConfigMap> _informer;
    private Task _running = Task.CompletedTask;

    public InformerTests()
    {
        _client = _server.Client();
        _informer = NewInformer(new InformerOptions { Namespace = "s", PageSize = 2 });
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        _stop.Dispose();
        _client.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task A_list_comes_in_pages_of_the_same_query_and_becomes_visible_as_a_whole()
    {
        Start();
        var first = await NextList();
        Assert.Equal(("2", null, null), (first.Query["limit"], first.Query["continue"], first.Query["resourceVersion"]));
        first.Answer(List("7", "next", Item("a", 1), Item("b", 2)));
        var second = await NextList();
        Assert.Equal(("2", "next", null), (second.Query["limit"], second.Query["continue"], second.Query["resourceVersion"]));
        Assert.Empty(_informer.Current.Items);
        Assert.False(_informer.HasSynced);
        second.Answer(List("7", null, Item("c", 3)));
        await _informer.WaitForSyncAsync(CancellationToken.None).WaitAsync(Wait.Limit);
        Assert.Equal(["s/a", "s/b", "s/c"], _informer.Current.Items.Keys.Order());
        Assert.Equal(["s/a", "s/b", "s/c"], Assert.Single(_changes).Changed.Order());
        Assert.True(_informer.HasSynced);
        await WatchFrom("7");
    }

    [Fact]
    public async Task A_list_whose_pages_expire_is_started_over_in_one_page()
    {
        Start();
        (await NextList()).Answer(List("7", "next", Item("a", 1), Item("gone", 2)));
        (await NextList()).Refuse(410, "Expired");
        var again = await NextList();
        Assert.Equal((null, null), (again.Query["continue"], again.Query["limit"]));
        again.Answer(List("9", null, Item("a", 1), Item("c", 8)));
        await WatchFrom("9");
        Assert.Equal(["s/a", "s/c"], _informer.Current.Items.Keys.Order());
        Assert.Single(_changes);
    }

    [Fact]
    public async Task A_watch_goes_on_from_the_list_with_bookmarks_and_a_limit_of_5_to_10_minutes()
    {
        Start();
        (await NextList()).Answer(List("7", null));
        var call = await _server.NextAsync();
        Assert.Equal(Collection, call.Path);
        Assert.Equal(("true", "7", "true"), (call.Query["watch"], call.Query["resourceVersion"], call.Query["allowWatchBookmarks"]));
        Assert.InRange(int.Parse(call.Query["timeoutSeconds"]!, null), 300, 600);
    }

    [Fact]
    public async Task What_is_added_changed_and_deleted_is_in_the_store_and_told()
    {
        var watch = await Synced(Item("a", 1), Item("b", 2));
        watch.Send(("ADDED", Item("c", 8)));
        await Until(() => _changes.Count == 2);
        watch.Send(("MODIFIED", Item("a", 9)));
        await Until(() => _changes.Count == 3);
        watch.Send(("DELETED", Item("b", 10)));
        await Until(() => _changes.Count == 4);
        Assert.Equal(["s/c", "s/a", "s/b"], _changes[1..].Select(change => change.Changed.Single()));
        Assert.Equal(("1", "9"), (Version(_changes[2].Before, "a"), Version(_changes[2].After, "a")));
        Assert.Equal((true, false), (_changes[3].Before.Items.ContainsKey("s/b"), _changes[3].After.Items.ContainsKey("s/b")));
        Assert.Equal(["s/a", "s/c"], _informer.Current.Items.Keys.Order());
    }

    [Fact]
    public async Task After_its_normal_end_a_watch_goes_on_at_once_from_the_last_event()
    {
        var watch = await Synced(Item("a", 1));
        watch.Send(("MODIFIED", Item("a", 8)));
        watch.End();
        watch = await WatchFrom("8");
        watch.Send(("DELETED", Item("a", 9)));
        watch.End();
        watch = await WatchFrom("9");
        watch.Send(Bookmark(20));
        watch.End();
        watch = await WatchFrom("20");
        _time.Advance(TimeSpan.FromMinutes(5));
        watch.End();
        await WatchFrom("20");
        Assert.Empty(_informer.Current.Items);
        Assert.Equal(3, _changes.Count);
        Assert.Equal((0, 4), (_informer.Relists, _informer.WatchRestarts));
        Assert.Empty(_time.Waits);
    }

    [Fact]
    public async Task A_bookmark_reaches_no_handler()
    {
        var watch = await Synced(Item("a", 1));
        watch.Send(Bookmark(20), Bookmark(21));
        watch.End();
        await WatchFrom("21");
        Assert.Single(_changes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_version_that_the_server_no_longer_knows_is_a_reason_to_list_anew_at_once(bool isInStream)
    {
        var watch = await Synced(Item("a", 1), Item("b", 2), Item("c", 3));
        watch.Send(Bookmark(20));
        if (isInStream)
        {
            watch.Error(410, "Expired");
        }
        else
        {
            watch.End();
            (await NextWatch("20")).Refuse(410, "Gone");
        }

        var known = _informer.Current.Items["s/a"];
        var list = await NextList();
        Assert.Null(list.Query["resourceVersion"]);
        Assert.Equal(3, _informer.Current.Items.Count);
        list.Answer(List("30", null, Item("a", 1), Item("b", 25), Item("d", 26)));
        await WatchFrom("30");
        Assert.Empty(_time.Waits);
        Assert.Equal(["s/b", "s/c", "s/d"], _changes[1].Changed.Order());
        Assert.Equal(["s/a", "s/b", "s/d"], _informer.Current.Items.Keys.Order());
        Assert.Same(known, _informer.Current.Items["s/a"]);
        Assert.Equal(1, _informer.Relists);
        Assert.Equal(0, _log.Count(501));
    }

    [Fact]
    public async Task A_list_that_brings_nothing_new_tells_nobody()
    {
        var watch = await Synced(Item("a", 1));
        var before = _informer.Current;
        watch.Send(Bookmark(20));
        watch.Error(410, "Expired");
        (await NextList()).Answer(List("30", null, Item("a", 1)));
        await WatchFrom("30");
        Assert.Single(_changes);
        Assert.Same(before, _informer.Current);
    }

    [Fact]
    public async Task A_version_that_is_too_old_as_soon_as_it_was_listed_is_no_reason_to_list_without_a_pause()
    {
        Start();
        (await NextList()).Answer(List("7", null));
        (await NextWatch("7")).Refuse(410, "Expired");
        await Pause(0.8, 1.6);
        (await NextList()).Answer(List("8", null));
        await WatchFrom("8");
    }

    [Fact]
    public async Task A_version_that_the_server_does_not_have_yet_is_a_reason_to_list_anew()
    {
        var watch = await Synced(Item("a", 1));
        watch.Send(Bookmark(20));
        watch.End();
        (await NextWatch("20")).Refuse(504, "Timeout");
        await Pause(0.8, 1.6);
        var list = await NextList();
        Assert.Null(list.Query["resourceVersion"]);
        list.Answer(List("3", null, Item("b", 2)));
        await WatchFrom("3");
        Assert.Equal(["s/b"], _informer.Current.Items.Keys);
    }

    [Fact]
    public async Task A_watch_that_ends_at_once_without_an_event_has_failed()
    {
        var watch = await Synced(Item("a", 1));
        _time.Advance(TimeSpan.FromSeconds(0.9));
        watch.End();
        await Pause(0.8, 1.6);
        (await NextList()).Answer(List("8", null, Item("a", 1)));
        await WatchFrom("8");
    }

    [Fact]
    public async Task A_watch_that_breaks_goes_on_after_a_pause_from_the_last_event()
    {
        var watch = await Synced(Item("a", 1));
        watch.Send(("MODIFIED", Item("a", 8)));
        await Until(() => Version(_informer.Current, "a") == "8");
        watch.Break();
        await Pause(0.8, 1.6);
        watch = await WatchFrom("8");
        Assert.False(_informer.IsInOutage);

        // a quiet one too
        _time.Advance(TimeSpan.FromMinutes(3));
        watch.Break();
        await Pause(0.8, 1.6);
        await WatchFrom("8");
        Assert.Equal(0, _log.Count(501));
    }

    [Fact]
    public async Task What_is_known_stays_in_force_while_the_server_is_away_and_is_listed_anew_when_it_is_back()
    {
        var watch = await Synced(Item("a", 1), Item("b", 2));
        watch.Send(("MODIFIED", Item("b", 20)));
        await Until(() => _changes.Count == 2);
        watch.Break();
        await Pause(0.8, 1.6);
        (await NextWatch("20")).RefuseConnection();
        await Pause(1.6, 3.2);
        Assert.True(_informer.IsInOutage);
        (await NextList()).RefuseConnection();
        await Pause(3.2, 6.4);
        (await NextList()).Refuse(503, "ServiceUnavailable");
        await Pause(6.4, 12.8);
        Assert.Equal(2, _informer.Current.Items.Count);
        // from a backup: the versions begin anew
        (await NextList()).Answer(List("5", null, Item("a", 1)));
        await WatchFrom("5");
        Assert.False(_informer.IsInOutage);
        Assert.Equal(["s/a"], _informer.Current.Items.Keys);
        Assert.Equal(["s/b"], _changes[2].Changed);
        Assert.Equal((1, 1), (_log.Count(501), _log.Count(502)));
    }

    [Fact]
    public async Task Pauses_grow_up_to_30_s_and_begin_anew_after_2_minutes_of_health()
    {
        Start();
        foreach (var most in new[] { 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30 })
        {
            (await NextList()).RefuseConnection();
            await Pause(most / 2, most);
        }

        (await NextList()).Answer(List("7", null));
        var watch = await WatchFrom("7");
        _time.Advance(TimeSpan.FromSeconds(119));
        watch.Break();
        await Pause(15, 30);
        watch = await WatchFrom("7");
        _time.Advance(TimeSpan.FromSeconds(120));
        watch.Break();
        await Pause(0.8, 1.6);
        await WatchFrom("7");
    }

    [Fact]
    public async Task A_server_that_asks_to_be_left_alone_for_a_while_is()
    {
        var watch = await Synced(Item("a", 1));
        watch.Send(Bookmark(20));
        watch.End();
        (await NextWatch("20")).Refuse(429, "TooManyRequests", TimeSpan.FromSeconds(17));
        await Until(() => _time.Waits.Count == 1);
        var refreshing = _informer.RefreshAsync(CancellationToken.None);
        await Pause(17, 17);
        // it is there, and a list would be more of a burden; but one was asked for
        (await NextList()).Refuse(429, "TooManyRequests", TimeSpan.FromDays(1));
        await Pause(300, 300);
        (await NextList()).Answer(List("21", null, Item("a", 1)));
        await refreshing.WaitAsync(Wait.Limit);
        watch = await WatchFrom("21");
        watch.Send(Bookmark(22));
        watch.End();
        (await NextWatch("22")).Refuse(429, "TooManyRequests", TimeSpan.FromSeconds(1));
        await Pause(1, 30);
        await WatchFrom("22");
    }

    [Fact]
    public async Task An_object_that_was_deleted_and_made_anew_is_a_change_that_shows_both()
    {
        var watch = await Synced(Item("a", 1, "first"));
        watch.Send(("DELETED", Item("a", 8, "first")), ("ADDED", Item("a", 9, "second")));
        await Until(() => _changes.Count > 1 && _informer.Current.Items.ContainsKey("s/a"));
        Assert.Equal("first", _changes[1].Before.Items["s/a"].Metadata.Uid);
        Assert.Equal("second", _changes[^1].After.Items["s/a"].Metadata.Uid);

        watch.Error(410, "Expired");
        (await NextList()).Answer(List("30", null, Item("a", 25, "third")));
        await WatchFrom("30");
        Assert.Equal(("second", "third"), (_changes[^1].Before.Items["s/a"].Metadata.Uid, _changes[^1].After.Items["s/a"].Metadata.Uid));
    }

    [Fact]
    public async Task An_object_that_cannot_be_read_is_kept_apart_and_the_rest_does_not_suffer()
    {
        Start();
        (await NextList()).Answer(List("7", null, Item("a", 1), Unreadable("bad", 2)));
        var watch = await WatchFrom("7");
        Assert.Equal(["s/a"], _informer.Current.Items.Keys);
        Assert.Equal(["s/bad"], _informer.Current.Unreadable.Keys);
        Assert.Equal(["s/a", "s/bad"], _changes[0].Changed.Order());

        watch.Send(("MODIFIED", Unreadable("a", 8)), ("MODIFIED", Item("bad", 9)), ("ADDED", Item("c", 10)));
        await Until(() => _informer.Current.Items.ContainsKey("s/c"));
        Assert.Equal(["s/bad", "s/c"], _informer.Current.Items.Keys.Order());
        Assert.Equal(["s/a"], _informer.Current.Unreadable.Keys);

        watch.Send(("DELETED", Unreadable("a", 11)));
        await Until(() => _informer.Current.Unreadable.IsEmpty);
        watch.Send(("MODIFIED", Unreadable("c", 12)));
        await Until(() => _informer.Current.Unreadable.ContainsKey("s/c"));
        watch.Error(410, "Expired");
        (await NextList()).Answer(List("30", null, Item("bad", 9)));
        await WatchFrom("30");
        Assert.Empty(_informer.Current.Unreadable);
    }

    [Fact]
    public async Task A_slow_handler_misses_nothing_of_a_burst_and_sees_it_in_order()
    {
        var watch = await Synced();
        using var gate = new ManualResetEventSlim();
        List<InformerStore<ConfigMap>> seen = [];
        _informer.Changed += change =>
        {
            seen.Add(change.Before);
            seen.Add(change.After);
            gate.Wait(Wait.Limit);
        };
        watch.Send(("ADDED", Item("first", 8)));
        await Until(() => _informer.Current.Items.Count == 1);
        watch.Send(Enumerable.Range(0, 5000).Select(i => ("ADDED", Item($"n{i}", 10 + i))));
        watch.Send(Enumerable.Range(0, 5000).Where(i => i % 2 == 0).Select(i => ("DELETED", Item($"n{i}", 10_000 + i))));
        gate.Set();
        await Until(() => _informer.Current.Items.Count == 2501 && !_informer.Current.Items.ContainsKey("s/n4998"));
        watch.End();
        await WatchFrom("14998");
        // each change begins where the one before ended, so nothing was between
        Assert.All(Enumerable.Range(1, (seen.Count / 2) - 1), i => Assert.Same(seen[(2 * i) - 1], seen[2 * i]));
        Assert.Same(_informer.Current, seen[^1]);
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => $"s/n{(2 * i) + 1}").Append("s/first").Order(), _informer.Current.Items.Keys.Order());
    }

    [Fact]
    public async Task What_came_and_went_while_nobody_looked_was_never_there()
    {
        var watch = await Synced(Item("a", 1));
        using var gate = new ManualResetEventSlim();
        void Hold(InformerChange<ConfigMap> change) => gate.Wait(Wait.Limit);
        _informer.Changed += Hold;
        watch.Send(("ADDED", Item("first", 8)));
        await Until(() => _informer.Current.Items.Count == 2);
        watch.Send(("ADDED", Item("b", 9)), ("DELETED", Item("b", 10)), ("MODIFIED", Item("a", 11)));
        gate.Set();
        await Until(() => Version(_informer.Current, "a") == "11");
        watch.End();
        await WatchFrom("11");
        Assert.Equal(["s/a"], _changes[^1].Changed);
    }

    [Fact]
    public async Task A_handler_that_throws_stops_neither_the_others_nor_the_watch()
    {
        _informer = NewInformer(new InformerOptions { Namespace = "s" }, change => throw new InvalidOperationException("handler"));
        var watch = await Synced(Item("a", 1));
        watch.Send(("ADDED", Item("b", 8)));
        await Until(() => _changes.Count == 2);
        Assert.Equal(2, _log.Count(506));
    }

    [Fact]
    public async Task A_refresh_lists_now_and_ends_when_all_of_it_was_told()
    {
        var watch = await Synced(Item("a", 1));
        var refreshing = _informer.RefreshAsync(CancellationToken.None);
        var list = await NextList();
        Assert.Null(list.Query["resourceVersion"]);
        Assert.False(refreshing.IsCompleted);
        list.Answer(List("30", null, Item("a", 1), Item("b", 29)));
        await refreshing.WaitAsync(Wait.Limit);
        Assert.Equal(["s/b"], _changes[1].Changed);
        watch.Send(("ADDED", Item("late", 31)));
        (await WatchFrom("30")).Send(("ADDED", Item("c", 32)));
        await Until(() => _informer.Current.Items.Count > 2);
        Assert.Empty(_time.Waits);
        Assert.Equal(["s/a", "s/b", "s/c"], _informer.Current.Items.Keys.Order());
    }

    [Fact]
    public async Task A_list_that_had_begun_before_is_not_what_a_refresh_waits_for()
    {
        Start();
        var list = await NextList();
        var refreshing = _informer.RefreshAsync(CancellationToken.None);
        list.Answer(List("7", null, Item("a", 1)));
        var fresh = await NextList();
        Assert.True(_informer.HasSynced);
        Assert.False(refreshing.IsCompleted);
        fresh.Answer(List("8", null, Item("a", 1)));
        await refreshing.WaitAsync(Wait.Limit);
        await WatchFrom("8");
    }

    [Fact]
    public async Task A_refresh_ends_a_pause_once_and_waits_until_a_list_is_complete()
    {
        Start();
        (await NextList()).RefuseConnection();
        await Until(() => _time.Waits.Count == 1);
        var refreshing = _informer.RefreshAsync(CancellationToken.None);
        (await NextList()).RefuseConnection();
        await Until(() => _time.Waits.Count == 2);
        Assert.False(_server.HasCall);
        Assert.False(refreshing.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(3.2));
        (await NextList()).Answer(List("8", null));
        await refreshing.WaitAsync(Wait.Limit);
    }

    [Fact]
    public async Task Who_waits_for_a_refresh_does_not_wait_for_an_informer_that_has_ended()
    {
        Start();
        await NextList();
        var refreshing = _informer.RefreshAsync(CancellationToken.None);
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => refreshing.WaitAsync(Wait.Limit));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(Wait.Limit));
    }

    [Fact]
    public async Task A_jump_of_the_wall_clock_changes_nothing()
    {
        var watch = await Synced(Item("a", 1));
        _time.SetUtcNow(_time.GetUtcNow().AddYears(-5));
        watch.Send(("MODIFIED", Item("a", 8)));
        await Until(() => Version(_informer.Current, "a") == "8");
        watch.Break();
        _time.SetUtcNow(_time.GetUtcNow().AddYears(9));
        await Pause(0.8, 1.6);
        await WatchFrom("8");
    }

    private Informer<ConfigMap> NewInformer(InformerOptions options, Action<InformerChange<ConfigMap>>? before = null)
    {
        var informer = new Informer<ConfigMap>(_client, ResourceTypes.ConfigMaps, options, _time, _log);
        informer.Changed += before;
        informer.Changed += _changes.Add;
        return informer;
    }

    private void Start() => _running = _informer.RunAsync(_stop.Token);

    /// <summary>An informer that has listed these at version 7 and watches.</summary>
    private async Task<FakeWatch> Synced(params JsonObject[] items)
    {
        Start();
        (await NextList()).Answer(List("7", null, items));
        return await WatchFrom("7");
    }

    private async Task<FakeCall> NextList()
    {
        var call = await _server.NextAsync();
        Assert.Equal((HttpMethod.Get, Collection, false), (call.Method, call.Path, call.IsWatch));
        return call;
    }

    private async Task<FakeCall> NextWatch(string version)
    {
        var call = await _server.NextAsync();
        Assert.True(call.IsWatch);
        Assert.Equal(version, call.Query["resourceVersion"]);
        return call;
    }

    private async Task<FakeWatch> WatchFrom(string version) => (await NextWatch(version)).Stream();

    /// <summary>Waits until the informer pauses, for so many seconds, and lets them pass.</summary>
    private async Task Pause(double least, double most)
    {
        await Until(() => _time.Waits.Count == 1);
        var pause = _time.Waits.Single();
        Assert.InRange(pause.TotalSeconds, least, most);
        Assert.False(_server.HasCall);
        _time.Advance(pause);
    }

    private static Task Until(Func<bool> condition) => Wait.Until(condition, "the informer has come so far");

    private static string? Version(InformerStore<ConfigMap> store, string name) => store.Items[$"s/{name}"].Metadata.ResourceVersion;

    private static JsonObject Item(string name, int version, string uid = "u") => new()
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "s", ["uid"] = uid, ["resourceVersion"] = $"{version}" },
        ["data"] = new JsonObject { ["version"] = $"{version}" },
    };

    private static JsonObject Unreadable(string name, int version)
    {
        var item = Item(name, version);
        item["data"] = 5;
        return item;
    }

    private static (string Type, JsonObject Item) Bookmark(int version) =>
        ("BOOKMARK", new JsonObject { ["kind"] = "ConfigMap", ["apiVersion"] = "v1", ["metadata"] = new JsonObject { ["resourceVersion"] = $"{version}" } });

    private static JsonObject List(string version, string? next, params JsonObject[] items) => new()
    {
        ["kind"] = "ConfigMapList",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject { ["resourceVersion"] = version, ["continue"] = next },
        ["items"] = new JsonArray([.. items]),
    };
}
