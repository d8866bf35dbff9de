using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Telemetry;

/// <summary>How the whole mesh is, in numbers.</summary>
internal sealed class MeshFigures
{
    /// <summary>So many versions are told apart; agents say themselves what theirs is.</summary>
    internal const int MostVersions = 32;

    /// <summary>What the versions of the others are called.</summary>
    internal const string OtherVersions = "other";

    /// <summary>After so long they are counted anew.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(1);

    private long _at;

    /// <summary>A link between two nodes counts once.</summary>
    public required LinkCounts Links { get; init; }

    /// <summary>By node whose agent is connected and has reported, as that says.</summary>
    public required IReadOnlyDictionary<string, LinkCounts> NodeLinks { get; init; }

    /// <summary>Agents that are connected, by version.</summary>
    public required IReadOnlyDictionary<string, int> Versions { get; init; }

    /// <summary>Of which the agent is connected and reports errors.</summary>
    public required int NodesWithFaults { get; init; }

    /// <summary>Whether they are to be counted anew.</summary>
    public bool IsOld(TimeProvider time) => time.GetElapsedTime(_at) >= Lifetime;

    public static MeshFigures Of(MeshPlan plan, ImmutableDictionary<string, AgentStatus> agents, TimeProvider time)
    {
        var tally = LinkTally.Of(plan, agents, time.GetUtcNow());
        var connected = agents.Where(agent => agent.Value.IsConnected && plan.Nodes.ContainsKey(agent.Key)).Select(agent => agent.Value).ToList();
        var versions = connected.CountBy(agent => agent.Hello.Version, StringComparer.Ordinal)
            .OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key, StringComparer.Ordinal).ToList();
        return new MeshFigures
        {
            _at = time.GetTimestamp(),
            Links = new LinkCounts(tally.Up, tally.Down, tally.Idle),
            NodeLinks = tally.Nodes,
            Versions = versions.Select((entry, i) => (Version: i < MostVersions ? entry.Key : OtherVersions, entry.Value))
                .GroupBy(entry => entry.Version, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.Sum(entry => entry.Value), StringComparer.Ordinal),
            NodesWithFaults = connected.Count(agent => agent.HasFaults),
        };
    }
}
