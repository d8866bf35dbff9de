using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Client;

/// <summary>That the API server takes the events as they are written, first and again.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class EventRecorderSystemTests(KubernetesServer server)
{
    [Fact]
    public async Task An_event_is_written_counted_and_counted_on_by_the_next_process()
    {
        var name = "event-node-" + Guid.NewGuid().ToString("n")[..8];
        var node = new Node { Metadata = { Name = name, Uid = await server.CreateNodeAsync(name) } };
        var time = new ManualTime();
        using var client = new KubernetesClient(server.Admin);
        await using (var first = new Running(new EventRecorder(client, "wgmesh-operator", "one", time, new RecordingLog())))
        {
            first.Recorder.Record(node, true, "Conflict", "It is taken: \"ä\" 😀");
            await CountIs(1);
            await Wait.Until(() => first.Recorder.IsIdle, "it is written");
            time.Advance(TimeSpan.FromMinutes(1));
            first.Recorder.Record(node, true, "Conflict", "It is taken: \"ä\" 😀");
            await CountIs(2);
        }

        await using (var second = new Running(new EventRecorder(client, "wgmesh-operator", "two", time, new RecordingLog())))
        {
            second.Recorder.Record(node, true, "Conflict", "It is taken: \"ä\" 😀");
            await CountIs(3);
        }

        async Task CountIs(int count)
        {
            JsonNode? item = null;
            var deadline = Environment.TickCount64 + (long)Wait.Limit.TotalMilliseconds;
            while ((int?)item?["count"] != count)
            {
                Assert.True(Environment.TickCount64 < deadline, $"waited for the count {count}: {item?.ToJsonString()}");
                var list = await server.SendAsync(HttpMethod.Get, $"/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid={node.Metadata.Uid}");
                item = list["items"]!.AsArray().SingleOrDefault();
                await Task.Delay(20);
            }

            Assert.Equal(("It is taken: \"ä\" 😀", name), ((string?)item!["message"], (string?)item["involvedObject"]!["name"]));
        }
    }

    private sealed class Running : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Running(EventRecorder recorder)
        {
            Recorder = recorder;
            _running = recorder.RunAsync(_stop.Token);
        }

        public EventRecorder Recorder { get; }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
            _stop.Dispose();
        }
    }
}
