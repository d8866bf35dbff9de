using System.Globalization;
using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Watching;

/// <summary>That an informer comes to know what the API server has, whatever happens in between.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class InformerSystemTests(KubernetesServer server) : IAsyncLifetime
{
    private readonly string _space = "informer-" + Guid.NewGuid().ToString("n")[..8];
    private readonly RecordingLog _log = new();
    private readonly Gate _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private KubernetesClient? _client;
    private Informer<ConfigMap>? _informer;
    private Task _running = Task.CompletedTask;

    private Informer<ConfigMap> Informer => _informer!;

    public Task InitializeAsync() => server.AddNamespaceAsync(_space);

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        _client?.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Five_thousand_objects_come_in_pages_and_what_changes_meanwhile_is_not_missed()
    {
        await WriteAsync(Enumerable.Range(0, 5000).Select(i => $"n{i:d4}"));
        // from the middle of the list on, each page finds that something was changed after the first was read
        var changes = 0;
        _gate.Before = async request =>
        {
            if (!request.Contains("continue=", StringComparison.Ordinal))
                return;
            var i = Interlocked.Increment(ref changes);
            await DeleteAsync($"n{i:d4}");
            await WriteAsync([$"n{4999 - i:d4}", $"new{i}"]);
        };
        var first = new TaskCompletionSource<int>();
        Start(server.Admin);
        Informer.Changed += change => first.TrySetResult(change.After.Items.Count);
        await Informer.WaitForSyncAsync(CancellationToken.None).WaitAsync(Wait.Limit * 2);
        Assert.Equal(9, changes);
        Assert.Equal(5000, await first.Task);
        _gate.Before = null;
        await IsAsTheServerAsync();
        Assert.Equal(0, Informer.Relists);
    }

    [Fact]
    public async Task A_slow_handler_ends_with_what_the_server_has()
    {
        await WriteAsync(["a"]);
        await StartSyncedAsync();
        using var released = new ManualResetEventSlim();
        var isHeld = false;
        Informer.Changed += _ =>
        {
            Volatile.Write(ref isHeld, true);
            released.Wait(Wait.Limit);
        };
        await WriteAsync(["b"]);
        await Wait.Until(() => Volatile.Read(ref isHeld), "the handler is busy");
        // more than lies about in the buffers between, so that the server gives the watcher up
        var large = new string('x', 200_000);
        await WriteAsync(Enumerable.Range(0, 200).Select(i => $"n{i}"), large);
        await DeleteAsync("n7");
        released.Set();
        await IsAsTheServerAsync();
    }

    [Fact]
    public async Task Connections_that_break_lose_nothing()
    {
        using var proxy = server.OpenProxy();
        await WriteAsync(["a"]);
        await StartSyncedAsync(server.Configuration(null, proxy));
        for (var i = 0; i < 4; i++)
        {
            proxy.DropConnections();
            await WriteAsync([$"n{i}", "a"]);
            await DeleteAsync($"n{i - 1}");
            await IsAsTheServerAsync();
        }
    }

    [Fact]
    public async Task A_version_that_was_compacted_away_while_the_connection_was_broken_is_listed_over()
    {
        await WriteAsync(["a", "b", "c"]);
        using var proxy = server.OpenProxy();
        await StartSyncedAsync(server.Configuration(null, proxy), patience: TimeSpan.FromMinutes(5));
        // a watch that goes on from what the informer knows, but is held up until the server no longer knows that
        var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await WriteAsync(["d"]);
        await Wait.Until(() => Informer.Current.Items.ContainsKey($"{_space}/d"), "the watch works");
        _gate.Before = request =>
        {
            asked.TrySetResult();
            return opened.Task;
        };
        proxy.DropConnections();
        await asked.Task.WaitAsync(Wait.Limit);
        await DeleteAsync("a");
        await WriteAsync(["b", "e"]);
        await server.StopApiServerAsync();
        await server.StartApiServerAsync();
        await WriteAsync(["f"]);
        await server.CompactAsync();
        _gate.Before = null;
        opened.SetResult();
        await IsAsTheServerAsync();
        Assert.True(Informer.Relists > 0);
        Assert.True(_log.Count(504) > 0);
    }

    [Fact]
    public async Task A_server_that_comes_back_with_lower_versions_is_believed()
    {
        await WriteAsync(["a", "b"]);
        await StartSyncedAsync();
        var before = Informer.Current;
        await server.StopApiServerAsync();
        await Wait.Until(() => Informer.IsInOutage, "the server is missed");
        Assert.Same(before, Informer.Current);
        await server.EmptyStorageAsync();
        await server.AddNamespaceAsync(_space);
        await WriteAsync(["c"]);
        await IsAsTheServerAsync();
        Assert.True(
            long.Parse(Informer.Current.Items[$"{_space}/c"].Metadata.ResourceVersion!, CultureInfo.InvariantCulture)
            < long.Parse(before.Items[$"{_space}/b"].Metadata.ResourceVersion!, CultureInfo.InvariantCulture));
        await WriteAsync(["d"]);
        await IsAsTheServerAsync();
    }

    [Fact]
    public async Task A_server_that_was_killed_is_caught_up_with_when_it_is_back()
    {
        await WriteAsync(["a", "b"]);
        await StartSyncedAsync();
        await server.StopApiServerAsync();
        await Wait.Until(() => Informer.IsInOutage, "the server is missed");
        Assert.Equal(2, Informer.Current.Items.Count);
        await server.StartApiServerAsync();
        await DeleteAsync("a");
        await WriteAsync(["b", "c"]);
        await IsAsTheServerAsync();
        Assert.False(Informer.IsInOutage);
    }

    [Fact]
    public async Task A_refresh_sees_what_was_written_before_it_however_late_the_watch_is()
    {
        await WriteAsync(["a"]);
        await StartSyncedAsync();
        for (var i = 0; i < 10; i++)
        {
            await WriteAsync([$"n{i}"]);
            await Informer.RefreshAsync(CancellationToken.None).WaitAsync(Wait.Limit);
            Assert.True(Informer.Current.Items.ContainsKey($"{_space}/n{i}"));
        }
    }

    private void Start(KubernetesClientConfiguration configuration)
    {
        _client = new KubernetesClient(configuration, null, _gate);
        _informer = new Informer<ConfigMap>(
            _client, ResourceTypes.ConfigMaps, new InformerOptions { Namespace = _space }, TimeProvider.System, _log);
        _running = _informer.RunAsync(_stop.Token);
    }

    private async Task StartSyncedAsync(KubernetesClientConfiguration? configuration = null, TimeSpan? patience = null)
    {
        configuration ??= server.Admin;
        Start(new KubernetesClientConfiguration
        {
            Host = configuration.Host,
            SslCaCerts = configuration.SslCaCerts,
            ClientCertificate = configuration.ClientCertificate,
            HttpClientTimeout = patience ?? configuration.HttpClientTimeout,
        });
        await Informer.WaitForSyncAsync(CancellationToken.None).WaitAsync(Wait.Limit);
        await IsAsTheServerAsync();
    }

    private string Path(string name) => $"/api/v1/namespaces/{_space}/configmaps/{name}";

    /// <summary>Makes or changes objects.</summary>
    private Task WriteAsync(IEnumerable<string> names, string text = "") =>
        Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (name, _) =>
        {
            var item = new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "ConfigMap",
                ["metadata"] = new JsonObject { ["name"] = name },
                ["data"] = new JsonObject { ["at"] = Guid.NewGuid().ToString(), ["text"] = text },
            };
            await server.SendAsync(HttpMethod.Patch, Path(name) + "?fieldManager=test&force=true", item, "application/apply-patch+yaml");
        });

    private async Task DeleteAsync(string name)
    {
        if (await server.FindAsync(Path(name)) is not null)
            await server.SendAsync(HttpMethod.Delete, Path(name));
    }

    /// <summary>Waits until the informer knows what the server has, now that nobody writes.</summary>
    private async Task IsAsTheServerAsync()
    {
        var list = await server.SendAsync(HttpMethod.Get, $"/api/v1/namespaces/{_space}/configmaps");
        var expected = list["items"]!.AsArray()
            .ToDictionary(item => (string)item!["metadata"]!["name"]!, item => (string)item!["metadata"]!["resourceVersion"]!);
        await Wait.Until(
            () => Informer.Current.Items.Count == expected.Count
                && Informer.Current.Items.Values.All(item => expected.GetValueOrDefault(item.Metadata.Name) == item.Metadata.ResourceVersion),
            "the informer knows what the server has");
    }

    /// <summary>Lets something happen before a request goes out.</summary>
    private sealed class Gate : DelegatingHandler
    {
        public Func<string, Task>? Before { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Before is { } before)
                await before(request.RequestUri!.Query).WaitAsync(cancellationToken);
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
