using System.Globalization;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary>Whether the mesh is as it should be: what its nodes cannot do is wrong, what a device lacks is worth a word.</summary>
internal static class MeshHealth
{
    /// <summary>What is wrong, one sentence each; empty: every node takes part, and no link between nodes is down.</summary>
    public static IReadOnlyList<string> ProblemsOf(MeshStatus status)
    {
        var nodes = NodesOf(status);
        if (nodes.Count == 0)
            return ["the mesh has no nodes"];

        var problems = new List<string>();
        foreach (var node in nodes)
        {
            if (!node.AgentConnected)
                problems.Add($"node {node.Name}: its agent is not connected to the operator");
            if (node.Released)
                problems.Add($"node {node.Name}: the mesh was taken off it, as before an uninstall; it takes part again when its agent is started anew");
            problems.AddRange(node.Errors.Prepend(node.Message)
                .Where(text => text.Length > 0)
                .Select(text => $"node {node.Name}: {StatusText.Plain(text)}"));
        }

        // a device may be switched off; of links with devices both the nodes and the devices tell
        var down = nodes.Where(node => node.AgentConnected).Sum(node => node.LinkSummary?.Down ?? 0)
            - status.Peers.Where(peer => peer.Kind == PeerKind.External).Sum(peer => peer.LinkSummary?.Down ?? 0);
        if (down > 0)
            problems.Add($"{(down == 1 ? "1 link" : $"{down} links")} between nodes, counted at each end, {(down == 1 ? "is" : "are")} down");
        return problems;
    }

    /// <summary>The nodes that <see cref="ProblemsOf"/> would like to know the links of.</summary>
    public static IEnumerable<string> NodesWithLinksDown(MeshStatus status) =>
        NodesOf(status).Where(node => node.LinkSummary?.Down > 0).Select(node => node.Name);

    /// <summary>The links between nodes that are down, of a status that has them one by one.</summary>
    public static IEnumerable<string> LinksDown(MeshStatus status)
    {
        var nodes = NodesOf(status).Select(node => node.Name).ToHashSet(StringComparer.Ordinal);
        return NodesOf(status).SelectMany(node => node.Links
            .Where(link => link.State == LinkState.Down && nodes.Contains(link.Peer))
            .Select(link => $"node {node.Name}: no answer from {link.Peer}"
                + (link.Endpoint.Length > 0 ? $" at {StatusText.Plain(link.Endpoint)}" : "")));
    }

    /// <summary>What does not make the mesh unfit, one sentence each: devices and conflicts.</summary>
    public static IEnumerable<string> NotesOf(MeshStatus status) => status.Peers
        .Where(peer => peer.Kind == PeerKind.External && peer.Message.Length > 0)
        .Select(peer => $"{peer.Name}: {peer.Message}")
        .Concat(status.Conflicts)
        .Concat(status.Rejected)
        .Distinct(StringComparer.Ordinal)
        .Select(StatusText.Plain);

    /// <summary>The mesh in a line.</summary>
    public static string Summary(MeshStatus status)
    {
        var nodes = NodesOf(status);
        return string.Create(CultureInfo.InvariantCulture,
            $"{nodes.Count} nodes, {nodes.Count(node => node.AgentConnected)} agents connected, {status.Peers.Count - nodes.Count} external peers; "
            + $"links, counted at nodes: {Sum(links => links.Up)} up, {Sum(links => links.Down)} down, {Sum(links => links.Idle)} idle");

        long Sum(Func<LinkSummary, uint> number) => nodes.Sum(node => node.LinkSummary is { } links ? number(links) : 0L);
    }

    private static List<PeerStatus> NodesOf(MeshStatus status) => [.. status.Peers.Where(peer => peer.Kind == PeerKind.Node)];
}
