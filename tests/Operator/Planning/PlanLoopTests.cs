using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Telemetry;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

[Collection(OperatorMetersCollection.Name)]
public class PlanLoopTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Nothing_is_planned_before_the_cluster_was_read_whole()
    {
        var cluster = new SlowCluster();
        var agents = new AgentRegistry();
        using var metrics = new OperatorMetrics(agents);
        using var loop = new PlanLoop(cluster, agents, metrics, TimeProvider.System, NullLogger<PlanLoop>.Instance);
        await loop.StartAsync(CancellationToken.None);
        await cluster.LookedAt.Task.WaitAsync(Patience);

        cluster.State.Publish(Three);
        var first = await loop.Published.NextAsync(PublishedPlan.None, CancellationToken.None).WaitAsync(Patience);
        await loop.StopAsync(CancellationToken.None).WaitAsync(Patience);

        Assert.Equal((1ul, 3), (first.Revision, first.Plan.Nodes.Count));
    }

    private sealed class SlowCluster : ICluster
    {
        private int _looks;

        public Latest<ClusterState> State { get; } = new(ClusterState.Empty);

        /// <summary>Done when the loop has taken the state up and comes to wait for the next.</summary>
        public TaskCompletionSource LookedAt { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Latest<ClusterState> Current
        {
            get
            {
                if (Interlocked.Increment(ref _looks) == 2)
                    LookedAt.TrySetResult();
                return State;
            }
        }

        public Task RunAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);

        public void Announce(string node, PublicKey key, ImmutableArray<string> endpoints, VersionSet versions) => throw new NotSupportedException();
    }
}
