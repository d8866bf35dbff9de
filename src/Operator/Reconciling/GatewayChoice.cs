using System.Collections.Immutable;
using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Reconciling;

/// <summary>Which gateway the other nodes reach a device through: the one that the device really uses.</summary>
internal static class GatewayChoice
{
    /// <summary>
    /// Stays with a gateway for as long as its agent is connected and its link to the device is up, or merely idle while no other gateway's is up.
    /// Else takes one whose link is up, else one whose agent is connected, the first by name each. A device that is off is not looked for through
    /// the same gateway twice.
    /// </summary>
    /// <param name="peer">The device.</param>
    /// <param name="gateways">The nodes that admit it, ordered by name (ordinal).</param>
    /// <param name="current">The gateway now; null: none yet.</param>
    /// <param name="tried">Those whose link went down while no other's was up: kept here from one choice for the device to the next.</param>
    /// <param name="haveAgentsHadTime">If not, an agent that is not connected may be about to come.</param>
    /// <returns>Null: there is none.</returns>
    public static string? Choose(
        string peer,
        ImmutableArray<string> gateways,
        string? current,
        HashSet<string> tried,
        ImmutableDictionary<string, AgentStatus> agents,
        bool haveAgentsHadTime)
    {
        var isStill = current is not null && gateways.BinarySearch(current, StringComparer.Ordinal) >= 0;
        var state = isStill ? StateOf(current!) : null;
        var up = state == LinkState.Up ? current : gateways.FirstOrDefault(node => StateOf(node) == LinkState.Up);
        if (up is not null)
        {
            tried.Clear();
            return up;
        }

        if (state == LinkState.Idle || (isStill && !haveAgentsHadTime && !IsConnected(current!)))
            return current;
        if (state == LinkState.Down)
        {
            tried.Add(current!);
            return gateways.FirstOrDefault(node => StateOf(node) == LinkState.Idle && !tried.Contains(node)) ?? current;
        }

        return gateways.FirstOrDefault(node => StateOf(node) == LinkState.Idle && !tried.Contains(node))
            ?? gateways.FirstOrDefault(node => StateOf(node) == LinkState.Idle)
            ?? gateways.FirstOrDefault(IsConnected)
            ?? (isStill ? current : gateways.FirstOrDefault());

        bool IsConnected(string node) => agents.TryGetValue(node, out var agent) && agent.IsConnected;
        LinkState? StateOf(string node) => GatewayChoice.StateOf(peer, node, agents);
    }

    /// <summary>
    /// Whether the gateway may be the right one all the same: a device that starts calls its gateways one after the other, and they report one
    /// after the other; the first to be up need not be the one that it uses.
    /// </summary>
    public static bool MayComeUp(
        string peer, ImmutableArray<string> gateways, string? current, ImmutableDictionary<string, AgentStatus> agents) =>
        current is not null && gateways.BinarySearch(current, StringComparer.Ordinal) >= 0 && StateOf(peer, current, agents) == LinkState.Idle;

    // an agent that has not said yet is not worse than one that has nothing to say
    private static LinkState? StateOf(string peer, string node, ImmutableDictionary<string, AgentStatus> agents) =>
        !agents.TryGetValue(node, out var agent) || !agent.IsConnected ? null
        : agent.Report is { } report && LinkTally.Find(report, peer) is { } link ? link.State
        : LinkState.Idle;
}
