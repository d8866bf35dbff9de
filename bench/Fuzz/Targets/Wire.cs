using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Fuzz.Targets;

/// <summary>Two engines without sockets that know each other, under one clock. Made anew, everything in them is the same to the last byte.</summary>
internal sealed class Wire
{
    public Wire()
    {
        A = new Station(Time, 1, "192.0.2.1:51820");
        B = new Station(Time, 2, "192.0.2.2:51820");
        A.AddPeer(B, "10.0.0.2/32", "fd00::2/128");
        B.AddPeer(A, "10.0.0.1/32", "fd00::1/128");
    }

    public ManualTime Time { get; } = new();

    public Station A { get; }

    public Station B { get; }

    /// <summary>An IPv4 packet between the two, of protocol 253 (for experiments).</summary>
    public static byte[] Packet(string source, string destination, string text)
    {
        var packet = new byte[IpPacket.IPv4HeaderLength + text.Length];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = 253;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(12), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(16), out _);
        Encoding.ASCII.GetBytes(text, packet.AsSpan(IpPacket.IPv4HeaderLength));
        return packet;
    }

    /// <summary>The same over IPv6.</summary>
    public static byte[] Packet6(string source, string destination, string text)
    {
        var packet = new byte[IpPacket.IPv6HeaderLength + text.Length];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)text.Length);
        packet[6] = 253;
        packet[7] = 64;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(8), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(24), out _);
        Encoding.ASCII.GetBytes(text, packet.AsSpan(IpPacket.IPv6HeaderLength));
        return packet;
    }
}

/// <summary>One engine: what goes in, and what comes out of it.</summary>
internal sealed class Station
{
    private readonly ManualTime _time;
    private readonly Outbox _outbox = new();
    private readonly StaticIdentity _identity;
    private readonly Endpoint _address;

    public Station(ManualTime time, int seed, string address)
    {
        _time = time;
        _address = Parse(address);
        Core = new ProtocolCore(time, new Dice(seed));
        var bytes = new byte[SecretKey.Length];
        new Random(seed).NextBytes(bytes);
        var key = new SecretKey(bytes);
        _identity = new StaticIdentity(key);
        Core.Apply(new DeviceUpdate { PrivateKey = key }, Now, _outbox);
    }

    public ProtocolCore Core { get; }

    /// <summary>Handshake messages that are said to wait.</summary>
    public int Backlog { get; set; }

    public PublicKey PublicKey => _identity.PublicKey;

    public Endpoint Address => _address;

    public Peer Peer { get; private set; } = null!;

    private Instant Now => Instant.Now(_time);

    /// <summary>All that a message could change. Two are equal when nothing happened in between.</summary>
    public object State => (
        Peer.Endpoint, Peer.LastHandshake, Core.Indices.Count, Core.NextDeadline, Peer.StagedCount,
        (Peer.Current, Peer.Previous, Peer.Next, Peer.Current?.NextCounter),
        (Peer.Counters.ReceivedBytes, Peer.Counters.ReceivedPackets, Peer.Counters.SentBytes, Peer.Counters.SentPackets),
        (Peer.Counters.InitiationsSent, Peer.Counters.CompletedAsInitiator, Peer.Counters.CompletedAsResponder, Peer.Counters.Rekeys));

    public void AddPeer(Station other, params string[] allowedIps)
    {
        Core.Apply(
            new DeviceUpdate
            {
                Peers =
                [
                    new PeerUpdate
                    {
                        PublicKey = other.PublicKey,
                        Endpoint = other.Address,
                        AllowedIps = [.. allowedIps.Select(text => Prefix.TryParse(text, out var prefix) ? new AllowedIpUpdate(prefix) : throw new FormatException(text))],
                    },
                ],
            },
            Now,
            _outbox);
        _outbox.Clear();
        Peer = Core.Peers.Single();
    }

    /// <summary>A packet from the interface. The datagrams that it makes go into <paramref name="sent"/>.</summary>
    public DropReason Send(byte[] packet, List<byte[]> sent)
    {
        var reason = Core.Send(packet, Now, _outbox);
        Drain(sent);
        return reason;
    }

    /// <summary>A datagram from the network, as a device takes it.</summary>
    /// <param name="datagram">Opened in place.</param>
    /// <param name="from">Who sent it.</param>
    /// <param name="sent">Takes the datagrams that it is answered with.</param>
    /// <param name="packetLength">Bytes of the inner packet, at offset 16.</param>
    public DropReason Receive(byte[] datagram, Endpoint from, List<byte[]> sent, out int packetLength)
    {
        packetLength = 0;
        var type = Messages.Classify(datagram);
        var reason = type switch
        {
            MessageType.None => DropReason.Malformed,
            MessageType.Transport => Core.ReceiveTransport(datagram, from, Now, _outbox, out _, out packetLength),
            _ => Core.ReceiveHandshake(type, datagram, from, Backlog, Now, _outbox),
        };
        Drain(sent);
        return reason;
    }

    /// <summary>What the timers have due.</summary>
    public void Advance(List<byte[]> sent)
    {
        Core.Advance(Now, _outbox);
        Drain(sent);
    }

    public static Endpoint Parse(string text) => Endpoint.TryParse(text, out var endpoint) ? endpoint : throw new FormatException(text);

    private void Drain(List<byte[]> sent)
    {
        foreach (var datagram in _outbox.Datagrams)
        {
            sent.Add(_outbox.Bytes(datagram).ToArray());
        }

        _outbox.Clear();
    }

    /// <summary>Randomness that is the same every time.</summary>
    private sealed class Dice(int seed) : RandomNumberGenerator
    {
        private readonly Random _random = new(seed);

        public override void GetBytes(byte[] data) => _random.NextBytes(data);

        public override void GetBytes(Span<byte> data) => _random.NextBytes(data);
    }
}
