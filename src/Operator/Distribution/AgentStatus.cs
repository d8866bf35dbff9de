using System.Collections.Immutable;

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

    /// <summary>Whether it has applied all that the newest plan of its replica holds for it.</summary>
    public bool IsCurrent { get; init; }

    /// <summary>When it was last known to be current; null: never.</summary>
    public DateTimeOffset? CurrentAsOf { get; init; }

    /// <summary>Its last report; null before the first.</summary>
    public AgentReport? Report { get; init; }

    /// <summary>Whether it has applied what was planned before <paramref name="moment"/>.</summary>
    public bool HasApplied(DateTimeOffset moment) => IsCurrent || CurrentAsOf >= moment;
}

/// <summary>What an agent reported, as far as it is kept: bounded by the plan, not by what it sent.</summary>
/// <param name="AppliedRevision">Of its replica's plans; 0: none.</param>
/// <param name="Mtu">Of its TUN, bytes.</param>
/// <param name="Errors">What it could not apply, one sentence each.</param>
/// <param name="Links">Its links, ordered by the name of the peer (ordinal).</param>
internal sealed record AgentReport(ulong AppliedRevision, uint Mtu, ImmutableArray<string> Errors, ImmutableArray<LinkStatus> Links);

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
    string Peer, LinkState State, byte Version, long LastHandshake, string Endpoint, ulong ReceivedBytes, ulong SentBytes);
