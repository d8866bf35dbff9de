using System.Collections.Immutable;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>The mesh as tools see it: the plan, and what the agents made of it.</summary>
internal static class StatusView
{
    public static MeshStatus Of(PublishedPlan published, ImmutableDictionary<string, AgentStatus> agents)
    {
        var status = new MeshStatus { Revision = published.Revision };
        status.Conflicts.AddRange(published.Plan.Conflicts);
        status.Rejected.AddRange(published.Problems);
        if (published.Plan.Protocol is { } protocol)
        {
            status.Protocol = new ProtocolStatus
            {
                Version = protocol.Version,
                AtGeneration = protocol.AtGeneration ?? 0,
                Generation = protocol.Generation,
                Nodes = (uint)protocol.Nodes,
                ReadyNodes = (uint)protocol.ReadyNodes,
            };
        }

        foreach (var outcome in published.Plan.Outcomes)
        {
            var peer = new PeerStatus { Name = outcome.Name, Kind = outcome.Kind, Node = outcome.Node ?? "", Message = MessageOf(outcome) };
            peer.Addresses.AddRange(outcome.Addresses);
            peer.AllowedIps.AddRange(outcome.AllowedIps);
            peer.ProtocolVersions.AddRange(outcome.Versions.Numbers);
            if (outcome.Node is not null && agents.TryGetValue(outcome.Node, out var agent))
            {
                peer.AgentConnected = agent.IsConnected;
                peer.AgentVersion = agent.Hello.Version;
                if (agent.Report is { } report)
                {
                    peer.AppliedRevision = report.AppliedRevision;
                    peer.Errors.AddRange(report.Errors);
                    peer.Links.AddRange(report.Links.Select(link => link.ToReport()));
                }
            }

            status.Peers.Add(peer);
        }

        return status;
    }

    private static string MessageOf(PeerOutcome outcome)
    {
        var messages = string.Join("; ", outcome.Messages);
        return outcome.Admission switch
        {
            PeerAdmission.Refused => $"refused: {messages}",
            PeerAdmission.Waiting => string.Join("; ", outcome.Messages.Prepend("waiting for its agent to announce a key")),
            _ => messages,
        };
    }
}
