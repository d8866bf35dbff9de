using System.Globalization;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary>The status of the mesh as text.</summary>
internal static class StatusText
{
    public static string Write(MeshStatus status, DateTimeOffset now)
    {
        var text = new StringBuilder();
        var nodes = status.Peers.Where(peer => peer.Kind == PeerKind.Node).ToList();
        text.Append(CultureInfo.InvariantCulture,
            $"plan {status.Revision}: {nodes.Count} nodes, {nodes.Count(node => node.AgentConnected)} agents connected, ");
        text.Append(CultureInfo.InvariantCulture, $"{status.Peers.Count - nodes.Count} external peers\n\n");

        if (status.Protocol is { } protocol)
        {
            text.Append(CultureInfo.InvariantCulture, $"protocol version {protocol.Version} is asked for");
            if (protocol.AtGeneration > protocol.Generation)
            {
                text.Append(CultureInfo.InvariantCulture,
                    $" from generation {protocol.AtGeneration} of WireGuardMesh default on, which is at {protocol.Generation}");
            }

            text.Append(CultureInfo.InvariantCulture, $": {protocol.ReadyNodes} of {protocol.Nodes} nodes speak it\n\n");
        }

        Table(text, ["PEER", "KIND", "ADDRESSES", "AGENT", "SPEAKS", "APPLIED", "ALLOWED IPS", "MESSAGE"], status.Peers.Select(peer => new[]
        {
            peer.Name,
            peer.Kind == PeerKind.Node ? "node" : "external",
            Join(peer.Addresses),
            peer.Kind != PeerKind.Node ? "-"
                : !peer.AgentConnected ? "away"
                : peer.AgentVersion.Length > 0 ? peer.AgentVersion
                : "connected",
            Join(peer.ProtocolVersions),
            peer.Kind != PeerKind.Node ? "-" : peer.AppliedRevision.ToString(CultureInfo.InvariantCulture),
            Join(peer.AllowedIps),
            string.Join("; ", peer.Errors.Prepend(peer.Released ? "released" : "").Prepend(peer.Message).Where(message => message.Length > 0)),
        }));

        var summaries = status.Peers.Where(peer => peer.LinkSummary is not null).ToList();
        if (summaries.Count > 0)
        {
            text.Append('\n');
            Table(text, ["LINKS OF", "UP", "DOWN", "IDLE", "HANDSHAKE", "RECEIVED", "SENT"], summaries.Select(peer => new[]
            {
                peer.Name,
                peer.LinkSummary.Up.ToString(CultureInfo.InvariantCulture),
                peer.LinkSummary.Down.ToString(CultureInfo.InvariantCulture),
                peer.LinkSummary.Idle.ToString(CultureInfo.InvariantCulture),
                Handshake(peer.LinkSummary.LastHandshake, now),
                Bytes(peer.LinkSummary.ReceivedBytes),
                Bytes(peer.LinkSummary.SentBytes),
            }));
        }

        // as many as were asked for
        var links = status.Peers.SelectMany(peer => peer.Links.Select(link => (Peer: peer, Link: link))).ToList();
        if (links.Count > 0)
        {
            text.Append('\n');
            Table(text, ["FROM", "TO", "STATE", "HANDSHAKE", "VERSION", "ENDPOINT", "RECEIVED", "SENT"], links.Select(item => new[]
            {
                item.Peer.Name,
                item.Link.Peer,
                item.Link.State switch { LinkState.Up => "up", LinkState.Down => "down", LinkState.Idle => "idle", _ => "-" },
                Handshake(item.Link.LastHandshake, now),
                item.Link.ProtocolVersion > 0 ? item.Link.ProtocolVersion.ToString(CultureInfo.InvariantCulture) : "-",
                item.Link.Endpoint.Length > 0 ? item.Link.Endpoint : "-",
                Bytes(item.Link.ReceivedBytes),
                Bytes(item.Link.SentBytes),
            }));
        }

        Section(text, "CONFLICTS", status.Conflicts);
        Section(text, "PROBLEMS", status.Rejected);
        return text.ToString();
    }

    private static string Handshake(Timestamp? time, DateTimeOffset now) => time is null ? "never" : Age(now - time.ToDateTimeOffset());

    /// <summary>"12s ago", "3m 5s ago", "2h 1m ago", "4d 3h ago". The clocks of two machines differ: what lies ahead is now.</summary>
    internal static string Age(TimeSpan age)
    {
        if (age < TimeSpan.Zero)
            age = TimeSpan.Zero;
        return age switch
        {
            { TotalMinutes: < 1 } => $"{age.Seconds}s ago",
            { TotalHours: < 1 } => $"{age.Minutes}m {age.Seconds}s ago",
            { TotalDays: < 1 } => $"{age.Hours}h {age.Minutes}m ago",
            _ => $"{age.Days}d {age.Hours}h ago",
        };
    }

    /// <summary>"512 B", "1.5 KiB".</summary>
    internal static string Bytes(ulong bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        var (value, unit) = ((double)bytes, 0);
        while (value >= 1024)
            (value, unit) = (value / 1024, unit + 1);
        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    // agents and manifests have a say in these texts: none of them is to move the cursor
    internal static string Plain(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));

    private static string Join<T>(IEnumerable<T> texts) => string.Join(',', texts) is { Length: > 0 } joined ? joined : "-";

    private static void Section(StringBuilder text, string title, IReadOnlyCollection<string> lines)
    {
        if (lines.Count == 0)
            return;

        text.Append('\n').Append(title).Append('\n');
        foreach (var line in lines)
            text.Append("  ").Append(Plain(line)).Append('\n');
    }

    private static void Table(StringBuilder text, string[] header, IEnumerable<string[]> rows)
    {
        var lines = rows.Prepend(header).Select(line => Array.ConvertAll(line, Plain)).ToList();
        var widths = Enumerable.Range(0, header.Length).Select(column => lines.Max(line => line[column].Length)).ToArray();
        foreach (var line in lines)
        {
            var columns = line.Select((cell, column) => cell.PadRight(widths[column]));
            text.Append(string.Join("  ", columns).TrimEnd()).Append('\n');
        }
    }
}
