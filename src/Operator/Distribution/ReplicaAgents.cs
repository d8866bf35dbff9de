using Grpc.Core;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>The agents of another replica, as it tells of them. Not thread-safe: one stream feeds it.</summary>
internal sealed class ReplicaAgents(AgentRegistry registry, string replica) : IDisposable
{
    private readonly Dictionary<string, (ulong Stream, AgentSession Session)> _agents = new(StringComparer.Ordinal);

    /// <summary>Who tells.</summary>
    public string Replica { get; } = replica;

    public int Count => _agents.Count;

    /// <summary>Takes up what it tells.</summary>
    /// <param name="message">As received.</param>
    /// <param name="plan">This replica's.</param>
    /// <param name="refused">Is told of agents that cannot be, to this replica's mind: the others are taken up.</param>
    public void Take(SharedAgents message, MeshPlan plan, Action<RpcException> refused)
    {
        foreach (var agent in message.Agents)
        {
            try
            {
                Take(agent, plan);
            }
            catch (RpcException e)
            {
                refused(e);
            }
        }

        foreach (var node in message.Left)
        {
            if (_agents.Remove(node, out var left))
                left.Session.Dispose();
        }
    }

    /// <summary>None of them is there any more, as far as this replica told.</summary>
    public void Dispose()
    {
        foreach (var (_, session) in _agents.Values)
            session.Dispose();
        _agents.Clear();
    }

    private void Take(SharedAgent agent, MeshPlan plan)
    {
        var hello = HelloCheck.Form(agent.Hello ?? new Hello());
        var known = _agents.GetValueOrDefault(hello.Node);
        if (known.Session is null || known.Stream != agent.Stream)
        {
            // the newer one first: the agent is not away in between
            var session = registry.Connect(hello, Replica);
            known.Session?.Dispose();
            _agents[hello.Node] = known = (agent.Stream, session);
        }
        else
        {
            known.Session.Hello(hello);
        }

        if (agent.Report is { } report)
            known.Session.Report(report, plan);
        known.Session.HasApplied(agent.Plan);
    }
}
