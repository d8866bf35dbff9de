using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>The mesh as tools see it: the plan, and what the agents made of it.</summary>
internal static class StatusView
{
    /// <summary>Of so many peers the links can be asked for at a time: those of all would be the square of the mesh.</summary>
    public const int MostLinksOf = 64;

    /// <summary>The whole mesh now.</summary>
    /// <param name="linksOf">Peers whose links are shown one by one.</param>
    public static MeshStatus Of(
        PublishedPlan published, ImmutableDictionary<string, AgentStatus> agents, IReadOnlySet<string> linksOf)
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

        // by name, as links are
        var served = new List<(PeerOutcome Outcome, PeerStatus Status)>(published.Plan.Outcomes.Length);
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
                    peer.Released = report.Released;
                }
            }

            status.Peers.Add(peer);
            if (outcome.IsServed)
                served.Add((outcome, peer));
        }

        foreach (var (outcome, peer) in served)
        {
            if (outcome.Node is not null && agents.TryGetValue(outcome.Node, out var agent))
                AddLinks(peer, agent, served, linksOf);
        }

        return status;
    }

    /// <summary>What an agent says of its links, to its node's peer and to the external peers at their other ends. Both lists are ordered by name.</summary>
    private static void AddLinks(
        PeerStatus own, AgentStatus agent, List<(PeerOutcome Outcome, PeerStatus Status)> served, IReadOnlySet<string> linksOf)
    {
        if (agent.Report is not { } report)
            return;

        var areAllWanted = linksOf.Contains(own.Name);
        var next = 0;
        foreach (ref readonly var link in report.Links.AsSpan())
        {
            while (next < served.Count && string.CompareOrdinal(served[next].Outcome.Name, link.Peer) < 0)
                next++;
            if (next == served.Count)
                break;
            var other = served[next].Status;
            // an agent may know a peer before this replica does, or longer
            if (other.Name != link.Peer || other == own)
                continue;

            Add(own.LinkSummary ??= new LinkSummary(), link.State, link.LastHandshake, link.ReceivedBytes, link.SentBytes);
            if (other.Kind == PeerKind.External && agent.IsConnected)
                Add(other.LinkSummary ??= new LinkSummary(), link.State, link.LastHandshake, link.SentBytes, link.ReceivedBytes);
            if (areAllWanted || (linksOf.Count > 0 && linksOf.Contains(link.Peer)))
                own.Links.Add(link.ToReport());
        }
    }

    private static void Add(LinkSummary summary, LinkState state, long lastHandshake, ulong received, ulong sent)
    {
        switch (state)
        {
            case LinkState.Up:
                summary.Up++;
                break;
            case LinkState.Down:
                summary.Down++;
                break;
            default:
                summary.Idle++;
                break;
        }

        if (lastHandshake != 0 && !(summary.LastHandshake?.Seconds >= lastHandshake))
            summary.LastHandshake = new Timestamp { Seconds = lastHandshake };
        summary.ReceivedBytes += received;
        summary.SentBytes += sent;
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
