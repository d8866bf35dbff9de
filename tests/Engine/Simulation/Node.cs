using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Engine.Tests.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>An engine in the <see cref="World"/>.</summary>
internal sealed class Node
{
    private readonly World _world;
    private readonly Outbox _outbox = new();
    private readonly Clock _clock;
    private readonly SeededRandom _random;
    private SecretKey _key;

    public Node(World world, int number, Endpoint address)
    {
        _world = world;
        Number = number;
        Address = address;
        Overlay = Prefix.Create(0x0A000001u + (uint)number, 32, false);
        _clock = new Clock(world);
        _random = new SeededRandom(world.Random.Next());
        _key = NewKey();
        Core = NewCore();
    }

    public int Number { get; }

    public Endpoint Address { get; private set; }

    public Prefix Overlay { get; }

    public ProtocolCore Core { get; private set; }

    public PublicKey PublicKey => Core.Identity!.PublicKey;

    /// <summary>Handshake messages that pretend to wait; from <see cref="ProtocolCore.LoadThreshold"/> on the node is under load.</summary>
    public int Backlog { get; set; }

    /// <summary>How often it was restarted.</summary>
    public int Generation { get; private set; }

    private Instant Now => new(_world.Now);

    public Peer PeerOf(Node other) => Core.Peers.Single(peer => peer.PublicKey == other.PublicKey);

    public void AddPeer(Node other, bool connect = false) => Apply(new DeviceUpdate
    {
        Peers = [new PeerUpdate { PublicKey = other.PublicKey, Endpoint = other.Address, AllowedIps = [new(other.Overlay)], Connect = connect }],
    });

    /// <summary>This end of the link is configured for a version of the protocol; the other end is not told.</summary>
    public void MoveTo(ProtocolVersion version, Node other) =>
        Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = other.PublicKey, UpdateOnly = true, ProtocolVersion = version.Number }] });

    public void Apply(DeviceUpdate update)
    {
        Core.Apply(update, Now, _outbox);
        Transmit();
    }

    public void Send(byte[] packet)
    {
        Core.Send(packet, Now, _outbox);
        Transmit();
    }

    public void Receive(byte[] datagram, in Endpoint from)
    {
        var type = Messages.Classify(datagram);
        if (type == MessageType.Transport)
        {
            var index = Messages.Receiver(datagram);
            var outcome = Core.ReceiveTransport(datagram, from, Now, _outbox, out var peer, out var length);
            _world.Watch.OnReceived(this, index, outcome, peer, datagram.AsSpan(Messages.TransportHeaderLength, length));
        }
        else
        {
            var before = type == MessageType.CookieReply ? Endpoints() : null;
            Core.ReceiveHandshake(type, datagram, from, Backlog, Now, _outbox);
            if (before is not null)
            {
                Assert.True(before.SequenceEqual(Endpoints()), "a cookie reply moved an endpoint");
            }
        }

        Transmit();
    }

    public void Advance()
    {
        Core.Advance(Now, _outbox);
        Transmit();
    }

    /// <summary>The process dies and comes back with its configuration and without its sessions.</summary>
    public void Restart()
    {
        Generation++;
        Core = NewCore();
        foreach (var other in _world.Nodes.Where(other => other != this))
        {
            AddPeer(other, connect: true);
        }
    }

    /// <summary>A new private key, which the others learn of.</summary>
    public void ChangeKey()
    {
        var old = PublicKey;
        _key = NewKey();
        Apply(new DeviceUpdate { PrivateKey = _key });
        foreach (var other in _world.Nodes.Where(other => other != this))
        {
            other.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = old, Remove = true }] });
            other.AddPeer(this);
        }
    }

    /// <summary>Another address; the others find out from its datagrams.</summary>
    public void Roam() => Address = _world.NewAddress();

    public void JumpClock(TimeSpan by) => _clock.Skew += by;

    private Endpoint[] Endpoints() => [.. Core.Peers.Select(peer => peer.Endpoint)];

    private ProtocolCore NewCore()
    {
        var core = new ProtocolCore(_clock, _random, versions: [ProtocolVersion.One, TestVersions.Two]);
        core.Apply(new DeviceUpdate { PrivateKey = _key }, Now, _outbox);
        return core;
    }

    private SecretKey NewKey()
    {
        var bytes = new byte[32];
        _random.GetBytes(bytes);
        return new SecretKey(bytes);
    }

    private void Transmit()
    {
        foreach (var datagram in _outbox.Datagrams)
        {
            _world.Carry(this, datagram.To, _outbox.Bytes(datagram).ToArray());
        }

        _outbox.Clear();
    }

    /// <summary>The world's time, and a wall clock that may be wrong.</summary>
    private sealed class Clock(World world) : TimeProvider
    {
        public TimeSpan Skew { get; set; }

        public override long TimestampFrequency => 1_000_000_000;

        public override long GetTimestamp() => world.Now;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(56).AddTicks(world.Now / 100) + Skew;
    }
}
