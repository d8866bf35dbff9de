using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Engine.Tests.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// An engine in the <see cref="World"/>, with its configuration: the part that survives a restart, and by which the engine's own
/// tables are checked.
/// </summary>
internal sealed class Node
{
    private const int BufferedWhileAsleep = 8;

    private readonly World _world;
    private readonly Outbox _outbox = new();
    private readonly WallClock _clock;
    private readonly CollidingRandom _random;
    private readonly long _origin; // of its monotonic clock: no two are the same
    private readonly List<Link> _links = [];
    private readonly List<(Prefix Prefix, Link Owner)> _table = [];
    private readonly List<(byte[] Datagram, Endpoint From, bool Tampered)> _buffered = [];
    private SecretKey _key;
    private ProtocolCore? _core;
    private bool _asleep;
    private bool _stale; // was configured while it did not run
    private int _sleeps;

    public Node(World world, int number)
    {
        _world = world;
        Number = number;
        Address = world.Network.NewAddress(this);
        _clock = new WallClock(this);
        _random = new CollidingRandom(world.Random.Next(), world.CollidingIndices);
        _origin = world.Random.Next();
        (_key, PublicKey) = NewKey();
    }

    /// <summary>Another node, as this one is configured to have it for a peer.</summary>
    internal sealed class Link(Node other)
    {
        public Node Other { get; } = other;

        /// <summary>The key it is known by, perhaps no longer its own.</summary>
        public PublicKey Key { get; set; } = other.PublicKey;

        /// <summary>Whether it is a peer.</summary>
        public bool IsConfigured { get; set; } = true;

        public SecretKey? PresharedKey { get; set; }

        public ushort PersistentKeepalive { get; set; }

        public ProtocolVersion Version { get; set; } = ProtocolVersion.One;

        /// <summary>The engine's.</summary>
        public Peer? Peer { get; set; }
    }

    public int Number { get; }

    public Endpoint Address { get; private set; }

    public PublicKey PublicKey { get; private set; }

    /// <summary>False while it is down or asleep.</summary>
    public bool IsRunning => _core is not null && !_asleep;

    public bool IsUp => _core is not null;

    public ProtocolCore Core => _core ?? throw new InvalidOperationException("down");

    public IReadOnlyList<Link> Links => _links;

    public IReadOnlyList<(Prefix Prefix, Link Owner)> Table => _table;

    public int Mtu { get; private set; } = 1420;

    /// <summary>Whether packets may be waiting that no longer fit.</summary>
    public bool HasShrunk { get; private set; }

    /// <summary>Handshake messages that pretend to wait; from <see cref="ProtocolCore.LoadThreshold"/> on the node is under load.</summary>
    public int Backlog { get; set; }

    /// <summary>When it last looked at a handshake message under load; world time.</summary>
    public long? LoadedAt { get; private set; }

    /// <summary>Grows when the private key changes.</summary>
    public int KeyEpoch { get; private set; }

    public DateTimeOffset WallTime => _clock.GetUtcNow();

    /// <summary>World time of the engine's next deadline.</summary>
    public long NextDeadline =>
        !IsRunning || Core.NextDeadline == Instant.Never ? long.MaxValue : Core.NextDeadline.Nanoseconds - _origin;

    private Instant Now => new(_world.Now + _origin);

    /// <summary>The node's only address of a family: a prefix of full length.</summary>
    public Prefix Own(bool isIPv6) => isIPv6
        ? Prefix.Create(((UInt128)0xFD00000000000000 << 64) + (uint)Number + 1, 128, true)
        : Prefix.Create(0x0A000001u + (uint)Number, 32, false);

    /// <summary>Age of a session, by the node's clock.</summary>
    public TimeSpan AgeOf(Session session) => Now - session.Created;

    public Link LinkTo(Node other) => _links.Find(link => link.Other == other)!;

    /// <summary>Null if it is not a peer.</summary>
    public Peer? PeerOf(Node other) => LinkTo(other).Peer;

    /// <summary>By a naive router over the configuration: who has the longest prefix that contains the address?</summary>
    public Node? Route(Prefix address)
    {
        var length = -1;
        Node? owner = null;
        foreach (var (prefix, link) in _table)
        {
            if (prefix.IsIPv6 == address.IsIPv6 && prefix.Length > length && prefix.Contains(address.Address))
            {
                (length, owner) = (prefix.Length, link.Other);
            }
        }

        return owner;
    }

    // ---- life

    /// <summary>All others are peers, each with its own addresses.</summary>
    public void KnowAll()
    {
        foreach (var other in _world.Nodes.Where(other => other != this))
        {
            var link = new Link(other);
            _links.Add(link);
            _table.Add((other.Own(false), link));
            _table.Add((other.Own(true), link));
        }
    }

    /// <summary>A process starts with its configuration and without sessions, if none runs.</summary>
    /// <param name="connect">Whether it asks all peers for a session.</param>
    public void Start(bool connect)
    {
        if (_core is null)
        {
            _core = new ProtocolCore(_clock, _random, versions: [ProtocolVersion.One, TestVersions.Two]) { Mtu = Mtu };
            Configure(connect);
        }
    }

    /// <summary>The process dies. Its address stays, and nobody answers there.</summary>
    public void Stop()
    {
        _asleep = false;
        _buffered.Clear();
        _core = null;
        foreach (var link in _links)
        {
            link.Peer = null;
        }
    }

    /// <summary>The host is suspended: it does nothing until it wakes, and its monotonic clock runs on meanwhile.</summary>
    public void Sleep(TimeSpan duration)
    {
        var sleep = ++_sleeps;
        _asleep = true;
        _world.At(duration, () =>
        {
            if (sleep == _sleeps)
            {
                Wake();
            }
        });
    }

    /// <summary>Goes on where it stopped, with what its socket has kept.</summary>
    public void Wake()
    {
        if (!_asleep)
        {
            return;
        }

        _asleep = false;
        foreach (var link in _links.Where(link => link.Peer is not null))
        {
            _world.Ledger[link.Peer!].WishedAt = _world.Now;
        }

        if (_world.Random.Next(2) == 0)
        {
            Advance(); // else a datagram is first
        }

        foreach (var (datagram, from, tampered) in _buffered)
        {
            Receive(datagram, from, tampered);
        }

        _buffered.Clear();
        if (_stale)
        {
            Configure(connect: false);
        }
    }

    // ---- configuration

    /// <summary>The whole configuration again.</summary>
    public void Configure(bool connect) => Apply(new DeviceUpdate
    {
        PrivateKey = _key,
        ReplacePeers = true,
        Peers = [.. _links.Where(link => link.IsConfigured).Select(link => Describe(link, connect))],
    });

    /// <summary>As at the beginning: nothing that was moved about, no keepalives.</summary>
    public void Reset()
    {
        Backlog = 0;
        _links.Clear();
        _table.Clear();
        KnowAll();
        SetMtu(1420);
    }

    public void Remove(Node other)
    {
        var link = LinkTo(other);
        link.IsConfigured = false;
        _table.RemoveAll(entry => entry.Owner == link);
        Apply(new PeerUpdate { PublicKey = link.Key, Remove = true });
    }

    public void Add(Node other, bool connect)
    {
        var link = LinkTo(other);
        link.IsConfigured = true;
        link.Key = other.PublicKey;
        Assign(link, other.Own(false));
        Assign(link, other.Own(true));
        Apply(Describe(link, connect));
    }

    /// <summary>Finds out that another has a new key.</summary>
    public void Learn(Node other)
    {
        var link = LinkTo(other);
        if (link.IsConfigured && link.Key != other.PublicKey)
        {
            var owned = _table.Where(entry => entry.Owner == link).ToList();
            Remove(other);
            _table.AddRange(owned);
            link.IsConfigured = true;
            link.Key = other.PublicKey;
            Apply(Describe(link, connect: false));
        }
    }

    /// <summary>Gives a prefix to a peer, whoever had it; or takes it from whoever has it.</summary>
    public void Give(Prefix prefix, Node? other)
    {
        if (other is not null && LinkTo(other) is { IsConfigured: true } link)
        {
            Assign(link, prefix);
            Apply(new PeerUpdate { PublicKey = link.Key, AllowedIps = [new(prefix)] });
        }
        else if (_table.Find(entry => entry.Prefix == prefix) is { Owner: { } owner })
        {
            _table.RemoveAll(entry => entry.Prefix == prefix);
            Apply(new PeerUpdate { PublicKey = owner.Key, AllowedIps = [new(prefix, Remove: true)] });
        }
    }

    public void SetKeepalive(Node other, ushort seconds)
    {
        var link = LinkTo(other);
        link.PersistentKeepalive = seconds;
        Update(link, new PeerUpdate { PublicKey = link.Key, PersistentKeepalive = seconds });
    }

    public void SetPresharedKey(Node other, SecretKey key)
    {
        var link = LinkTo(other);
        link.PresharedKey = key;
        Update(link, new PeerUpdate { PublicKey = link.Key, PresharedKey = key });
    }

    /// <summary>This end of the link is configured for a version of the protocol; the other end is not told.</summary>
    public void MoveTo(ProtocolVersion version, Node other)
    {
        var link = LinkTo(other);
        link.Version = version;
        Update(link, new PeerUpdate { PublicKey = link.Key, ProtocolVersion = version.Number });
    }

    public void SetEndpoint(Node other, Endpoint endpoint)
    {
        var link = LinkTo(other);
        Update(link, new PeerUpdate { PublicKey = link.Key, Endpoint = endpoint });
    }

    /// <summary>A new private key; the others have to <see cref="Learn"/> of it.</summary>
    public void ChangeKey()
    {
        (_key, PublicKey) = NewKey();
        KeyEpoch++;
        Apply(new DeviceUpdate { PrivateKey = _key });
    }

    /// <summary>The private key is taken away and given back: all sessions end.</summary>
    public void TakeKeyAway()
    {
        KeyEpoch++;
        Apply(new DeviceUpdate { PrivateKey = new SecretKey(new byte[SecretKey.Length]) });
        Apply(new DeviceUpdate { PrivateKey = _key });
    }

    public void SetMtu(int mtu)
    {
        HasShrunk |= mtu < Mtu;
        Mtu = mtu;
        if (_core is not null)
        {
            _core.Mtu = mtu;
        }
    }

    /// <summary>Another address; the others find out from its datagrams.</summary>
    public void Roam() => Address = _world.Network.NewAddress(this);

    /// <summary>The wall clock is set, forwards or back.</summary>
    public void JumpClock(TimeSpan by) => _clock.Skew += by;

    // ---- packets

    public void Send(byte[] packet, Node? to)
    {
        if (to is not null && PeerOf(to) is { } peer)
        {
            _world.Ledger[peer].WishedAt = _world.Now;
        }

        var outcome = Core.Send(packet, Now, _outbox);
        Watch.OnSent(this, to, outcome);
        Transmit();
    }

    public void Receive(byte[] datagram, in Endpoint from, bool tampered)
    {
        if (!IsRunning)
        {
            if (_asleep && _buffered.Count < BufferedWhileAsleep)
            {
                _buffered.Add((datagram, from, tampered));
            }

            return;
        }

        switch (Messages.Classify(datagram))
        {
            case MessageType.None:
                Assert.True(tampered, "a message of no type was sent");
                break;
            case MessageType.Transport:
                ReceiveTransport(datagram, from, tampered);
                break;
            case var type:
                ReceiveHandshake(type, datagram, from, tampered);
                break;
        }
    }

    public void Advance()
    {
        Core.Advance(Now, _outbox);
        Transmit();
    }

    private void ReceiveTransport(byte[] datagram, in Endpoint from, bool tampered)
    {
        var session = Core.Indices.Find(Messages.Receiver(datagram)) as Session;
        var before = session?.Peer.Endpoint ?? default;
        var outcome = Core.ReceiveTransport(datagram, from, Now, _outbox, out _, out var length);
        _world.Watch.OnTransport(this, session, datagram, length, outcome, tampered);
        if (session is not null)
        {
            Assert.True(session.Peer.Endpoint == (Watch.IsAuthentic(outcome) ? from : before), "the endpoint is not where the last authentic packet came from");
        }

        Transmit();
        if (Watch.IsAuthentic(outcome) && datagram.Length > Messages.TransportMinimumLength)
        {
            _world.Eavesdropper.Owes(session!.Peer); // what was sent in this step is no answer yet
        }
    }

    private void ReceiveHandshake(MessageType type, byte[] datagram, in Endpoint from, bool tampered)
    {
        if (Backlog >= ProtocolCore.LoadThreshold)
        {
            LoadedAt = _world.Now;
        }

        var before = Endpoints();
        var initiator = type == MessageType.Response ? Core.Indices.Find(Messages.Receiver(datagram)) as Peer : null;
        var outcome = Core.ReceiveHandshake(type, datagram, from, Backlog, Now, _outbox);
        _world.Watch.OnHandshake(this, type, datagram, initiator, outcome, tampered);
        if (outcome != DropReason.None || type == MessageType.CookieReply)
        {
            Assert.True(before.SequenceEqual(Endpoints()), $"a {type} moved an endpoint ({outcome})");
        }

        Transmit();
        Endpoint[] Endpoints() => [.. _links.Select(link => link.Peer?.Endpoint ?? default)];
    }

    private void Transmit()
    {
        foreach (var datagram in _outbox.Datagrams)
        {
            var bytes = _outbox.Bytes(datagram).ToArray();
            _world.Eavesdropper.OnDatagram(this, datagram.Peer, bytes);
            _world.Network.Carry(this, datagram.To, bytes);
        }

        _outbox.Clear();
        _world.Eavesdropper.AfterStep();
    }

    // ---- how configuration is handed over

    private void Assign(Link link, Prefix prefix)
    {
        _table.RemoveAll(entry => entry.Prefix == prefix);
        _table.Add((prefix, link));
    }

    private PeerUpdate Describe(Link link, bool connect) => new()
    {
        PublicKey = link.Key,
        Endpoint = link.Other.Address,
        PresharedKey = link.PresharedKey,
        PersistentKeepalive = link.PersistentKeepalive,
        ProtocolVersion = link.Version.Number,
        ReplaceAllowedIps = true,
        AllowedIps = [.. _table.Where(entry => entry.Owner == link).Select(entry => new AllowedIpUpdate(entry.Prefix))],
        Connect = connect,
    };

    private void Update(Link link, PeerUpdate update)
    {
        if (link.IsConfigured)
        {
            Apply(update);
        }
    }

    private void Apply(PeerUpdate update) => Apply(new DeviceUpdate { Peers = [update] });

    private void Apply(DeviceUpdate update)
    {
        if (!IsRunning)
        {
            _stale = true; // a process that starts reads it, one that wakes is told
            return;
        }

        _stale = false;
        Assert.Null(Core.Validate(update));
        var silent = _links.Where(link => link.Peer is { PersistentKeepalive: 0 }).ToList();
        Core.Apply(update, Now, _outbox);
        var peers = Core.Peers.ToDictionary(peer => peer.PublicKey);
        foreach (var link in _links)
        {
            link.Peer = peers.GetValueOrDefault(link.Key);
            if (link.Peer is not null)
            {
                _world.Ledger[link.Peer].WishedAt = _world.Now;
            }
        }

        foreach (var link in silent.Where(link => link.Peer is { PersistentKeepalive: > 0 }))
        {
            _world.Eavesdropper.Announces(link.Peer!);
        }

        Watch.OnConfigured(this);
        Transmit();
    }

    private (SecretKey Private, PublicKey Public) NewKey()
    {
        var bytes = new byte[SecretKey.Length];
        _random.GetBytes(bytes);
        var key = new SecretKey(bytes);
        using var identity = new StaticIdentity(new SecretKey(bytes));
        return (key, identity.PublicKey);
    }

    /// <summary>The world's time, as a wall clock that may be wrong tells it.</summary>
    private sealed class WallClock(Node node) : TimeProvider
    {
        public TimeSpan Skew { get; set; }

        public override long TimestampFrequency => TimeSpan.NanosecondsPerTick * TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => node.Now.Nanoseconds;

        public override DateTimeOffset GetUtcNow() =>
            DateTimeOffset.UnixEpoch.AddYears(56).AddTicks(node._world.Now / TimeSpan.NanosecondsPerTick) + Skew;
    }
}
