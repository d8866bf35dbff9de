using System.Collections.Immutable;
using Google.Protobuf;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>What is to be told to the leader of this replica's agents: at first everything, then what changed. Not thread-safe.</summary>
internal sealed class AgentShare(string replica, PlanPrints prints)
{
    /// <summary>A message has about so many links and no more, but for those of its last agent.</summary>
    private const int MostLinks = 10_000;

    private readonly Dictionary<string, Told> _told = new(StringComparer.Ordinal);
    private bool _hasBegun;

    /// <summary>The messages that bring the leader from what it was told to what is known now; at first there is at least one.</summary>
    public IEnumerable<SharedAgents> Next(ImmutableDictionary<string, AgentStatus> agents)
    {
        var message = new SharedAgents();
        if (!_hasBegun)
            message.Replica = replica;
        foreach (var node in _told.Keys.Where(node => agents.GetValueOrDefault(node) is not { IsConnected: true, Replica: null }).ToList())
        {
            _told.Remove(node);
            message.Left.Add(node);
        }

        var links = 0;
        foreach (var (node, agent) in agents)
        {
            if (agent is not { IsConnected: true, Replica: null })
                continue;

            var print = prints.PrintOf(agent.CurrentRevision);
            var told = _told.GetValueOrDefault(node);
            if (told?.Status == agent && (told.Print == print || print == 0))
                continue;

            var shared = Difference(told, agent, print);
            _told[node] = new Told(agent, shared.Plan);
            message.Agents.Add(shared);
            links += shared.Report?.Links.Count ?? 0;
            if (links >= MostLinks)
            {
                yield return message;
                _hasBegun = true;
                (message, links) = (new SharedAgents(), 0);
            }
        }

        if (!_hasBegun || message.Agents.Count > 0 || message.Left.Count > 0)
            yield return message;
        _hasBegun = true;
    }

    private static SharedAgent Difference(Told? told, AgentStatus agent, ulong print)
    {
        var before = told?.Status.Stream == agent.Stream ? told : null;
        var shared = new SharedAgent
        {
            Hello = new Hello
            {
                Node = agent.Hello.Node,
                PublicKey = ByteString.CopyFrom(agent.Hello.PublicKey.ToArray()),
                Endpoints = { agent.Hello.Endpoints },
                AgentVersion = agent.Hello.Version,
                ProtocolVersions = { agent.Hello.Versions.Numbers },
            },
            Stream = agent.Stream,
            // a plan that is too old, or too new, to be known by its print says nothing new
            Plan = print > 0 ? print : before?.Print ?? 0,
        };
        if (agent.Report is { } report && !ReferenceEquals(report, before?.Status.Report))
            shared.Report = Difference(before?.Status.Report, report);
        return shared;
    }

    private static Report Difference(AgentReport? before, AgentReport after)
    {
        var report = new Report
        {
            AppliedRevision = after.AppliedRevision,
            Mtu = after.Mtu,
            Errors = { after.Errors },
            LinksPartial = before is not null,
            Released = after.Released,
        };
        var old = before is null ? [] : before.Links.AsSpan();
        var now = after.Links.AsSpan();
        while (!old.IsEmpty || !now.IsEmpty)
        {
            // both are ordered by peer
            var order = old.IsEmpty ? 1 : now.IsEmpty ? -1 : string.CompareOrdinal(old[0].Peer, now[0].Peer);
            if (order < 0)
                report.RemovedLinks.Add(old[0].Peer);
            else if (order > 0 || old[0] != now[0])
                report.Links.Add(now[0].ToReport());

            if (order <= 0)
                old = old[1..];
            if (order >= 0)
                now = now[1..];
        }

        return report;
    }

    private sealed record Told(AgentStatus Status, ulong Print);
}
