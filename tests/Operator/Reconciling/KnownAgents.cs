using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests.Reconciling;

/// <summary>Short ways to write down what agents said. Node a has key 1, b 2 and so on.</summary>
internal static class KnownAgents
{
    public static (string Node, AgentStatus Agent) Agent(string node, params LinkStatus[] links) => (node, new AgentStatus
    {
        Hello = new CheckedHello(node, Clusters.Key(node[0] - 'a' + 1), [], "1.0", VersionSet.One),
        IsConnected = true,
        Stream = 1,
        CurrentRevision = 5,
        Report = new AgentReport(5, 1420, [], [.. links]),
    });

    public static LinkStatus Link(string peer, LinkState state, long lastHandshake = 0, string endpoint = "") =>
        new(peer, state, (byte)(state == LinkState.Up ? 1 : 0), lastHandshake, endpoint, 0, 0);

    public static ImmutableDictionary<string, AgentStatus> Known(params (string Node, AgentStatus Agent)[] agents) =>
        agents.ToImmutableDictionary(agent => agent.Node, agent => agent.Agent, StringComparer.Ordinal);
}
