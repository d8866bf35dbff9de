using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>
/// Cores joined by a wire that a test can look at, hold back, replay and cut, under one clock that moves when the test
/// says so.
/// </summary>
internal sealed class Lab
{
    public ManualTime Time { get; } = new();

    public Instant Now => Instant.Now(Time);

    /// <summary>Datagrams under way, oldest first.</summary>
    public List<Frame> Wire { get; } = [];

    public List<Host> Hosts { get; } = [];

    /// <param name="versions">What the host speaks; left out: what an engine speaks.</param>
    public Host AddHost(string address, int? seed = null, ImmutableArray<ProtocolVersion> versions = default)
    {
        var host = new Host(this, address, seed ?? Hosts.Count, versions);
        Hosts.Add(host);
        return host;
    }

    /// <summary>Two hosts that know each other; only <c>A</c> knows an endpoint unless told otherwise.</summary>
    public static (Lab Lab, Host A, Host B) Pair(bool bothKnowEndpoints = true, int firstSeed = 0)
    {
        var lab = new Lab();
        var a = lab.AddHost("192.0.2.1:51820", firstSeed);
        var b = lab.AddHost("192.0.2.2:51820", firstSeed + 1);
        a.AddPeer(b, "10.0.0.2/32");
        b.AddPeer(a, "10.0.0.1/32", knowsEndpoint: bothKnowEndpoints);
        return (lab, a, b);
    }

    /// <summary>A pair with a session that A initiated and B has confirmed; nothing is owed.</summary>
    public static (Lab Lab, Host A, Host B) Connected()
    {
        var (lab, a, b) = Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 25 });
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 0 });
        lab.Deliver();
        Assert.NotNull(b.Only.Current);
        return (lab, a, b);
    }

    /// <summary>Delivers what is under way, and what comes of it, until the wire is quiet.</summary>
    public void Deliver()
    {
        while (Wire.Count > 0)
        {
            DeliverNext();
        }
    }

    public void DeliverNext()
    {
        var frame = Wire[0];
        Wire.RemoveAt(0);
        Deliver(frame);
    }

    public void Deliver(Frame frame) => Hosts.SingleOrDefault(host => host.Address == frame.To)?.Receive(frame);

    /// <summary>Takes everything off the wire.</summary>
    public List<Frame> Take()
    {
        var frames = Wire.ToList();
        Wire.Clear();
        return frames;
    }

    /// <summary>Lets time pass deadline by deadline, delivering what is sent.</summary>
    public void Pass(TimeSpan by, bool deliver = true)
    {
        var end = Now + by;
        if (deliver)
        {
            Deliver();
        }

        while (true)
        {
            var next = Hosts.Min(host => host.Core.NextDeadline);
            var to = next < end ? next : end;
            if (to > Now)
            {
                Time.Advance(to - Now + TimeSpan.FromTicks(1));
            }

            foreach (var host in Hosts)
            {
                host.Advance();
            }

            if (deliver)
            {
                Deliver();
            }

            if (Now >= end)
            {
                return;
            }
        }
    }

    public void Pass(double seconds, bool deliver = true) => Pass(TimeSpan.FromSeconds(seconds), deliver);

    /// <summary>Moves the clock to a moment, to the tick, and lets everyone do what is due then. Delivers nothing.</summary>
    public void MoveTo(Instant moment)
    {
        Time.Advance(moment - Now);
        foreach (var host in Hosts)
        {
            host.Advance();
        }
    }
}

/// <summary>A datagram under way.</summary>
internal sealed record Frame(Endpoint From, Endpoint To, byte[] Bytes)
{
    public MessageType Type => Messages.Classify(Bytes);

    public bool IsKeepalive => Type == MessageType.Transport && Bytes.Length == Messages.TransportMinimumLength;
}

/// <summary>A core with an address on the lab's wire.</summary>
internal sealed class Host
{
    private readonly Lab _lab;
    private readonly Outbox _outbox = new();
    private readonly ImmutableArray<ProtocolVersion> _versions;

    public Host(Lab lab, string address, int seed, ImmutableArray<ProtocolVersion> versions = default)
    {
        _lab = lab;
        _versions = versions;
        Address = Ep(address);
        Random = new SeededRandom(seed);
        Core = new ProtocolCore(lab.Time, Random, versions: versions);
        var key = new byte[32];
        Random.GetBytes(key);
        Key = new SecretKey(key);
        Identity = new StaticIdentity(Key);
        Core.Apply(new DeviceUpdate { PrivateKey = Key }, lab.Now, _outbox);
    }

    public Endpoint Address { get; set; }

    public SeededRandom Random { get; }

    public ProtocolCore Core { get; private set; }

    public SecretKey Key { get; }

    public StaticIdentity Identity { get; }

    /// <summary>Inner packets that came out.</summary>
    public List<byte[]> Received { get; } = [];

    /// <summary>What became of every datagram that arrived.</summary>
    public List<DropReason> Outcomes { get; } = [];

    /// <summary>Pretend that this many handshake messages wait.</summary>
    public int Backlog { get; set; }

    public Peer Only => Core.Peers.Single();

    public void AddPeer(Host other, string allowedIp, bool knowsEndpoint = true) =>
        Apply(new PeerUpdate { PublicKey = other.Identity.PublicKey, Endpoint = knowsEndpoint ? other.Address : null, AllowedIps = [new(P(allowedIp))] });

    public bool Apply(PeerUpdate update) => Apply(new DeviceUpdate { Peers = [update] });

    /// <returns>Whether peers came, went, or are called or measured otherwise.</returns>
    public bool Apply(DeviceUpdate update)
    {
        Assert.Null(Core.Validate(update));
        var peersChanged = Core.Apply(update, _lab.Now, _outbox);
        Transmit();
        return peersChanged;
    }

    public DropReason Send(byte[] packet)
    {
        var result = Core.Send(packet, _lab.Now, _outbox);
        Transmit();
        return result;
    }

    /// <summary>Sends a packet between the addresses that <see cref="Lab.Pair"/> gives.</summary>
    public DropReason SendTo(string destination, string source, string text = "hello") => Send(Packet(source, destination, text));

    public void Receive(Frame frame)
    {
        var bytes = frame.Bytes.ToArray();
        var type = Messages.Classify(bytes);
        if (type == MessageType.Transport)
        {
            var outcome = Core.ReceiveTransport(bytes, frame.From, _lab.Now, _outbox, out _, out var length);
            Outcomes.Add(outcome);
            if (length > 0)
            {
                Received.Add(bytes[Messages.TransportHeaderLength..][..length]);
            }
        }
        else if (type == MessageType.None)
        {
            Outcomes.Add(Core.Drops.Add(DropReason.Malformed)); // as the device does
        }
        else
        {
            Outcomes.Add(Core.ReceiveHandshake(type, bytes, frame.From, Backlog, _lab.Now, _outbox));
        }

        Transmit();
    }

    public void Advance()
    {
        Core.Advance(_lab.Now, _outbox);
        Transmit();
    }

    /// <summary>Forgets all sessions, as a process that starts anew would; configuration is the test's to repeat.</summary>
    public void Restart()
    {
        Core = new ProtocolCore(_lab.Time, Random, versions: _versions);
        Core.Apply(new DeviceUpdate { PrivateKey = Key }, _lab.Now, _outbox);
    }

    private void Transmit()
    {
        foreach (var datagram in _outbox.Datagrams)
        {
            _lab.Wire.Add(new Frame(Address, datagram.To, _outbox.Bytes(datagram).ToArray()));
        }

        _outbox.Clear();
    }

    public static Endpoint Ep(string text) => Endpoint.TryParse(text, out var endpoint) ? endpoint : throw new FormatException(text);

    public static Prefix P(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new FormatException(text);

    /// <summary>An IPv4 packet of protocol 253 (for experiments) with a text in it.</summary>
    public static byte[] Packet(string source, string destination, string text)
    {
        var packet = new byte[20 + text.Length];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = 253;
        System.Net.IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(12), out _);
        System.Net.IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(16), out _);
        System.Text.Encoding.ASCII.GetBytes(text, packet.AsSpan(20));
        return packet;
    }

    public static string Text(byte[] packet) => System.Text.Encoding.ASCII.GetString(packet.AsSpan(20));
}

/// <summary>Reproducible randomness. For tests alone.</summary>
internal sealed class SeededRandom(int seed) : RandomNumberGenerator
{
    private readonly Random _random = new(seed);

    /// <summary>Called once, in the middle of whatever asks for randomness next.</summary>
    public Action? Next { get; set; }

    /// <summary>Given out first, one for each request of its length, before the seed has its say.</summary>
    public Queue<byte[]> Script { get; } = new();

    /// <summary>What an initiation asks for: its index, its ephemeral key, and the jitter of its retransmission.</summary>
    public void ScriptInitiation(uint index, double jitter, byte[]? ephemeral = null)
    {
        Script.Enqueue(BitConverter.GetBytes(index));
        if (ephemeral is null)
        {
            ephemeral = new byte[32];
            _random.NextBytes(ephemeral);
        }

        Script.Enqueue(ephemeral);
        ScriptJitter(jitter);
    }

    /// <param name="share">Of the greatest jitter, 0 to 1.</param>
    public void ScriptJitter(double share) => Script.Enqueue(BitConverter.GetBytes((uint)(share * uint.MaxValue)));

    public override void GetBytes(byte[] data) => GetBytes(data.AsSpan());

    public override void GetBytes(Span<byte> data)
    {
        var next = Next;
        Next = null;
        next?.Invoke();
        if (Script.TryPeek(out var bytes))
        {
            Assert.Equal(bytes.Length, data.Length); // the engine asks for something else than the test thinks
            Script.Dequeue().CopyTo(data);
            return;
        }

        _random.NextBytes(data);
    }
}
