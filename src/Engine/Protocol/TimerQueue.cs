namespace WgMesh.Engine.Protocol;

/// <summary>
/// Which peer has to be looked at next, and when. A peer stands in it at most once, with the earliest moment at which one
/// of its timers may be due; timers that move further away leave it where it is, and the peer decides when it is looked
/// at. So a packet costs no more than a comparison here, a peer without timers costs nothing, and memory is bounded by the
/// number of peers whatever they do.
/// </summary>
internal sealed class TimerQueue(Action wake)
{
    private readonly Lock _gate = new();
    private Peer[] _heap = new Peer[16]; // binary, the earliest first; every peer knows its place
    private int _count;
    private long _earliest = long.MaxValue;

    /// <summary>When the next call of <see cref="TryTakeDue"/> makes sense.</summary>
    public Instant Next => new(Volatile.Read(ref _earliest));

    /// <summary>How many peers stand in it.</summary>
    public int Count => Volatile.Read(ref _count);

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
                if (peer.QueuePlace < 0)
                {
                    if (_count == _heap.Length)
                    {
                        Array.Resize(ref _heap, 2 * _count);
                    }

                    Put(peer, _count++);
                }

                MoveUp(peer);
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
            if (_count > 0 && _heap[0].ScheduledAt <= now.Nanoseconds)
            {
                // "earliest" stays in the past, so that whoever schedules meanwhile does not wake the thread that is at it
                peer = _heap[0];
                TakeOut(peer);
                return true;
            }

            Volatile.Write(ref _earliest, _count > 0 ? _heap[0].ScheduledAt : long.MaxValue);
            peer = null!;
            return false;
        }
    }

    /// <summary>Takes out a peer that is gone, so that nothing holds on to it until some old deadline.</summary>
    public void Remove(Peer peer)
    {
        lock (_gate)
        {
            if (peer.QueuePlace >= 0)
            {
                TakeOut(peer);
            }
        }
    }

    private void TakeOut(Peer peer)
    {
        var last = _heap[--_count];
        _heap[_count] = null!;
        if (last != peer)
        {
            Put(last, peer.QueuePlace);
            MoveUp(last);
            MoveDown(last);
        }

        peer.QueuePlace = -1;
        Volatile.Write(ref peer.ScheduledAt, long.MaxValue);
    }

    private void MoveUp(Peer peer)
    {
        while (peer.QueuePlace > 0 && _heap[(peer.QueuePlace - 1) / 2] is var parent && peer.ScheduledAt < parent.ScheduledAt)
        {
            Swap(peer, parent);
        }
    }

    private void MoveDown(Peer peer)
    {
        while (true)
        {
            var child = (2 * peer.QueuePlace) + 1;
            if (child + 1 < _count && _heap[child + 1].ScheduledAt < _heap[child].ScheduledAt)
            {
                child++;
            }

            if (child >= _count || _heap[child].ScheduledAt >= peer.ScheduledAt)
            {
                return;
            }

            Swap(peer, _heap[child]);
        }
    }

    private void Swap(Peer one, Peer other)
    {
        var place = one.QueuePlace;
        Put(one, other.QueuePlace);
        Put(other, place);
    }

    private void Put(Peer peer, int place)
    {
        _heap[place] = peer;
        peer.QueuePlace = place;
    }
}
