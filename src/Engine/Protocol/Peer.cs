using System.Security.Cryptography;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// One peer: handshake, sessions, transport and timers as one state machine. The handshake and every change of which
/// session is which happen under the peer's lock; sealing and opening do not take it.
/// Peer.Handshake.cs, Peer.Transport.cs and Peer.Timers.cs hold its three parts.
/// </summary>
internal sealed partial class Peer
{
    private readonly ProtocolCore _core;
    private readonly Lock _gate = new();
    private readonly byte[] _presharedKey = GC.AllocateArray<byte>(SecretKey.Length, pinned: true);
    private readonly byte[] _staticStatic = GC.AllocateArray<byte>(SecretKey.Length, pinned: true);
    private StaticIdentity? _identity; // null: no handshake is possible
    private volatile EndpointHolder? _endpoint;
    private long _lastHandshakeTicks; // one word, so that it can be read whole
    private volatile bool _takesRuns = true;
    private bool _removed;
    private volatile ProtocolVersion _version;
    private uint _calledIn; // the version of the last initiation of the peer's that was accepted, 0: none; under the lock

    public Peer(ProtocolCore core, PublicKey publicKey, long sequence)
    {
        _core = core;
        PublicKey = publicKey;
        Sequence = sequence;
        Name = publicKey.ToString();
        _cookies = new CookieJar(publicKey);
        _version = core.Versions[0];
    }

    // a reference, so that it can be read whole without a lock
    private sealed record EndpointHolder(UdpPath Path);

    public PublicKey PublicKey { get; }

    /// <summary>Grows with every peer that is added.</summary>
    public long Sequence { get; }

    public string Name { get; set; }

    public PeerCounters Counters { get; } = new();

    public Endpoint Endpoint => _endpoint?.Path.Remote ?? default;

    /// <summary>The key if there is one, for the UAPI.</summary>
    public SecretKey? PresharedKey
    {
        get
        {
            lock (_gate)
            {
                var key = new SecretKey(_presharedKey);
                return key.IsZero ? null : key;
            }
        }
    }

    /// <summary>
    /// What we start handshakes in. A live session of another version stays in use until its initiator replaces it, which it does
    /// when it next sends, so that a link moves without a gap. The peer may start handshakes in any version that is spoken here, since
    /// it cannot be configured at the same instant; but not in an older one than ours once it has come in ours (see
    /// <see cref="AcceptInitiation"/>): whoever has broken the old version cannot lead back a link that has moved.
    /// </summary>
    public ProtocolVersion Version
    {
        get => _version;
        set => _version = value;
    }

    /// <summary>Seconds; 0 is off.</summary>
    public ushort PersistentKeepalive { get; private set; }

    /// <summary>When the newest session was made; null: never.</summary>
    public DateTimeOffset? LastHandshake
    {
        get => Volatile.Read(ref _lastHandshakeTicks) is var ticks && ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);
        private set => Volatile.Write(ref _lastHandshakeTicks, value?.UtcTicks ?? 0);
    }

    public void ForgetEndpoint() => _endpoint = null;

    /// <summary>Where the peer was heard, or is said to be; datagrams to it go back that way.</summary>
    public void SetEndpoint(in UdpPath path)
    {
        if (_endpoint is not { } known || known.Path != path)
        {
            if (_endpoint?.Path.Remote != path.Remote)
            {
                TakesRuns = true; // another path, another MTU
            }

            _endpoint = new EndpointHolder(path);
        }
    }

    /// <summary>The kernel chooses the local address until the peer is heard again: a send from the known one failed, or went unanswered.</summary>
    public void ForgetLocalAddress()
    {
        if (_endpoint is { } known && known.Path.Local.IsKnown)
        {
            _endpoint = new EndpointHolder(known.Path.Remote);
        }
    }

    /// <summary>
    /// False when the system refused to send several datagrams to this peer at once, most likely for a path MTU below theirs; they are
    /// then sent one by one, and fragmented, until the next session or endpoint.
    /// </summary>
    public bool TakesRuns
    {
        get => _takesRuns;
        set => _takesRuns = value;
    }

    /// <summary>Takes effect with the next handshake.</summary>
    public void SetPresharedKey(SecretKey key)
    {
        lock (_gate)
        {
            key.Bytes.CopyTo(_presharedKey);
        }
    }

    /// <summary>A new key pair of the device: every session under the old one ends.</summary>
    public void SetIdentity(StaticIdentity? identity)
    {
        lock (_gate)
        {
            WipeKeys();
            _identity = null;
            Span<byte> key = stackalloc byte[PublicKey.Length];
            PublicKey.CopyTo(key);
            if (identity is not null && X25519.TryAgree(identity.PrivateKeyBytes, key, _staticStatic))
            {
                _identity = identity; // what is staged goes out after the next retry
            }
            else
            {
                Counters.Drops.Add(DropReason.NoSession, _staged.Count);
                _staged.Clear();
                Disarm(ref _retransmitAt);
            }
        }
    }

    /// <summary>Turns persistent keepalives on or off; turned on, the first goes out at once.</summary>
    public void SetPersistentKeepalive(ushort seconds, Instant now, Outbox outbox)
    {
        lock (_gate)
        {
            var turnedOn = PersistentKeepalive == 0 && seconds != 0;
            PersistentKeepalive = seconds;
            ArmPersistentKeepalive(now);
            if (turnedOn)
            {
                SendKeepalive(now, outbox);
            }
        }
    }

    /// <summary>Wipes all that is secret. The peer is not used again.</summary>
    public void Remove()
    {
        lock (_gate)
        {
            _removed = true;
            WipeKeys();
            _staged.Clear();
            DisarmAll();
            _core.Timers.Remove(this);
            _cookies.Dispose();
            CryptographicOperations.ZeroMemory(_presharedKey);
            CryptographicOperations.ZeroMemory(_staticStatic);
            _identity = null;
        }
    }
}

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
}
