namespace WgMesh.Engine.Protocol;

/// <summary>
/// Which peer has to be looked at next, and when. A peer stands in it with the earliest moment at which one of its
/// timers may be due; timers that move further away leave the entry where it is, and the peer decides when it is looked
/// at. So a packet costs no more than a comparison here, and a peer without timers costs nothing.
/// </summary>
internal sealed class TimerQueue(Action wake)
{
    private readonly PriorityQueue<Peer, long> _queue = new();
    private readonly Lock _gate = new();
    private long _earliest = long.MaxValue;

    /// <summary>When the next call of <see cref="TryTakeDue"/> makes sense.</summary>
    public Instant Next => new(Volatile.Read(ref _earliest));

    /// <summary>Makes sure that the peer is looked at no later than then.</summary>
    public void Schedule(Peer peer, Instant at)
    {
        if (at.Nanoseconds >= Volatile.Read(ref peer.ScheduledAt))
        {
            return;
        }

        var sooner = false;
        lock (_gate)
        {
            if (at.Nanoseconds < peer.ScheduledAt)
            {
                Volatile.Write(ref peer.ScheduledAt, at.Nanoseconds);
                _queue.Enqueue(peer, at.Nanoseconds);
                sooner = at.Nanoseconds < _earliest;
                if (sooner)
                {
                    Volatile.Write(ref _earliest, at.Nanoseconds);
                }
            }
        }

        if (sooner)
        {
            wake();
        }
    }

    /// <summary>Takes out a peer whose moment has come.</summary>
    public bool TryTakeDue(Instant now, out Peer peer)
    {
        lock (_gate)
        {
            while (_queue.TryPeek(out peer!, out var at))
            {
                var superseded = at != peer.ScheduledAt;
                if (!superseded && at > now.Nanoseconds)
                {
                    break;
                }

                _queue.Dequeue();
                if (!superseded)
                {
                    Volatile.Write(ref peer.ScheduledAt, long.MaxValue);
                    return true;
                }
            }

            Volatile.Write(ref _earliest, _queue.TryPeek(out _, out var next) ? next : long.MaxValue);
            peer = null!;
            return false;
        }
    }
}
