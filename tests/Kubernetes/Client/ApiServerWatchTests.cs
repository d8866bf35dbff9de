using System.Collections.Concurrent;
using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

/// <summary>The client against a real API server: pages and watches, and what breaks them.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class ApiServerWatchTests(KubernetesServer server) : IAsyncLifetime
{
    // of a test as a whole, in which the server may be started anew on a busy machine
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(4));
    private readonly KubernetesClient _client = new(server.Admin);
    private readonly string _space = $"watch-{Guid.NewGuid():n}"[..20];

    public Task InitializeAsync() => server.AddNamespaceAsync(_space);

    public Task DisposeAsync()
    {
        _client.Dispose();
        _limit.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task Five_thousand_objects_come_in_pages_each_once()
    {
        var numbers = new ConcurrentQueue<int>(Enumerable.Range(0, 5000));
        // one writer after the other would wait for the server most of the time; the machine may be slow, so no limit but the run's
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            while (numbers.TryDequeue(out var number))
                await CreateAsync($"m-{number}");
        })));

        List<string> names = [];
        string? next = null;
        string? version = null;
        var pages = 0;
        do
        {
            var page = await _client.ListAsync(ResourceTypes.ConfigMaps, new ListOptions { Namespace = _space, Limit = 500, Continue = next }, default);
            Assert.Empty(page.Unreadable);
            Assert.Equal(version ??= page.ResourceVersion, page.ResourceVersion);
            names.AddRange(page.Items.Select(item => item.Metadata.Name));
            next = page.Continue;
            pages++;
        }
        while (next is not null);

        Assert.Equal(10, pages);
        Assert.Equal(5000, names.Count);
        Assert.Equal(Enumerable.Range(0, 5000).Select(number => $"m-{number}").Order(StringComparer.Ordinal), names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_watch_tells_every_change_and_ends_in_time_with_a_bookmark_on_the_way()
    {
        var version = await VersionAsync();
        // the server sends a bookmark shortly before the end
        var watching = WatchAsync(_client, version, TimeSpan.FromSeconds(5));
        await CreateAsync("a", new string('x', 900_000));
        var item = await _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, _limit.Token);
        item.Data["k"] = "w";
        await _client.ReplaceAsync(ResourceTypes.ConfigMaps, item, _limit.Token);
        await _client.DeleteAsync(ResourceTypes.ConfigMaps, "a", _space, null, _limit.Token);

        var changes = await watching;
        // a machine that was slow may have made changes after the end: they come with the next watch
        while (!changes.Exists(change => change.Type == WatchEventType.Deleted))
            changes.AddRange(await WatchAsync(_client, changes.Count == 0 ? version : changes[^1].ResourceVersion, TimeSpan.FromSeconds(5)));
        Assert.Equal(
            [WatchEventType.Added, WatchEventType.Modified, WatchEventType.Deleted],
            changes.Where(change => change.Type != WatchEventType.Bookmark).Select(change => change.Type));
        Assert.All(changes, change => Assert.Equal(change.Type == WatchEventType.Bookmark ? null : "a", change.Item?.Metadata.Name));
        var versions = changes.Select(change => ulong.Parse(change.ResourceVersion, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(versions.Order(), versions);
        while (!changes.Exists(change => change.Type == WatchEventType.Bookmark))
            changes.AddRange(await WatchAsync(_client, changes[^1].ResourceVersion, TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task A_version_that_was_compacted_is_told_to_be_gone()
    {
        var version = await VersionAsync();
        await CreateAsync("a");
        await CreateAsync("b");
        var first = await _client.ListAsync(ResourceTypes.ConfigMaps, new ListOptions { Limit = 1, Namespace = _space }, _limit.Token);
        await CreateAsync("c");
        await server.CompactAsync();
        var e = await Assert.ThrowsAsync<ApiException>(() =>
            _client.ListAsync(ResourceTypes.ConfigMaps, new ListOptions { Limit = 1, Namespace = _space, Continue = first.Continue }, _limit.Token));
        Assert.Equal((410, "Expired"), (e.StatusCode, e.Reason));

        // the server's memory reaches back to its start only
        await server.StopApiServerAsync();
        await server.StartApiServerAsync();
        e = await Assert.ThrowsAsync<ApiException>(() => WatchAsync(_client, version, TimeSpan.FromSeconds(30)));
        Assert.Equal(410, e.StatusCode);
        Assert.Contains("too old resource version", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dropped_connection_ends_the_watch_with_an_error_and_the_next_request_makes_a_new_one()
    {
        using var proxy = server.OpenProxy();
        using var client = new KubernetesClient(server.Configuration(null, proxy));
        var version = await VersionAsync();
        await using var changes = Watch(client, version, TimeSpan.FromMinutes(5)).GetAsyncEnumerator(_limit.Token);
        var next = changes.MoveNextAsync();
        await CreateAsync("a");
        Assert.True(await next);
        Assert.Equal("a", changes.Current.Item!.Metadata.Name);

        var broken = changes.MoveNextAsync();
        proxy.DropConnections();
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => broken.AsTask());
        Assert.Contains($"GET /api/v1/namespaces/{_space}/configmaps", e.Message, StringComparison.Ordinal);
        Assert.NotNull(await client.FindAsync(ResourceTypes.ConfigMaps, "a", _space, _limit.Token));
    }

    [Fact]
    public async Task A_server_that_is_killed_is_an_error_and_one_that_is_back_is_used()
    {
        await using var changes = Watch(_client, await VersionAsync(), TimeSpan.FromMinutes(5)).GetAsyncEnumerator(_limit.Token);
        var next = changes.MoveNextAsync();
        await CreateAsync("a");
        Assert.True(await next);
        var broken = changes.MoveNextAsync();

        await server.StopApiServerAsync();
        try
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => broken.AsTask());
            var e = await Assert.ThrowsAsync<HttpRequestException>(() => CreateAsync("b"));
            Assert.Contains($"at https://127.0.0.1:{server.Url.Port}: ", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            await server.StartApiServerAsync();
        }

        await CreateAsync("b");
    }

    private async Task<string> VersionAsync() =>
        (await _client.ListAsync(ResourceTypes.ConfigMaps, new ListOptions { Namespace = _space }, _limit.Token)).ResourceVersion;

    private Task CreateAsync(string name, string value = "v") => _client.CreateAsync(
        ResourceTypes.ConfigMaps, new ConfigMap { Metadata = { Name = name, Namespace = _space }, Data = { ["k"] = value } }, default);

    private IAsyncEnumerable<WatchEvent<ConfigMap>> Watch(KubernetesClient client, string version, TimeSpan timeout) =>
        client.WatchAsync(ResourceTypes.ConfigMaps, new WatchOptions { Namespace = _space, ResourceVersion = version, Timeout = timeout }, _limit.Token);

    private Task<List<WatchEvent<ConfigMap>>> WatchAsync(KubernetesClient client, string version, TimeSpan timeout) =>
        Watch(client, version, timeout).ToListAsync(_limit.Token).AsTask();
}
