namespace WgMesh.Engine.Protocol;

/// <summary>Why a packet or a message went no further. The names, in snake case, are label values of a metric.</summary>
public enum DropReason
{
    /// <summary>It was not dropped.</summary>
    None,

    /// <summary>Out: no peer has the destination among its allowed IPs.</summary>
    NoPeer,

    /// <summary>Out: the peer's endpoint is not known.</summary>
    NoEndpoint,

    /// <summary>Out: it waited for a session, and a newer packet needed its place, or the handshake was given up.</summary>
    NoSession,

    /// <summary>Out: the system refused to send it.</summary>
    SendFailed,

    /// <summary>In: too short, too long, or of no known type. Out: not a whole IPv4 or IPv6 packet.</summary>
    Malformed,

    /// <summary>In: mac1 is wrong: not meant for this device.</summary>
    InvalidMac1,

    /// <summary>In: under load, without a valid mac2; a cookie reply was sent.</summary>
    UnderLoad,

    /// <summary>In: under load, and this address sent too many handshake messages; or the queue of handshakes is full.</summary>
    RateLimited,

    /// <summary>In: an initiation from a key that is no peer's.</summary>
    UnknownPeer,

    /// <summary>In: an index that is no session's or handshake's.</summary>
    UnknownIndex,

    /// <summary>In: a handshake message that does not decrypt.</summary>
    HandshakeFailed,

    /// <summary>In: an initiation with a timestamp that is not newer than the last one.</summary>
    HandshakeReplayed,

    /// <summary>In: an initiation in an older protocol version than the one that the peer is configured for and has started a handshake in.</summary>
    VersionRefused,

    /// <summary>In: initiations from one peer in too quick a succession.</summary>
    HandshakeFlood,

    /// <summary>In: a cookie reply that does not belong to the last message sent.</summary>
    InvalidCookieReply,

    /// <summary>In: a packet under a session that is too old.</summary>
    SessionExpired,

    /// <summary>In: a packet that does not decrypt.</summary>
    NotAuthentic,

    /// <summary>In: a packet that was received before, or is too old to tell.</summary>
    Replayed,

    /// <summary>In: the decrypted bytes are not a whole IPv4 or IPv6 packet.</summary>
    InvalidPacket,

    /// <summary>In: the inner source address is not among the peer's allowed IPs.</summary>
    ForeignSource,

    /// <summary>In: marked on its way as having met congestion, though its ends do not take part in that; RFC 6040 has it dropped.</summary>
    IllegalCongestionMark,

    /// <summary>In: the interface did not take it.</summary>
    InterfaceFailed,
}

/// <summary>Counts drops by reason.</summary>
internal sealed class DropCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<DropReason>().Length];

    public long this[DropReason reason] => Volatile.Read(ref _counts[(int)reason]);

    /// <summary>All of them, whatever the reason.</summary>
    public long Total
    {
        get
        {
            var total = 0L;
            foreach (ref readonly var count in _counts.AsSpan())
            {
                total += Volatile.Read(in count);
            }

            return total;
        }
    }

    public DropReason Add(DropReason reason, long count = 1)
    {
        Interlocked.Add(ref _counts[(int)reason], count);
        return reason;
    }

    public void Add(DropCounters other)
    {
        for (var reason = 0; reason < _counts.Length; reason++)
        {
            Interlocked.Add(ref _counts[reason], other[(DropReason)reason]);
        }
    }
}
