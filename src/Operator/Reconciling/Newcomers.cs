using System.Collections.Immutable;
using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// The agents that have only just connected: that they have applied nothing yet is no news of anybody's peer. Not thread-safe.
/// </summary>
internal sealed class Newcomers(TimeProvider time)
{
    /// <summary>For so long an agent is new: a plan with its key has to be made, sent and applied.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, (ulong Stream, long Since)> _agents = new(StringComparer.Ordinal);

    /// <summary>Takes up who is there now.</summary>
    /// <returns>Their nodes.</returns>
    public HashSet<string> Update(ImmutableDictionary<string, AgentStatus> agents)
    {
        var newcomers = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (node, agent) in agents)
        {
            // what an agent has applied is never forgotten but with its key
            if (!agent.IsConnected || agent.CurrentRevision > 0)
            {
                _agents.Remove(node);
                continue;
            }

            if (!_agents.TryGetValue(node, out var known) || known.Stream != agent.Stream)
                _agents[node] = known = (agent.Stream, time.GetTimestamp());
            if (time.GetElapsedTime(known.Since) < Patience)
                newcomers.Add(node);
        }

        foreach (var gone in _agents.Keys.Where(node => !agents.ContainsKey(node)).ToList())
            _agents.Remove(gone);
        return newcomers;
    }
}
