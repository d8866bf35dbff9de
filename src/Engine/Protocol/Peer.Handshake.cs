using System.Security.Cryptography;

namespace WgMesh.Engine.Protocol;

// Initiation, response, cookie, and the three sessions that come of them, in the order they happen.
internal sealed partial class Peer
{
    private readonly CookieJar _cookies;

    // Our own initiation that waits for its response. An initiation of the peer's that arrives meanwhile is answered
    // without touching it: when both sides start at once, both handshakes complete and neither has to be repeated.
    private NoiseHandshake? _outstanding;
    private Tai64n _lastTimestampSent, _lastTimestampReceived, _lastTimestampRefused;
    private Instant? _lastInitiationSent, _lastInitiationReceived;
    private Instant _attemptsStarted;
    private Instant? _wantedSince; // a new session; null: nobody has asked for one since the newest was made
    private Instant? _callingSince; // the first initiation of the attempt that goes on
    private long _sessionsMade;
    private volatile int _unanswered;

    // S8. Only Rotate* and WipeKeys change them; the data path reads them without the lock.
    private volatile Session? _previous, _current, _next;

    /// <summary>The session in use for sending, if any.</summary>
    internal Session? Current => _current;

    internal Session? Previous => _previous;

    internal Session? Next => _next;

    /// <summary>Whether there is a session that packets can be sent under.</summary>
    public bool HasLiveSession(Instant now) => _current?.CanSend(now) == true;

    /// <summary>
    /// Initiations sent since the peer was last heard under a session: the first may just be on its way, a second means that the peer does not
    /// answer. Once nobody has asked for a session for so long that the keys were wiped, it is nothing again.
    /// </summary>
    public int UnansweredInitiations => _unanswered;

    /// <summary>How the link is.</summary>
    public PeerLink LinkAt(Instant now) => PeerLinks.Of(HasLiveSession(now), _unanswered);

    /// <summary>
    /// Whether the session that was to follow the newest one is overdue: packets, or the timers, have asked for it for as long as an attempt may
    /// take, and lately still, in vain. A single packet to a peer that is gone asks once and is given up; that is not meant.
    /// </summary>
    public bool IsRekeyOverdue(Instant now)
    {
        lock (_gate)
        {
            return LastHandshake is not null && _wantedSince is { } since
                && _attemptsStarted - since >= Limits.RekeyAttemptTime && now - _attemptsStarted < Limits.RejectAfterTime;
        }
    }

    /// <summary>Starts a handshake if there is no session.</summary>
    public void Connect(Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            if (!HasLiveSession(now))
            {
                StartHandshake(isRetry: false, now, outbox);
            }
        }
    }

    /// <summary>Sends an initiation, unless one was sent less than <see cref="Limits.RekeyTimeout"/> ago.</summary>
    /// <param name="isRetry">False for a new wish to talk, which starts the 90 s of retries anew.</param>
    private void StartHandshake(bool isRetry, Instant now, Outbox outbox)
    {
        if (!isRetry)
        {
            if (_wantedSince is null || now - _attemptsStarted >= Limits.RejectAfterTime)
            {
                _wantedSince = now; // after such a pause, the old wish is forgotten
            }

            _attemptsStarted = now;
        }

        if (_identity is not { } identity || _endpoint is not { } endpoint
            || (_lastInitiationSent is { } last && now - last < Limits.RekeyTimeout))
        {
            return;
        }

        EndOutstanding();
        var timestamp = Tai64n.From(_core.Time.GetUtcNow());
        if (timestamp <= _lastTimestampSent)
        {
            timestamp = _lastTimestampSent.Next(); // the wall clock stood still or went back; the peer would take it for a replay
        }

        var handshake = new NoiseHandshake { LocalIndex = _core.Indices.Add(this) };
        var message = outbox.Reserve(Messages.InitiationLength)[..Messages.InitiationLength];
        if (!handshake.TryCreateInitiation(_version, identity, PublicKey, _staticStatic, timestamp, _core.Random, message))
        {
            _core.Indices.Remove(handshake.LocalIndex);
            handshake.Dispose();
            return;
        }

        _cookies.WriteMacs(message, now);
        outbox.Commit(this, endpoint.Path, Messages.HandshakeTrafficClass, message.Length);
        _outstanding = handshake;
        _lastTimestampSent = timestamp;
        _lastInitiationSent = now;
        if (_callingSince is not { } began || now - began >= Limits.RekeyAttemptTime)
        {
            _callingSince = now; // packets that keep coming keep retries going for ever, but one attempt lasts 90 s
        }

        _unanswered++;
        Counters.InitiationSent();
        Counters.Sent(message.Length);
        InitiationSent(now);
    }

    /// <summary>Authenticates an initiation that claims to be from this peer, answers it, and makes the next session.</summary>
    public DropReason AcceptInitiation(NoiseHandshake handshake, ReadOnlySpan<byte> initiation, in UdpPath from, Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            if (_identity is null || _removed || !handshake.TryFinishInitiation(_staticStatic, initiation, out var timestamp))
            {
                return Counters.Failed(asInitiator: false, DropReason.HandshakeFailed);
            }

            if (timestamp <= _lastTimestampReceived)
            {
                return Counters.Failed(asInitiator: false, DropReason.HandshakeReplayed);
            }

            // before anything of it is believed, its timestamp too: in a broken version anybody could have made it
            if (handshake.Version.Number < Math.Min(_version.Number, _calledIn))
            {
                // The peer is told another version than we are, and may have no session left: it takes a newer version, so we call.
                // A replay is no wish to talk.
                if (timestamp > _lastTimestampRefused)
                {
                    _lastTimestampRefused = timestamp;
                    StartHandshake(isRetry: false, now, outbox);
                }

                return Counters.Failed(asInitiator: false, DropReason.VersionRefused);
            }

            if (_lastInitiationReceived is { } last && now - last < Limits.InitiationGap)
            {
                return Counters.Failed(asInitiator: false, DropReason.HandshakeFlood);
            }

            _calledIn = handshake.Version.Number;
            _lastTimestampReceived = timestamp;
            _lastInitiationReceived = now;
            SetEndpoint(from);
            Counters.InitiationReceived();
            Counters.Received(initiation.Length);
            AuthenticatedReceived(now);
            return Respond(handshake, from, now, outbox);
        }
    }

    private DropReason Respond(NoiseHandshake handshake, in UdpPath to, Instant now, Outbox outbox)
    {
        handshake.LocalIndex = _core.Indices.Add(this);
        var message = outbox.Reserve(Messages.ResponseLength)[..Messages.ResponseLength];
        if (!handshake.TryCreateResponse(PublicKey, _presharedKey, _core.Random, message))
        {
            _core.Indices.Remove(handshake.LocalIndex);
            return Counters.Failed(asInitiator: false, DropReason.HandshakeFailed);
        }

        _cookies.WriteMacs(message, now);
        RotateAsResponder(MakeSession(handshake, isInitiator: false, now));
        outbox.Commit(this, to, Messages.HandshakeTrafficClass, message.Length);
        Counters.Sent(message.Length);
        AuthenticatedSent(now);
        return DropReason.None;
    }

    /// <summary>Takes the response to our initiation; the new session is in use at once (S7).</summary>
    public DropReason AcceptResponse(ReadOnlySpan<byte> response, in UdpPath from, Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            if (_outstanding is not { } handshake || _identity is null || handshake.LocalIndex != Messages.Receiver(response))
            {
                return Counters.Drops.Add(DropReason.UnknownIndex);
            }

            if (!handshake.TryConsumeResponse(_identity, _presharedKey, response))
            {
                return Counters.Failed(asInitiator: true, DropReason.HandshakeFailed);
            }

            _outstanding = null;
            RotateAsInitiator(MakeSession(handshake, isInitiator: true, now));
            handshake.Dispose();
            SetEndpoint(from);
            Counters.Received(response.Length);
            AuthenticatedReceived(now);
            if (_callingSince is { } began)
            {
                _core.HandshakeTook?.Invoke(now - began);
            }

            HandshakeCompleted(asInitiator: true);

            // S7: what waited for the session confirms it to the responder, and so does an empty packet
            if (!SendStaged(now, outbox))
            {
                SendKeepalive(now, outbox);
            }

            return DropReason.None;
        }
    }

    /// <summary>Keeps the cookie for the next message. The endpoint stays as it is, however authentic the reply (S10).</summary>
    public DropReason AcceptCookieReply(ReadOnlySpan<byte> reply, Instant now)
    {
        lock (_gate)
        {
            if (!_cookies.TryAccept(reply, now))
            {
                return Counters.Drops.Add(DropReason.InvalidCookieReply);
            }

            Counters.Received(reply.Length);
            return DropReason.None;
        }
    }

    private Session MakeSession(NoiseHandshake handshake, bool isInitiator, Instant now)
    {
        Span<byte> keys = stackalloc byte[64];
        handshake.DeriveTransportKeys(keys[..32], keys[32..]);
        var session = new Session(
            this, _sessionsMade++, handshake.Version, handshake.LocalIndex, handshake.RemoteIndex, isInitiator, now, isInitiator ? keys[..32] : keys[32..], isInitiator ? keys[32..] : keys[..32]);
        CryptographicOperations.ZeroMemory(keys);
        _core.Indices.Promote(handshake.LocalIndex, session);
        TakesRuns = true;
        SessionMade(now);
        return session;
    }

    // "Next" stays: if both sides started a handshake at once, the peer may be about to send under it.
    private void RotateAsInitiator(Session session)
    {
        Replace(session);
    }

    private void Replace(Session session)
    {
        if (_current is not null)
        {
            Counters.Rekeyed();
        }

        Retire(_previous);
        _previous = _current;
        _current = session;
    }

    // Not to be sent under until the peer has shown that it has the keys (S6). "Current" stays in use meanwhile.
    private void RotateAsResponder(Session session)
    {
        Retire(_next);
        _next = session;
    }

    /// <summary>A transport message under "next" was authentic: the initiator has the keys, so they are "current" now (S6).</summary>
    private void ConfirmNext(Session session, Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            if (session != _next || LosesToCurrent(session))
            {
                return; // another thread's packet was first, or it stays where it is
            }

            Replace(session);
            _next = null;
            EndOutstanding();
            HandshakeCompleted(asInitiator: false);
            SendStaged(now, outbox);
        }
    }

    // Handshakes that crossed leave each side with a session of its own and one of the other's. Both then take the one that
    // the greater public key initiated, or else both would replace theirs, again at once, for ever. Only one that is older
    // than ours is turned down: an initiation that came after ours was answered may be a restarted peer's, which knows no other.
    private bool LosesToCurrent(Session next) =>
        _current is { IsInitiator: true } current && current.Sequence > next.Sequence && _identity!.PublicKey > PublicKey;

    /// <summary>
    /// The peer still sends under a session that we started and have left for one of its own: their confirmations crossed, each
    /// side took the other's, and none would be the initiator that replaces its key in time. The greater public key's it is again.
    /// </summary>
    private void ReturnToPrevious(Session session)
    {
        lock (_gate)
        {
            if (session == _previous && _current is { IsInitiator: false } current
                && current.Created - session.Created < Limits.RekeyTimeout && _identity!.PublicKey > PublicKey)
            {
                (_previous, _current) = (current, session);
            }
        }
    }

    private void HandshakeCompleted(bool asInitiator)
    {
        Disarm(ref _retransmitAt);
        _unanswered = 0;
        _wantedSince = _callingSince = null;
        LastHandshake = _core.Time.GetUtcNow();
        Counters.Completed(asInitiator);
    }

    private void GiveUpHandshake(Instant now, Outbox outbox)
    {
        EndOutstanding();
        _callingSince = null;
        Counters.GaveUp();
        if (_staged.TryPeek(out var packet))
        {
            _core.Refuse(packet, now, outbox);
        }

        Counters.Drops.Add(DropReason.NoSession, _staged.Count);
        _staged.Clear();
        Disarm(ref _keepaliveAt);
        if (!IsArmed(ref _wipeAt))
        {
            Arm(ref _wipeAt, now + Limits.ZeroKeysAfter);
        }
    }

    /// <summary>Ends everything that was agreed under the old key pair.</summary>
    private void WipeKeys()
    {
        EndOutstanding();
        RetireSessions();
        _lastInitiationSent = null; // nothing is left that a new initiation could crowd
        _wantedSince = _callingSince = null;
        _unanswered = 0;
    }

    private void RetireSessions()
    {
        Retire(_previous);
        Retire(_current);
        Retire(_next);
        _previous = _current = _next = null;
        Disarm(ref _wipeAt);
        if (!IsArmed(ref _retransmitAt))
        {
            _unanswered = 0;
        }
    }

    private void EndOutstanding()
    {
        if (_outstanding is { } handshake)
        {
            _core.Indices.Remove(handshake.LocalIndex);
            handshake.Dispose();
            _outstanding = null;
        }
    }

    private void Retire(Session? session)
    {
        if (session is not null)
        {
            _core.Indices.Remove(session.LocalIndex);
            session.Dispose();
        }
    }
}
