namespace WgMesh.Engine.Protocol;

/// <summary>What a peer has done. Every member is safe to be changed by several threads.</summary>
internal sealed class PeerCounters
{
    private long _receivedBytes, _sentBytes, _receivedPackets, _sentPackets;
    private long _initiationsSent, _initiationsReceived, _completedAsInitiator, _completedAsResponder, _failedAsInitiator, _failedAsResponder, _givenUp, _rekeys;

    public DropCounters Drops { get; } = new();

    public long ReceivedBytes => Volatile.Read(ref _receivedBytes);

    public long SentBytes => Volatile.Read(ref _sentBytes);

    public long ReceivedPackets => Volatile.Read(ref _receivedPackets);

    public long SentPackets => Volatile.Read(ref _sentPackets);

    public long InitiationsSent => Volatile.Read(ref _initiationsSent);

    public long InitiationsReceived => Volatile.Read(ref _initiationsReceived);

    public long CompletedAsInitiator => Volatile.Read(ref _completedAsInitiator);

    public long CompletedAsResponder => Volatile.Read(ref _completedAsResponder);

    /// <summary>Responses that were not authentic.</summary>
    public long FailedAsInitiator => Volatile.Read(ref _failedAsInitiator);

    /// <summary>Initiations that were not authentic, replayed, or too many.</summary>
    public long FailedAsResponder => Volatile.Read(ref _failedAsResponder);

    /// <summary>Handshakes without a response for 90 s.</summary>
    public long GivenUp => Volatile.Read(ref _givenUp);

    public long Rekeys => Volatile.Read(ref _rekeys);

    public void Received(int bytes) => Interlocked.Add(ref _receivedBytes, bytes);

    public void Sent(int bytes) => Interlocked.Add(ref _sentBytes, bytes);

    public void ReceivedPacket() => Interlocked.Increment(ref _receivedPackets);

    public void AddSentPackets(int count) => Interlocked.Add(ref _sentPackets, count);

    public void InitiationSent() => Interlocked.Increment(ref _initiationsSent);

    public void InitiationReceived() => Interlocked.Increment(ref _initiationsReceived);

    public void Completed(bool asInitiator) => Interlocked.Increment(ref asInitiator ? ref _completedAsInitiator : ref _completedAsResponder);

    public DropReason Failed(bool asInitiator, DropReason reason)
    {
        Interlocked.Increment(ref asInitiator ? ref _failedAsInitiator : ref _failedAsResponder);
        return Drops.Add(reason);
    }

    public void GaveUp() => Interlocked.Increment(ref _givenUp);

    public void Rekeyed() => Interlocked.Increment(ref _rekeys);

    /// <summary>Adds what another peer has done.</summary>
    public void Add(PeerCounters other)
    {
        Drops.Add(other.Drops);
        Interlocked.Add(ref _receivedBytes, other.ReceivedBytes);
        Interlocked.Add(ref _sentBytes, other.SentBytes);
        Interlocked.Add(ref _receivedPackets, other.ReceivedPackets);
        Interlocked.Add(ref _sentPackets, other.SentPackets);
        Interlocked.Add(ref _initiationsSent, other.InitiationsSent);
        Interlocked.Add(ref _initiationsReceived, other.InitiationsReceived);
        Interlocked.Add(ref _completedAsInitiator, other.CompletedAsInitiator);
        Interlocked.Add(ref _completedAsResponder, other.CompletedAsResponder);
        Interlocked.Add(ref _failedAsInitiator, other.FailedAsInitiator);
        Interlocked.Add(ref _failedAsResponder, other.FailedAsResponder);
        Interlocked.Add(ref _givenUp, other.GivenUp);
        Interlocked.Add(ref _rekeys, other.Rekeys);
    }
}
