namespace WgMesh.Engine.Protocol;

/// <summary>
/// What a device's peers have done together, those that are gone included: sums that never fall, as counters are not to. They are made
/// when somebody asks, from what each peer counts anyway. Thread-safe.
/// </summary>
internal sealed class PeerTotals
{
    private readonly Lock _gate = new();
    private readonly HashSet<Peer> _peers = [];
    private readonly PeerCounters _gone = new();

    /// <summary>A peer is there.</summary>
    public void Joined(Peer peer)
    {
        lock (_gate)
        {
            _peers.Add(peer);
        }
    }

    /// <summary>A peer is gone; what it did stays. A packet that is under way while it goes may not be counted.</summary>
    public void Left(Peer peer)
    {
        // in one step for whoever asks, or else a sum could be without the peer for once
        lock (_gate)
        {
            if (_peers.Remove(peer))
            {
                _gone.Add(peer.Counters);
            }
        }
    }

    /// <summary>One number of all peers.</summary>
    public long Sum(Func<PeerCounters, long> of)
    {
        lock (_gate)
        {
            var sum = of(_gone);
            foreach (var peer in _peers)
            {
                sum += of(peer.Counters);
            }

            return sum;
        }
    }

    /// <summary>The drops of all peers.</summary>
    public DropCounters Drops()
    {
        var drops = new DropCounters();
        lock (_gate)
        {
            drops.Add(_gone.Drops);
            foreach (var peer in _peers)
            {
                drops.Add(peer.Counters.Drops);
            }
        }

        return drops;
    }
}
