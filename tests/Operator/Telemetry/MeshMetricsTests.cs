using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests.Telemetry;

[Collection(OperatorMetersCollection.Name)]
public class MeshMetricsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>A place that the SDK gave to a version it takes back with the instrument alone.</summary>
    [Fact]
    public async Task Versions_that_are_gone_leave_their_places_to_others()
    {
        var (agents, time) = (new AgentRegistry(), new ManualTime());
        using var metrics = new OperatorMetrics(agents);
        using var plans = new PlanLoop(new StillCluster(), agents, metrics, time, NullLogger<PlanLoop>.Instance);
        plans.Published.Publish(PublishedPlan.None.Next(Clusters.Three.Plan(), []));
        using var mesh = new MeshMetrics(plans, agents, Leader.Alone(), time);
        await mesh.StartAsync(CancellationToken.None);

        var prefix = $"of-this-test-{Guid.NewGuid():N}-"; // other operators of this process measure, too
        var instruments = new HashSet<Instrument>();
        var shown = "";
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "wgmesh.operator.agents")
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) =>
        {
            if (tags[0].Value is string version && version.StartsWith(prefix, StringComparison.Ordinal))
                (_, shown) = (instruments.Add(instrument), version);
        });
        listener.Start();

        var deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        for (var i = 0; instruments.Count < 2; i++)
        {
            Assert.True(Environment.TickCount64 < deadline, $"{i} versions came and went, and the instrument is still the same");
            using var session = agents.Connect(new CheckedHello("a", Clusters.Key(1), [], $"{prefix}{i}", VersionSet.One));
            do // in the moment in which one instrument takes another's place neither is read
            {
                listener.RecordObservableInstruments();
                Assert.True(Environment.TickCount64 < deadline, $"version {i} is not shown");
            }
            while (shown != $"{prefix}{i}");
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await mesh.StopAsync(CancellationToken.None).WaitAsync(Patience);
    }

    private sealed class StillCluster : ICluster
    {
        public Latest<ClusterState> Current { get; } = new(ClusterState.Empty);

        public Task RunAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);

        public void Announce(string node, Engine.PublicKey key, System.Collections.Immutable.ImmutableArray<string> endpoints, VersionSet versions) =>
            throw new NotSupportedException();
    }
}
