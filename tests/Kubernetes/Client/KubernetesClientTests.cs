using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

public class KubernetesClientTests
{
    private static readonly WatchOptions Watch = new() { ResourceVersion = "5", Timeout = TimeSpan.FromMinutes(5) };

    private readonly ScriptedServer _server = new();

    [Fact]
    public async Task Requests_go_where_the_kind_and_the_server_say()
    {
        _server.Answer("{}").Answer("{}").Answer("{}").Answer("{}");
        using var client = _server.Client(host: "https://proxy.example.org/clusters/a/");
        await client.GetAsync(ResourceTypes.Nodes, "a/b", null, default);
        await client.GetAsync(ResourceTypes.Leases, "l", "wgmesh", default);
        await client.DeleteAsync(ResourceTypes.Secrets, "s", "wgmesh", "u-1", default);
        await client.ApplyStatusAsync(ResourceTypes.Nodes, new JsonObject { ["metadata"] = new JsonObject { ["name"] = "n" } }, "me", default);

        Assert.Equal("GET /clusters/a/api/v1/nodes/a%2Fb", _server.Requests[0].Request);
        Assert.Equal("GET /clusters/a/apis/coordination.k8s.io/v1/namespaces/wgmesh/leases/l", _server.Requests[1].Request);
        Assert.Equal("DELETE /clusters/a/api/v1/namespaces/wgmesh/secrets/s", _server.Requests[2].Request);
        Assert.Equal("u-1", JsonNode.Parse(_server.Requests[2].Body!)!["preconditions"]!["uid"]!.GetValue<string>());
        Assert.Equal("PATCH /clusters/a/api/v1/nodes/n/status?fieldManager=me&force=true", _server.Requests[3].Request);
        Assert.Equal("application/apply-patch+yaml", _server.Requests[3].ContentType);
        Assert.Contains("User-Agent: wgmesh/", _server.LastHeaders, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    public async Task A_namespace_where_none_belongs_or_an_empty_one_is_refused(string space)
    {
        using var client = _server.Client();
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetAsync(ResourceTypes.Nodes, "a", space, default));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetAsync(ResourceTypes.Secrets, "a", null, default));
        await Assert.ThrowsAsync<ArgumentException>(() => client.DeleteAsync(ResourceTypes.Nodes, "", null, null, default)); // it would be all
        Assert.Empty(_server.Requests);
    }

    [Fact]
    public async Task What_is_empty_is_not_written_and_times_are_as_the_server_wants_them()
    {
        _server.Answer("{}");
        using var client = _server.Client();
        var time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)) + TimeSpan.FromMicroseconds(1500);
        await client.CreateAsync(ResourceTypes.Leases, new Lease
        {
            Metadata = new ObjectMeta { Name = "l", Namespace = "n", CreationTimestamp = time },
            Spec = new LeaseSpec { HolderIdentity = "", RenewTime = time },
        }, default);

        Assert.Equal(
            """
            {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l","namespace":"n","creationTimestamp":"2026-01-02T02:04:05Z"},"spec":{"holderIdentity":"","renewTime":"2026-01-02T02:04:05.001500Z"}}
            """,
            _server.Requests[0].Body);
    }

    [Fact]
    public async Task What_is_not_known_is_written_back_but_for_who_applied_what()
    {
        _server.Answer("""
            {"metadata": {"name": "l", "namespace": "n", "resourceVersion": "7", "generateName": "g", "managedFields": [{"manager": "x"}]},
             "spec": {"holderIdentity": "a", "strategy": "OldestEmulationVersion"}, "more": [1, {"a": null}]}
            """).Answer("{}");
        using var client = _server.Client();
        await client.ReplaceAsync(ResourceTypes.Leases, await client.GetAsync(ResourceTypes.Leases, "l", "n", default), default);

        Assert.Equal("PUT /apis/coordination.k8s.io/v1/namespaces/n/leases/l", _server.Requests[1].Request);
        var written = JsonNode.Parse(_server.Requests[1].Body!)!;
        Assert.Equal("OldestEmulationVersion", (string?)written["spec"]!["strategy"]);
        Assert.Equal("g", (string?)written["metadata"]!["generateName"]);
        Assert.Equal("""[1,{"a":null}]""", written["more"]!.ToJsonString());
        Assert.False(written["metadata"]!.AsObject().ContainsKey("managedFields"));
    }

    [Fact]
    public async Task Only_what_was_read_is_replaced()
    {
        using var client = _server.Client();
        var lease = new Lease { Metadata = { Name = "l", Namespace = "n" } };
        await Assert.ThrowsAsync<ArgumentException>(() => client.ReplaceAsync(ResourceTypes.Leases, lease, default));
    }

    [Fact]
    public async Task Null_stands_for_nothing_said()
    {
        _server.Answer("""{"metadata": {"name": "n", "labels": null, "creationTimestamp": null}, "spec": {"podCIDRs": null}, "status": null}""");
        using var client = _server.Client();
        var node = await client.GetAsync(ResourceTypes.Nodes, "n", null, default);
        Assert.Empty(node.Metadata.Labels);
        Assert.Empty(node.Spec.PodCidrs);
        Assert.Empty(node.Status.Addresses);
    }

    [Fact]
    public async Task An_object_that_cannot_be_read_does_not_spoil_its_page()
    {
        _server.Answer("""
            {"kind": "NodeList", "metadata": {"resourceVersion": "12", "continue": "c", "remainingItemCount": 3},
             "items": [
               {"metadata": {"name": "a"}},
               {"metadata": {"name": "b", "uid": "u", "resourceVersion": "3", "labels": {"x": 5}}},
               {"metadata": {"name": "c"}, "status": {"addresses": [{"type": "InternalIP", "address": {}}]}},
               {"metadata": {"name": "d"}}]}
            """);
        using var client = _server.Client();
        var page = await client.ListAsync(ResourceTypes.Nodes, new ListOptions { Limit = 4 }, default);

        Assert.Equal("GET /api/v1/nodes?limit=4", _server.Requests[0].Request);
        Assert.Equal(["a", "d"], page.Items.Select(item => item.Metadata.Name));
        Assert.Equal(["b", "c"], page.Unreadable.Select(item => item.Metadata.Name));
        Assert.Equal(("u", "3"), (page.Unreadable[0].Metadata.Uid, page.Unreadable[0].Metadata.ResourceVersion));
        Assert.StartsWith("metadata.labels.x holds", page.Unreadable[0].Problem, StringComparison.Ordinal);
        Assert.StartsWith("status.addresses[0].address holds", page.Unreadable[1].Problem, StringComparison.Ordinal);
        Assert.Equal(("12", "c"), (page.ResourceVersion, page.Continue));
    }

    [Fact]
    public async Task The_last_page_has_no_continue()
    {
        _server.Answer("""{"metadata": {"resourceVersion": "1", "continue": ""}, "items": null}""");
        using var client = _server.Client();
        var page = await client.ListAsync(ResourceTypes.Nodes, new ListOptions { Continue = "c/1" }, default);
        Assert.Equal("GET /api/v1/nodes?continue=c%2F1", _server.Requests[0].Request);
        Assert.Null(page.Continue);
        Assert.Empty(page.Items);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"items": []}""")]
    [InlineData("""{"metadata": {"resourceVersion": "1"}, "items": {}}""")]
    [InlineData("""{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": """)]
    [InlineData("<html>")]
    public async Task An_answer_that_is_no_list_is_an_error_and_not_an_empty_list(string answer)
    {
        _server.Answer(answer);
        using var client = _server.Client();
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => client.ListAsync(ResourceTypes.Nodes, new ListOptions(), default));
        Assert.Contains("GET /api/v1/nodes", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_has_the_servers_words_and_what_was_asked_but_no_token()
    {
        _server.Answer("""{"kind": "Status", "message": "leases \"l\" already exists", "reason": "AlreadyExists", "code": 409}""", HttpStatusCode.Conflict);
        using var client = _server.Client();
        var e = await Assert.ThrowsAsync<ApiException>(() => client.CreateAsync(ResourceTypes.Leases, new Lease { Metadata = { Name = "l", Namespace = "n" } }, default));
        Assert.Equal((409, "AlreadyExists", null), (e.StatusCode, e.Reason, e.RetryAfter));
        Assert.Equal("POST /apis/coordination.k8s.io/v1/namespaces/n/leases: leases \"l\" already exists", e.Message);
        Assert.DoesNotContain("t0ken", e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"kind": "Status", "code": 429}""", "7", 7)]
    [InlineData("""{"kind": "Status", "code": 429, "details": {"retryAfterSeconds": 3}}""", null, 3)]
    [InlineData("too many", "Thu, 01 Jan 2026 00:00:09 GMT", 9)]
    [InlineData("too many", "Thu, 01 Jan 2015 00:00:00 GMT", 0)]
    public async Task How_long_to_wait_is_told(string body, string? header, int seconds)
    {
        _server.Answer(body, HttpStatusCode.TooManyRequests, header);
        using var client = _server.Client(new ManualTime());
        var e = await Assert.ThrowsAsync<ApiException>(() => client.GetAsync(ResourceTypes.Nodes, "a", null, default));
        Assert.Equal((429, TimeSpan.FromSeconds(seconds)), (e.StatusCode, e.RetryAfter));
    }

    [Fact]
    public async Task An_object_that_is_missing_is_null_and_a_kind_that_is_missing_an_error()
    {
        _server.Answer("""{"kind": "Status", "reason": "NotFound", "code": 404, "details": {"name": "a", "kind": "nodes"}}""", HttpStatusCode.NotFound)
            .Answer("404 page not found\n", HttpStatusCode.NotFound)
            .Answer("""{"kind": "Status", "reason": "NotFound", "code": 404, "details": {}}""", HttpStatusCode.NotFound);
        using var client = _server.Client();
        Assert.Null(await client.FindAsync(ResourceTypes.Nodes, "a", null, default));
        var e = await Assert.ThrowsAsync<ApiException>(() => client.FindAsync(ResourceTypes.Nodes, "a", null, default));
        Assert.Equal(404, e.StatusCode);
        Assert.Contains("(404 page not found); the server does not know this kind", e.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ApiException>(() => client.FindAsync(ResourceTypes.Nodes, "a", null, default));
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        _server.Answer("", HttpStatusCode.Found);
        using var client = _server.Client();
        Assert.Equal(302, (await Assert.ThrowsAsync<ApiException>(() => client.GetAsync(ResourceTypes.Nodes, "a", null, default))).StatusCode);
    }

    [Fact]
    public async Task An_answer_that_does_not_come_is_given_up_on()
    {
        var time = new ManualTime();
        _server.Answer(async token =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new HttpResponseMessage();
        });
        using var client = _server.Client(time);
        var asking = client.GetAsync(ResourceTypes.Nodes, "a", null, default);
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.False(asking.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => asking).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Contains("within 30 s", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_does_not_come_about_in_time_is_a_failure_and_no_cancellation()
    {
        // as the handler tells of its ConnectTimeout
        _server.Answer(_ => throw new TaskCanceledException("The operation was canceled.", new TimeoutException("no connection in time")));
        using var client = _server.Client();
        var e = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(ResourceTypes.Nodes, "a", null, default));
        Assert.EndsWith("no connection in time", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Half_a_surrogate_pair_is_applied_as_a_replacement_character()
    {
        _server.Answer("{}");
        using var client = _server.Client();
        await client.ApplyStatusAsync(ResourceTypes.Nodes, new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "n" },
            ["status"] = new JsonObject { ["a"] = "x\ud83d", ["b"] = "\ude00\ud83d\ude00" },
        }, "me", default);
        var applied = ManifestFile.Parse("applied.yaml", _server.Requests[0].Body!).Manifests.Single().Content;
        Assert.Equal(("x\ufffd", "\ufffd\ud83d\ude00"), ((string?)applied["status"]!["a"], (string?)applied["status"]!["b"]));
    }

    [Fact]
    public async Task Who_cancels_gets_a_cancellation()
    {
        using var cancelled = new CancellationTokenSource();
        _server.Answer(async token =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new HttpResponseMessage();
        });
        using var client = _server.Client();
        var asking = client.GetAsync(ResourceTypes.Nodes, "a", null, cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Fact]
    public async Task Changes_come_in_order_whatever_pieces_they_are_cut_into()
    {
        var big = new string('x', 1_500_000);
        var text = """{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"6"}}}""" + "\n"
            + """{"object":{"metadata":{"name":"a","resourceVersion":"7","annotations":{"big":"BIG"}}},"type":"MODIFIED"}""".Replace("BIG", big, StringComparison.Ordinal) + "\n"
            + "\n"
            + """{"type":"SOMETHING","object":{}}""" + "\n"
            + """{"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"9","creationTimestamp":null}}}""" + "\n"
            + """{"type":"MODIFIED","object":{"metadata":{"name":"b","resourceVersion":"10","labels":[]}}}""" + "\n"
            + """{"type":"DELETED","object":{"metadata":{"name":"é","resourceVersion":"11"}}}""" + "\n";
        var bytes = Encoding.UTF8.GetBytes(text);
        var random = new Random(1);
        List<byte[]> pieces = [];
        for (var at = 0; at < bytes.Length;)
        {
            var length = Math.Min(bytes.Length - at, random.Next(4) == 0 ? random.Next(1, 200_000) : random.Next(1, 20));
            pieces.Add(bytes[at..(at + length)]);
            at += length;
        }

        _server.Answer(new PiecewiseStream(pieces));
        using var client = _server.Client();
        var changes = await client.WatchAsync(ResourceTypes.Nodes, Watch, default).ToListAsync();

        Assert.Equal(
            "GET /api/v1/nodes?resourceVersion=5&watch=true&allowWatchBookmarks=true&timeoutSeconds=300",
            _server.Requests[0].Request);
        Assert.Equal(
            [
                (WatchEventType.Added, "a", "6"), (WatchEventType.Modified, "a", "7"), (WatchEventType.Bookmark, null, "9"),
                (WatchEventType.Modified, null, "10"), (WatchEventType.Deleted, "é", "11"),
            ],
            changes.Select(change => (change.Type, change.Item?.Metadata.Name, change.ResourceVersion)));
        Assert.Equal(big, changes[1].Item!.Metadata.Annotations["big"]);
        Assert.Equal("b", changes[3].Unreadable!.Metadata.Name);
        Assert.All(changes, change => Assert.Equal(change.ResourceVersion == "10", change.Unreadable is not null));
    }

    [Fact]
    public async Task An_error_in_the_stream_is_a_refusal_with_its_code()
    {
        _server.Answer(
            """{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"6"}}}""" + "\n"
            + """{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}""" + "\n");
        using var client = _server.Client();
        var seen = 0;
        var e = await Assert.ThrowsAsync<ApiException>(async () =>
        {
            await foreach (var change in client.WatchAsync(ResourceTypes.Nodes, Watch, default))
                seen++;
        });
        Assert.Equal((1, 410, "Expired"), (seen, e.StatusCode, e.Reason));
        Assert.Equal("GET /api/v1/nodes: too old resource version: 1 (5)", e.Message);
    }

    [Theory]
    [InlineData("""{"type":"ADDED","object":{"metadata":{"name":"a","resource""")]
    [InlineData("""{"type":"ADDED","object":{"metadata":{"name":"a"}}}""")]
    [InlineData("nonsense\n")]
    [InlineData("[]\n")]
    [InlineData("{\"type\":\"ADDED\"}\n")]
    public async Task A_stream_that_ends_within_an_event_or_is_none_is_an_error(string text)
    {
        _server.Answer(text);
        using var client = _server.Client();
        await Assert.ThrowsAsync<HttpRequestException>(() => client.WatchAsync(ResourceTypes.Nodes, Watch, default).ToListAsync().AsTask());
    }

    [Fact]
    public async Task A_connection_that_breaks_is_an_error_after_what_came_before()
    {
        var line = Encoding.UTF8.GetBytes("""{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"6"}}}""" + "\n");
        _server.Answer(new PiecewiseStream([line], new IOException("connection reset")));
        using var client = _server.Client();
        var seen = 0;
        var e = await Assert.ThrowsAsync<HttpRequestException>(async () =>
        {
            await foreach (var change in client.WatchAsync(ResourceTypes.Nodes, Watch, default))
                seen++;
        });
        Assert.Equal(1, seen);
        Assert.Contains("connection reset", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_that_the_server_does_not_end_is_given_up_on()
    {
        var time = new ManualTime();
        _server.Answer(new PiecewiseStream([], isStalling: true));
        using var client = _server.Client(time);
        var watching = client.WatchAsync(ResourceTypes.Nodes, Watch, default).ToListAsync().AsTask();
        time.Advance(Watch.Timeout);
        Assert.False(watching.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(31));
        await Assert.ThrowsAsync<HttpRequestException>(() => watching).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_watch_that_is_refused_says_why()
    {
        _server.Answer("""{"kind":"Status","message":"too old","reason":"Expired","code":410}""", HttpStatusCode.Gone);
        using var client = _server.Client();
        var e = await Assert.ThrowsAsync<ApiException>(() => client.WatchAsync(ResourceTypes.Nodes, Watch, default).ToListAsync().AsTask());
        Assert.Equal((410, "Expired"), (e.StatusCode, e.Reason));
    }
}
