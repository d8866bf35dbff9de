using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>What the simulation remembers of one engine's peer, beside what the engine does. Times are the world's, in nanoseconds.</summary>
internal sealed class PeerRecord
{
    /// <summary>The label of the last initiation to the peer, by the rule in section 5.1 of the paper, not by the engine's word.</summary>
    public Tai64n TimestampSent { get; set; }

    /// <summary>The greatest label of an initiation that was taken from the peer.</summary>
    public Tai64n TimestampAccepted { get; set; }

    /// <summary>When that was.</summary>
    public long? InitiationAcceptedAt { get; set; }

    public long? InitiationSentAt { get; set; }

    /// <summary>How often the private key had changed by then: a new one starts anew.</summary>
    public int InitiationSentEpoch { get; set; }

    public int InitiationsSent { get; set; }

    /// <summary>
    /// Keepalives that may be sent in answer to data, unless something else is sent before: one for each packet heard, at most two, since
    /// the timer remembers one that is due and whether another is to follow.
    /// </summary>
    public int KeepalivesOwed { get; set; }

    /// <summary>When any authenticated message was last sent to or heard from the peer.</summary>
    public long AuthenticAt { get; set; }

    /// <summary>When there was last a reason to talk to the peer: something sent, heard or configured.</summary>
    public long WishedAt { get; set; }
}

/// <summary>What the simulation remembers of a session.</summary>
internal sealed class SessionRecord
{
    private readonly HashSet<ulong> _accepted = [];

    /// <summary>The least counter that has not been sent.</summary>
    public UInt128 NextCounter { get; set; }

    /// <summary>Whether a transport message was authentic under it.</summary>
    public bool Confirmed { get; private set; }

    public ulong Highest { get; private set; }

    public bool TryAccept(ulong counter)
    {
        Confirmed = true;
        Highest = Math.Max(Highest, counter);
        return _accepted.Add(counter);
    }

    public bool HasAccepted(ulong counter) => _accepted.Contains(counter);
}

/// <summary>An initiation as it was sent.</summary>
internal readonly record struct SentInitiation(Node From, PublicKey Key, Tai64n Timestamp);

/// <summary>The simulation's own books, by which the engines are judged.</summary>
internal sealed class Ledger
{
    private readonly Dictionary<Peer, PeerRecord> _peers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Session, SessionRecord> _sessions = new(ReferenceEqualityComparer.Instance);

    /// <summary>By the first bytes of the ephemeral key.</summary>
    public Dictionary<ulong, SentInitiation> Initiations { get; } = [];

    public PeerRecord this[Peer peer] => _peers.TryGetValue(peer, out var record) ? record : _peers[peer] = new PeerRecord();

    public SessionRecord this[Session session] =>
        _sessions.TryGetValue(session, out var record) ? record : _sessions[session] = new SessionRecord();
}
