using WgMesh.Engine.Offload;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Protocol;

// Packets: out under the current session, or staged until there is one; in under whichever session they name.
internal sealed partial class Peer
{
    private readonly StagedPackets _staged;

    /// <summary>Number of packets that wait for a session.</summary>
    internal int StagedCount => _staged.Count;

    /// <summary>Seals packets into the outbox, or stages them and asks for a session.</summary>
    public DropReason Send(in SuperPacket packets, Instant now, Outbox outbox)
    {
        if (_endpoint is null)
        {
            _core.Refuse(packets.Packet, now, outbox);
            return Counters.Drops.Add(DropReason.NoEndpoint, packets.Count);
        }

        var sealedCount = 0;
        if (_current is { } session && _staged.Count == 0)
        {
            sealedCount = Seal(session, packets, now, outbox);
            if (sealedCount == packets.Count)
            {
                AfterSending(session, now, outbox);
                return DropReason.None;
            }
        }

        lock (_gate)
        {
            if (_identity is null || _removed)
            {
                _core.Refuse(packets.Packet, now, outbox);
                return Counters.Drops.Add(DropReason.NoSession, packets.Count - sealedCount);
            }

            for (var i = sealedCount; i < packets.Count; i++)
            {
                Counters.Drops.Add(DropReason.NoSession, _staged.Enqueue(packets, i)); // the oldest make room
            }

            if (!SendStaged(now, outbox))
            {
                StartHandshake(isRetry: false, now, outbox);
            }
        }

        return DropReason.None;
    }

    /// <summary>Sends what is staged, if there is a session to send it under.</summary>
    /// <returns>False if nothing was staged, or there is no session.</returns>
    private bool SendStaged(Instant now, Outbox outbox)
    {
        if (_staged.Count == 0 || _current is not { } session || !session.CanSend(now))
        {
            return false;
        }

        while (_staged.TryPeek(out var packet))
        {
            if (Seal(session, SuperPacket.Single(packet), now, outbox) == 0)
            {
                return false;
            }

            _staged.Dequeue();
        }

        AfterSending(session, now, outbox);
        return true;
    }

    /// <summary>An empty packet: to confirm a session, to keep one, or to keep a NAT's mapping.</summary>
    private void SendKeepalive(Instant now, Outbox outbox)
    {
        if (_endpoint is null)
        {
            return;
        }

        if (_current is { } session && Seal(session, SuperPacket.Single([]), now, outbox) > 0)
        {
            AfterSending(session, now, outbox);
        }
        else
        {
            StartHandshake(isRetry: false, now, outbox);
        }
    }

    /// <summary>Seals packets, each straight to its place in the outbox, until the session has no counter left.</summary>
    /// <returns>How many were sealed.</returns>
    private int Seal(Session session, in SuperPacket packets, Instant now, Outbox outbox)
    {
        if (_endpoint is not { } endpoint || !session.CanSend(now))
        {
            return 0;
        }

        var path = endpoint.Path;
        var trafficClass = packets.Packet.IsEmpty ? (byte)0 : Ecn.Outer(packets.Packet);
        var mtu = _core.Mtu;
        var count = 0;
        var bytes = 0;
        for (; count < packets.Count; count++)
        {
            var packetLength = packets.LengthOf(count);
            var length = Messages.TransportMinimumLength + PaddedLength(packetLength, mtu);
            var message = outbox.Reserve(length)[..length];
            packets.CopyTo(count, message[Messages.TransportHeaderLength..]);
            message[(Messages.TransportHeaderLength + packetLength)..].Clear();
            if (!session.TrySeal(message))
            {
                break;
            }

            outbox.Commit(this, path, trafficClass, length);
            bytes += length;
        }

        if (count > 0)
        {
            Counters.Sent(bytes);
            AuthenticatedSent(now);
            if (!packets.Packet.IsEmpty)
            {
                Counters.AddSentPackets(count);
                DataSent(now);
            }
        }

        return count;
    }

    /// <summary>To the next multiple of 16, but never beyond the MTU (S9), which a packet of exactly that size would exceed on the wire.</summary>
    internal static int PaddedLength(int length, int mtu)
    {
        var padded = (length + Limits.PaddingMultiple - 1) & -Limits.PaddingMultiple;
        return padded <= mtu ? padded : Math.Max(length, mtu);
    }

    private void AfterSending(Session session, Instant now, Outbox outbox)
    {
        if (session.NeedsRekeyAfterSending(now) || IsOfOldVersion(session))
        {
            lock (_gate)
            {
                StartHandshake(isRetry: false, now, outbox);
            }
        }
    }

    // S14: the link is to move. Only the session's initiator sees to it, so that the two ends do not both start a handshake.
    private bool IsOfOldVersion(Session session) => session.IsInitiator && session.Version != _version;

    /// <summary>
    /// Opens a transport message in place and checks everything that the peer could get wrong: counter, length, source.
    /// </summary>
    /// <param name="session">One of this peer's, as named by the message.</param>
    /// <param name="message">The whole datagram.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="now">The time.</param>
    /// <param name="outbox">Takes what this packet lets us send.</param>
    /// <param name="packetLength">Bytes of the inner packet at offset 16 of the message; 0 for a keepalive.</param>
    public DropReason Receive(Session session, Span<byte> message, in UdpPath from, Instant now, Outbox outbox, out int packetLength)
    {
        packetLength = 0;
        if (session.IsExpired(now))
        {
            return Counters.Drops.Add(DropReason.SessionExpired);
        }

        var opened = session.TryOpen(message);
        if (opened != DropReason.None)
        {
            return Counters.Drops.Add(opened);
        }

        SetEndpoint(from);
        Counters.Received(message.Length);
        AuthenticatedReceived(now);
        if (_unanswered != 0)
        {
            _unanswered = 0; // only then: a write would take the line away from other threads
        }

        if (session == _next)
        {
            ConfirmNext(session, now, outbox);
        }
        else if (session == _previous && session.IsInitiator)
        {
            ReturnToPrevious(session);
        }

        RekeyOnReceiving(session, now, outbox);
        var plaintext = message[Messages.TransportHeaderLength..^Messages.TagLength];
        if (plaintext.IsEmpty)
        {
            return DropReason.None; // a keepalive alone is never answered: two idle peers would go on for ever
        }

        DataReceived(now);
        if (!IpPacket.TryGetLength(plaintext, out var length))
        {
            return Counters.Drops.Add(DropReason.InvalidPacket);
        }

        // S12: the most specific match for the source must be this very peer
        if (_core.AllowedIps.LookupSource(plaintext[..length]) != this)
        {
            return Counters.Drops.Add(DropReason.ForeignSource);
        }

        Counters.ReceivedPacket();
        packetLength = length;
        return DropReason.None;
    }

    // An initiator that only receives would never notice on sending that its session is about to end.
    private void RekeyOnReceiving(Session session, Instant now, Outbox outbox)
    {
        if (session.IsInitiator && !session.RekeyRequested && session == _current && now - session.Created >= Limits.RekeyAfterTimeReceiving)
        {
            lock (_gate)
            {
                session.RekeyRequested = true;
                StartHandshake(isRetry: false, now, outbox);
            }
        }
    }
}
