using System.Collections.Immutable;
using WgMesh.Engine;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.State;

namespace WgMesh.Mesh.Tests;

/// <summary>
/// What replicas have in common in place of an API server: all see one state, and what the leader knows of the agents' keys is written to it.
/// </summary>
internal sealed class SharedCluster : ICluster
{
    private static readonly DateTimeOffset Created = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _lock = new();

    /// <param name="nodes">Named a, b, c and so on.</param>
    public SharedCluster(int nodes) => Current = new Latest<ClusterState>(ClusterState.Empty with
    {
        Nodes =
        [
            .. Enumerable.Range(1, nodes).Select(number => new NodeRecord
            {
                Name = ((char)('a' + number - 1)).ToString(),
                Created = Created,
                PodCidrs = Parsing.Prefixes([$"10.{number}.0.0/24"]),
                Address = $"192.0.2.{number}",
            }),
        ],
    });

    public Latest<ClusterState> Current { get; }

    public bool IsComplete => true;

    public Task RunAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);

    public void Announce(string node, PublicKey key, ImmutableArray<string> endpoints, VersionSet versions)
    {
        // the leader does, by what it hears of the agents
    }

    public void Change(Func<ClusterState, ClusterState> change)
    {
        lock (_lock)
            Current.Publish(change(Current.Value));
    }

    /// <summary>Writes the keys of all agents that the leader knows.</summary>
    public void Write(ImmutableDictionary<string, AgentStatus> agents)
    {
        lock (_lock)
        {
            var before = Current.Value.Announcements;
            var after = before.SetItems(agents.Values.Select(agent => KeyValuePair.Create(
                agent.Hello.Node, new Announcement(agent.Hello.PublicKey, agent.Hello.Endpoints, Created) { Versions = agent.Hello.Versions })));
            if (!after.SequenceEqual(before))
                Current.Publish(Current.Value with { Announcements = after });
        }
    }
}
