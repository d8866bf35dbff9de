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
        _staged = new StagedPackets(Limits.StagedPackets, core.Staged);
        _version = core.Versions[0];
    }

    // a reference, so that it can be read whole without a lock
    private sealed record EndpointHolder(UdpPath Path);

    public PublicKey PublicKey { get; }

    /// <summary>Grows with every peer that is added.</summary>
    public long Sequence { get; }

    public string Name { get; set; }

    /// <summary>Whether it is among the first to have metric series of its own, where there are more peers than that.</summary>
    public bool MeasuredFirst { get; set; }

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
    /// it cannot be configured at the same instant; but once its last call was in ours, one in an older version is refused and answered by
    /// a call of our own (see <see cref="AcceptInitiation"/>), so that a link does not flap while only one end is told. That is no
    /// protection from whoever has broken the old version: a peer that never called, or not since we started, may call in it.
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
    /// <param name="failed">The path that is meant; nothing happens if the peer has moved on since. Null: whatever it is now.</param>
    public void ForgetLocalAddress(UdpPath? failed = null)
    {
        if (_endpoint is { } known && known.Path.Local.IsKnown && (failed is null || failed == known.Path))
        {
            // an endpoint that is set meanwhile is newer
            Interlocked.CompareExchange(ref _endpoint, new EndpointHolder(known.Path.Remote), known);
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
