using System.Collections.Immutable;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>What is known of one node's agent.</summary>
internal sealed record AgentStatus
{
    /// <summary>As it said of itself last.</summary>
    public required CheckedHello Hello { get; init; }

    /// <summary>Whether it has a stream now, with this replica or another.</summary>
    public required bool IsConnected { get; init; }

    /// <summary>The replica that it has its stream with; null: this one.</summary>
    public string? Replica { get; init; }

    /// <summary>Tells a stream from those that the agent had before.</summary>
    public ulong Stream { get; init; }

    /// <summary>The newest revision of this replica's plan, all of which it is known to have applied; 0: none.</summary>
    public ulong CurrentRevision { get; init; }

    /// <summary>Its last report; null before the first.</summary>
    public AgentReport? Report { get; init; }

    /// <summary>Whether it is connected and reports that it cannot do all that it should.</summary>
    public bool HasFaults => IsConnected && Report is { Errors.IsEmpty: false };

    /// <summary>Whether it has applied all that this revision of this replica's plan, and those before it, hold for it.</summary>
    public bool HasApplied(ulong revision) => CurrentRevision >= revision;
}

/// <summary>
/// What an agent reported, as far as it is kept: bounded by the plan, not by what it sent. It may know a peer before this replica does, and does
/// not repeat a link that stays as it is: so links to peers that are not planned are kept too, some of them, and whoever reads must look.
/// </summary>
/// <param name="AppliedRevision">Of its replica's plans; 0: none.</param>
/// <param name="Mtu">Of its TUN, bytes.</param>
/// <param name="Errors">What it could not apply, one sentence each.</param>
/// <param name="Links">Its links, ordered by the name of the peer (ordinal).</param>
internal sealed record AgentReport(ulong AppliedRevision, uint Mtu, ImmutableArray<string> Errors, ImmutableArray<LinkStatus> Links)
{
    private const int MostErrors = 32, LongestText = 512;

    /// <summary>Whether nothing of the mesh is left on its node, as it was asked.</summary>
    public bool Released { get; init; }

    /// <summary>Links to peers that the plan does not know: as many as may come at a stroke.</summary>
    internal const int MostUnplanned = 1000;

    /// <summary>Of an object in the API server, in characters.</summary>
    private const int LongestName = 253;

    /// <summary>What is known after a report.</summary>
    /// <param name="report">As received.</param>
    /// <param name="before">What the reports before it on its stream said; null: it is the first.</param>
    /// <param name="plan">Says which peers there are.</param>
    /// <param name="texts">Gives back equal texts as one.</param>
    public static AgentReport From(Report report, AgentReport? before, MeshPlan plan, SharedTexts texts)
    {
        var unplanned = 0;
        var links = report.Links.DistinctBy(link => link.Peer, StringComparer.Ordinal)
            .Where(link => plan.HasPeer(link.Peer) || (link.Peer.Length is > 0 and <= LongestName && unplanned++ < MostUnplanned))
            .Select(link => LinkStatus.From(link, texts)).ToArray();
        Array.Sort(links, static (left, right) => string.CompareOrdinal(left.Peer, right.Peer));
        var kept = report.LinksPartial && before is not null ? Merge(before.Links, links, report.RemovedLinks, plan) : [.. links];
        return new AgentReport(report.AppliedRevision, report.Mtu, [.. report.Errors.Take(MostErrors).Select(Short)], kept)
        {
            Released = report.Released,
        };
    }

    private static ImmutableArray<LinkStatus> Merge(
        ImmutableArray<LinkStatus> before, ReadOnlySpan<LinkStatus> changed, IReadOnlyCollection<string> removed, MeshPlan plan)
    {
        if (changed.IsEmpty && removed.Count == 0)
            return before;

        var gone = removed.Count == 0 ? null : removed.ToHashSet(StringComparer.Ordinal);
        var merged = ImmutableArray.CreateBuilder<LinkStatus>(before.Length + changed.Length);
        foreach (var link in before)
        {
            var order = -1;
            while (!changed.IsEmpty && (order = string.CompareOrdinal(changed[0].Peer, link.Peer)) <= 0)
            {
                merged.Add(changed[0]);
                changed = changed[1..];
                if (order == 0)
                    break;
            }

            if (order != 0 && gone?.Contains(link.Peer) != true)
                merged.Add(link);
        }

        merged.AddRange(changed);
        // an agent that forgets to say what is gone
        if (merged.Count > plan.Outcomes.Length + MostUnplanned)
            merged.RemoveAll(link => !plan.HasPeer(link.Peer));
        return merged.DrainToImmutable();
    }

    // it reaches conditions and terminals: none of it is to move a cursor or begin a line, and none to be stored as something else
    private static string Short(string text) => MessageText.Printable(text, LongestText);
}

/// <summary>How a link is.</summary>
internal enum LinkState : byte
{
    /// <summary>No session, and nothing asks for one.</summary>
    Idle,

    /// <summary>There is a live session.</summary>
    Up,

    /// <summary>A session is wanted: handshakes go unanswered.</summary>
    Down,
}

/// <summary>One end's view of a link. A mesh of n nodes has n² of them: the texts are shared, and there is no object for each.</summary>
/// <param name="Peer">Name of the WireGuardPeer.</param>
/// <param name="LastHandshake">Unix time in seconds; 0: never.</param>
/// <param name="Endpoint">As last seen on the wire; empty: unknown.</param>
/// <param name="Version">Of the session in use; 0: there is none.</param>
internal readonly record struct LinkStatus(
    string Peer, LinkState State, byte Version, long LastHandshake, string Endpoint, ulong ReceivedBytes, ulong SentBytes)
{
    /// <summary>The end of the year 9999: no text and no date has room for what is later, and one agent is not to stop the status of all.</summary>
    private const long LatestTime = 253_402_300_799;

    /// <summary>
    /// Of a report. An agent that does not say how a link is has it up while there is a session; a time that cannot be is none.
    /// </summary>
    public static LinkStatus From(LinkReport link, SharedTexts texts) => new(
        texts.Share(link.Peer),
        link.State switch
        {
            Rpc.LinkState.Up => LinkState.Up,
            Rpc.LinkState.Down => LinkState.Down,
            Rpc.LinkState.Idle => LinkState.Idle,
            _ => link.ProtocolVersion > 0 ? LinkState.Up : LinkState.Idle,
        },
        (byte)Math.Min(link.ProtocolVersion, byte.MaxValue),
        link.LastHandshake?.Seconds is > 0 and <= LatestTime and var seconds ? seconds : 0,
        Engine.Endpoint.TryParse(link.Endpoint, out var endpoint) ? texts.Share(endpoint.ToString()) : "",
        link.ReceivedBytes,
        link.SentBytes);

    /// <summary>As it is told to tools and to other replicas.</summary>
    public LinkReport ToReport() => new()
    {
        Peer = Peer,
        State = State switch { LinkState.Up => Rpc.LinkState.Up, LinkState.Down => Rpc.LinkState.Down, _ => Rpc.LinkState.Idle },
        ProtocolVersion = Version,
        LastHandshake = LastHandshake == 0 ? null : new Google.Protobuf.WellKnownTypes.Timestamp { Seconds = LastHandshake },
        Endpoint = Endpoint,
        ReceivedBytes = ReceivedBytes,
        SentBytes = SentBytes,
    };
}
