using System.Buffers.Binary;

namespace WgMesh.Engine.Protocol;

// Deadlines (paper, sections 6.1 to 6.5), named after what is to happen. The data path moves them without the lock:
// each is one word, and a deadline that is looked at too early is simply looked at again.
internal sealed partial class Peer
{
    private const long Unarmed = long.MaxValue;

    private long _retransmitAt = Unarmed;    // the initiation, S2
    private long _keepaliveAt = Unarmed;     // data was heard, nothing sent since
    private long _newHandshakeAt = Unarmed;  // data was sent, nothing heard since, S3
    private long _persistentAt = Unarmed;    // the persistent keepalive
    private long _wipeAt = Unarmed;          // all keys
    private volatile bool _anotherKeepalive; // more data was heard since _keepaliveAt was armed

    /// <summary>When the timer queue looks at this peer; the queue's own.</summary>
    internal long ScheduledAt = Unarmed;

    /// <summary>Where in the timer queue this peer stands, -1 for not; the queue's own.</summary>
    internal int QueuePlace = -1;

    /// <summary>The earliest moment at which something is to happen.</summary>
    internal Instant NextDeadline => new(Math.Min(
        Math.Min(Math.Min(Volatile.Read(ref _retransmitAt), Volatile.Read(ref _keepaliveAt)), Volatile.Read(ref _newHandshakeAt)),
        Math.Min(Volatile.Read(ref _persistentAt), Volatile.Read(ref _wipeAt))));

    /// <summary>Does what is due, and only that.</summary>
    public void OnDeadline(Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            if (_removed)
            {
                DisarmAll(); // a packet that was under way when the peer was removed may have armed one since
                return;
            }

            // first, so that a handshake which another timer starts now is not taken for an old one
            if (TakeIfDue(ref _wipeAt, now))
            {
                RetireSessions();
            }

            if (TakeIfDue(ref _retransmitAt, now))
            {
                // without an endpoint there is nowhere to retry: what waits would wait for ever
                if (_endpoint is null || now - _attemptsStarted >= Limits.RekeyAttemptTime)
                {
                    GiveUpHandshake(now, outbox);
                }
                else
                {
                    ForgetLocalAddress(); // perhaps that is why there was no answer
                    StartHandshake(isRetry: true, now, outbox);
                }
            }

            if (TakeIfDue(ref _keepaliveAt, now))
            {
                var another = _anotherKeepalive;
                _anotherKeepalive = false;
                SendKeepalive(now, outbox);
                if (another)
                {
                    Arm(ref _keepaliveAt, now + Limits.KeepaliveTimeout);
                }
            }

            if (TakeIfDue(ref _newHandshakeAt, now))
            {
                ForgetLocalAddress();
                StartHandshake(isRetry: false, now, outbox);
            }

            if (TakeIfDue(ref _persistentAt, now))
            {
                ArmPersistentKeepalive(now);
                SendKeepalive(now, outbox);
            }
        }
    }

    private void InitiationSent(Instant now)
    {
        AuthenticatedSent(now);
        Arm(ref _retransmitAt, now + Limits.RekeyTimeout + Jitter());
    }

    private void SessionMade(Instant now) => Arm(ref _wipeAt, now + Limits.ZeroKeysAfter);

    /// <summary>Any authenticated message went out: a keepalive would say nothing new.</summary>
    private void AuthenticatedSent(Instant now)
    {
        Disarm(ref _keepaliveAt);
        if (_anotherKeepalive)
        {
            _anotherKeepalive = false; // it told the peer of all that was heard until now
        }

        ArmPersistentKeepalive(now);
    }

    /// <summary>Any authenticated message came in: the peer is alive.</summary>
    private void AuthenticatedReceived(Instant now)
    {
        Disarm(ref _newHandshakeAt);
        ArmPersistentKeepalive(now);
    }

    /// <summary>A packet with content went out: an answer, at least a keepalive, is owed within 10 s.</summary>
    private void DataSent(Instant now)
    {
        if (!IsArmed(ref _newHandshakeAt))
        {
            Arm(ref _newHandshakeAt, now + Limits.NewHandshakeTimeout + Jitter());
        }
    }

    /// <summary>A packet with content came in: we owe at least a keepalive.</summary>
    private void DataReceived(Instant now)
    {
        if (IsArmed(ref _keepaliveAt))
        {
            _anotherKeepalive = true;
        }
        else
        {
            Arm(ref _keepaliveAt, now + Limits.KeepaliveTimeout);
        }
    }

    private void ArmPersistentKeepalive(Instant now)
    {
        if (PersistentKeepalive != 0)
        {
            Arm(ref _persistentAt, now + TimeSpan.FromSeconds(PersistentKeepalive));
        }
        else
        {
            Disarm(ref _persistentAt);
        }
    }

    private TimeSpan Jitter()
    {
        Span<byte> bytes = stackalloc byte[4];
        _core.Random.GetBytes(bytes);
        return Limits.RekeyTimeoutJitter * (BinaryPrimitives.ReadUInt32LittleEndian(bytes) / (double)uint.MaxValue);
    }

    private void Arm(ref long deadline, Instant at)
    {
        // a full barrier: the queue's thread reads the deadline after it has let go of the peer, and one of the two has to see the other
        Interlocked.Exchange(ref deadline, at.Nanoseconds);
        _core.Timers.Schedule(this, at);
    }

    private static void Disarm(ref long deadline)
    {
        if (Volatile.Read(ref deadline) != Unarmed)
        {
            Volatile.Write(ref deadline, Unarmed);
        }
    }

    private static bool IsArmed(ref long deadline) => Volatile.Read(ref deadline) != Unarmed;

    private static bool TakeIfDue(ref long deadline, Instant now)
    {
        var due = Volatile.Read(ref deadline) <= now.Nanoseconds;
        if (due)
        {
            Volatile.Write(ref deadline, Unarmed);
        }

        return due;
    }

    private void DisarmAll()
    {
        Disarm(ref _retransmitAt);
        Disarm(ref _keepaliveAt);
        Disarm(ref _newHandshakeAt);
        Disarm(ref _persistentAt);
        Disarm(ref _wipeAt);
    }
}
