using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using WgMesh.Tests.Shared;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WgMesh.Kubernetes.Tests.Client;

public sealed partial class EventRecorderTests : IAsyncLifetime
{
    private static readonly Node Node = new() { Metadata = { Name = "node1", Uid = "u1", ResourceVersion = "5" } };

    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();
    private readonly FakeApiServer _server = new();
    private readonly KubernetesClient _client;
    private readonly EventRecorder _recorder;
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public EventRecorderTests()
    {
        _client = _server.Client();
        _recorder = new EventRecorder(_client, "wgmesh-operator", "operator-1", _time, _log);
    }

    public Task InitializeAsync()
    {
        _running = _recorder.RunAsync(_stop.Token);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        _stop.Dispose();
        _client.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task What_happened_to_an_object_is_written_where_kubectl_looks_for_it()
    {
        _recorder.Record(Node, isWarning: true, "KeyChanged", "The node has a new key");
        var call = await _server.NextAsync();
        Assert.Equal((HttpMethod.Post, "/api/v1/namespaces/default/events"), (call.Method, call.Path));
        var item = JsonNode.Parse(call.Body!)!;
        Assert.Matches(Name(), (string)item["metadata"]!["name"]!);
        Assert.Equal(("default", "Warning", "KeyChanged", "The node has a new key", 1), (
            (string)item["metadata"]!["namespace"]!, (string)item["type"]!, (string)item["reason"]!, (string)item["message"]!, Count(item)));
        var about = item["involvedObject"]!;
        Assert.Equal(("v1", "Node", "node1", "u1", null), (
            (string)about["apiVersion"]!, (string)about["kind"]!, (string)about["name"]!, (string)about["uid"]!, (string?)about["namespace"]));
        Assert.Equal(("wgmesh-operator", "operator-1", "wgmesh-operator"), (
            (string)item["reportingComponent"]!, (string)item["reportingInstance"]!, (string)item["source"]!["component"]!));
        Assert.Equal("2026-01-01T00:00:00Z", (string)item["lastTimestamp"]!);
    }

    [Fact]
    public async Task Events_of_an_object_in_a_namespace_are_there_too()
    {
        var pod = new Pod { Metadata = { Name = "p", Namespace = "s", Uid = "u" } };
        _recorder.Record(pod, isWarning: false, "Seen", "It was seen");
        var call = await _server.NextAsync();
        Assert.Equal("/api/v1/namespaces/s/events", call.Path);
        var item = JsonNode.Parse(call.Body!)!;
        Assert.Equal(("Normal", "s"), ((string)item["type"]!, (string)item["involvedObject"]!["namespace"]!));
    }

    [Fact]
    public async Task The_same_said_again_is_counted_and_written_once_a_minute()
    {
        for (var i = 0; i < 3; i++)
            _recorder.Record(Node, true, "Conflict", "It is taken");
        var first = await CreatedAsync();
        Assert.InRange(Count(first), 1, 3);
        await WrittenAsync();
        for (var i = 0; i < 4; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(14));
            _recorder.Record(Node, true, "Conflict", "It is taken");
        }

        Assert.False(_server.HasCall);
        _time.Advance(TimeSpan.FromSeconds(4));
        var applied = await AppliedAsync(NameOf(first));
        Assert.Equal((7, "2026-01-01T00:00:00Z", "2026-01-01T00:00:56Z"), (
            Count(applied), (string)applied["firstTimestamp"]!, (string)applied["lastTimestamp"]!));
        await WrittenAsync();
        _recorder.Record(Node, true, "Conflict", "It is taken");
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(_server.HasCall);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(8, Count(await AppliedAsync(NameOf(first))));

        Task WrittenAsync() => Wait.Until(() => _recorder.IsIdle || _time.Waits.Count == 1, "it is written, and nothing more is to be written now");
    }

    [Fact]
    public async Task Other_words_another_object_or_an_hour_later_is_another_event()
    {
        var other = new Node { Metadata = { Name = "node1", Uid = "u2" } };
        _recorder.Record(Node, true, "Conflict", "It is taken");
        var names = new HashSet<string> { NameOf(await CreatedAsync()) };
        _recorder.Record(Node, true, "Conflict", "It is taken by another");
        Assert.True(names.Add(NameOf(await CreatedAsync())));
        _recorder.Record(Node, false, "Conflict", "It is taken");
        Assert.True(names.Add(NameOf(await CreatedAsync())));
        _recorder.Record(other, true, "Conflict", "It is taken");
        Assert.True(names.Add(NameOf(await CreatedAsync())));
        await Wait.Until(() => _recorder.IsIdle, "all is written");
        _time.Advance(TimeSpan.FromHours(1));
        _recorder.Record(Node, true, "Conflict", "It is taken");
        Assert.Equal(1, Count(await CreatedAsync()));
    }

    [Fact]
    public async Task What_a_process_before_said_is_counted_on()
    {
        _recorder.Record(Node, true, "Conflict", "It is taken");
        var create = await _server.NextAsync();
        create.Refuse(409, "AlreadyExists");
        var find = await _server.NextAsync();
        var item = JsonNode.Parse(create.Body!)!;
        Assert.Equal((HttpMethod.Get, $"/api/v1/namespaces/default/events/{NameOf(item)}"), (find.Method, find.Path));
        item["count"] = 41;
        item["firstTimestamp"] = "2025-12-31T23:30:00Z";
        find.Answer(item);
        var applied = await AppliedAsync(NameOf(item));
        Assert.Equal((42, "2025-12-31T23:30:00Z", "2026-01-01T00:00:00Z"), (
            Count(applied), (string)applied["firstTimestamp"]!, (string)applied["lastTimestamp"]!));
    }

    [Fact]
    public async Task What_the_server_refuses_is_dropped_and_the_rest_is_written()
    {
        _recorder.Record(Node, true, "First", "One");
        (await _server.NextAsync()).Refuse(403, "Forbidden");
        _recorder.Record(Node, true, "Second", "Two");
        (await _server.NextAsync()).Refuse(403, "Forbidden");
        await Wait.Until(() => _recorder.Dropped == 2 && (_recorder.IsIdle || Due()), "both are dropped");
        Assert.Equal(1, _log.Count(521));
        _recorder.Record(Node, true, "Third", "Three");
        await CreatedAsync();

        // what was dropped is looked at once more, to be forgotten
        bool Due()
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return false;
        }
    }

    [Fact]
    public async Task What_the_server_could_not_take_is_tried_again_for_a_while()
    {
        _recorder.Record(Node, true, "Conflict", "It is taken");
        for (var attempt = 1; attempt <= 12; attempt++)
        {
            Assert.Equal(0, _recorder.Dropped);
            (await _server.NextAsync()).RefuseConnection();
            await Wait.Until(() => _time.Waits.Count == 1, "it is to be tried again");
            _time.Advance(TimeSpan.FromMinutes(5));
        }

        await Wait.Until(() => _recorder is { Dropped: 1, IsIdle: true }, "it is dropped");
        Assert.False(_server.HasCall);
        Assert.Equal(1, _log.Count(521));
    }

    [Fact]
    public async Task After_a_burst_of_50_ten_are_written_a_second()
    {
        for (var i = 0; i < 55; i++)
            _recorder.Record(Node, false, "Many", $"Number {i}");
        for (var i = 0; i < 50; i++)
            await CreatedAsync();
        for (var i = 0; i < 5; i++)
        {
            await Wait.Until(() => _time.Waits.Count == 1, "it waits for its turn");
            Assert.False(_server.HasCall);
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await CreatedAsync();
        }
    }

    [Fact]
    public async Task What_is_too_much_is_left_out_from_the_newest_on_and_counted()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        for (var i = 0; i < EventRecorder.MostPending + 7; i++)
            _recorder.Record(Node, false, "Many", $"Number {i}");
        _recorder.Record(Node, false, "Many", "Number 0");
        Assert.Equal(7, _recorder.Dropped);
        Assert.Equal(1, _log.Count(522));
    }

    [Fact]
    public async Task Names_and_messages_are_cut_to_what_the_server_takes()
    {
        _recorder.Record(new Node { Metadata = { Name = new string('a', 235) + "." + new string('b', 17) } }, false, "Long", new string('m', 2000));
        var item = await CreatedAsync();
        Assert.Matches($"^a{{235}}\\.[0-9a-f]{{16}}$", NameOf(item));
        Assert.Equal(1024, ((string)item["message"]!).Length);

        // the half of a character would become another one, and the event's name another event's
        _recorder.Record(Node, false, "Long", new string('m', 1022) + "\ud83d\ude00 and more");
        Assert.Equal(new string('m', 1022) + "…", (string)(await CreatedAsync())["message"]!);
    }

    private async Task<JsonNode> CreatedAsync()
    {
        var call = await _server.NextAsync();
        Assert.Equal(HttpMethod.Post, call.Method);
        var item = JsonNode.Parse(call.Body!)!;
        call.Answer(item);
        return item;
    }

    private async Task<JsonNode> AppliedAsync(string name)
    {
        var call = await _server.NextAsync();
        Assert.Equal((HttpMethod.Patch, $"/api/v1/namespaces/default/events/{name}"), (call.Method, call.Path));
        Assert.Equal(("wgmesh-operator", "true"), (call.Query["fieldManager"], call.Query["force"]));
        var parser = new Parser(new StringReader(call.Body!));
        parser.Consume<StreamStart>();
        parser.Consume<DocumentStart>();
        var item = YamlDocument.Read(parser, 0, out _)!;
        call.Answer(item);
        return item;
    }

    private static int Count(JsonNode item) => int.Parse(item["count"]!.ToJsonString(), CultureInfo.InvariantCulture);

    private static string NameOf(JsonNode item) => (string)item["metadata"]!["name"]!;

    [GeneratedRegex("^node1\\.[0-9a-f]{16}$")]
    private static partial Regex Name();
}
