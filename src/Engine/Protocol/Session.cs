using System.Buffers.Binary;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// The keys that one handshake made, with the counters that go with them. Safe to be used by several threads; once
/// disposed of, its keys are wiped and it neither seals nor opens.
/// </summary>
internal sealed class Session : IDisposable
{
    private readonly ChaCha20Poly1305Key _sendKey;
    private readonly ChaCha20Poly1305Key _receiveKey;
    private readonly ReplayWindow _window = new();
    private ulong _nextCounter;

    public Session(
        Peer peer, long sequence, ProtocolVersion version, uint localIndex, uint remoteIndex, bool isInitiator, Instant created, ReadOnlySpan<byte> sendKey, ReadOnlySpan<byte> receiveKey)
    {
        Peer = peer;
        Sequence = sequence;
        Version = version;
        LocalIndex = localIndex;
        RemoteIndex = remoteIndex;
        IsInitiator = isInitiator;
        Created = created;
        _sendKey = new ChaCha20Poly1305Key(sendKey);
        _receiveKey = new ChaCha20Poly1305Key(receiveKey);
    }

    public Peer Peer { get; }

    /// <summary>Grows with every session of the peer.</summary>
    public long Sequence { get; }

    /// <summary>Of the handshake that made it.</summary>
    public ProtocolVersion Version { get; }

    public uint LocalIndex { get; }

    public uint RemoteIndex { get; }

    public bool IsInitiator { get; }

    public Instant Created { get; }

    /// <summary>Set once a receiving initiator has asked for a successor, so that it asks once.</summary>
    public bool RekeyRequested { get; set; }

    /// <summary>The number of messages sent; settable for tests of what happens near the limits.</summary>
    internal ulong NextCounter
    {
        get => Volatile.Read(ref _nextCounter);
        set => Volatile.Write(ref _nextCounter, value);
    }

    public bool IsExpired(Instant now) => now - Created >= Limits.RejectAfterTime;

    public bool CanSend(Instant now) => !IsExpired(now) && NextCounter < Limits.RejectAfterMessages;

    /// <summary>Whether a successor is due after a message was sent (S4, S5).</summary>
    public bool NeedsRekeyAfterSending(Instant now) =>
        NextCounter > Limits.RekeyAfterMessages || (IsInitiator && now - Created >= Limits.RekeyAfterTime);

    /// <summary>
    /// Makes a transport message in place: the plaintext, padding included, stands at offset 16 of the message, whose
    /// last 16 bytes are left for the tag.
    /// </summary>
    /// <returns>False if the session has no counter left or was disposed of; the message is then unchanged or garbage, and must not be sent.</returns>
    public bool TrySeal(Span<byte> message)
    {
        // asked before counting, or else enough refused calls would wrap the counter round to used nonces
        if (NextCounter >= Limits.RejectAfterMessages)
        {
            return false;
        }

        var counter = Interlocked.Increment(ref _nextCounter) - 1;
        if (counter >= Limits.RejectAfterMessages)
        {
            return false;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)MessageType.Transport);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], RemoteIndex);
        BinaryPrimitives.WriteUInt64LittleEndian(message[8..], counter);
        var body = message[Messages.TransportHeaderLength..];
        return _sendKey.TrySeal(counter, body[..^Messages.TagLength], body, []);
    }

    /// <summary>Opens a transport message in place: the plaintext, padding included, then stands at offset 16.</summary>
    public DropReason TryOpen(Span<byte> message)
    {
        var body = message[Messages.TransportHeaderLength..];
        var counter = Messages.Counter(message);
        if (counter >= Limits.RejectAfterMessages)
        {
            return DropReason.Replayed;
        }

        if (!_receiveKey.TryOpen(counter, body, body[..^Messages.TagLength], []))
        {
            return DropReason.NotAuthentic;
        }

        return _window.TryAccept(counter) ? DropReason.None : DropReason.Replayed;
    }

    public void Dispose()
    {
        _sendKey.Dispose();
        _receiveKey.Dispose();
    }
}
