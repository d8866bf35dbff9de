using System.Buffers.Binary;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>How the network treats datagrams.</summary>
/// <param name="Loss">Share that is lost, 0 to 1.</param>
/// <param name="Duplication">Share that arrives twice.</param>
/// <param name="MaximumDelay">Each datagram takes up to this long, so that they overtake each other.</param>
internal sealed record Weather(double Loss, double Duplication, TimeSpan MaximumDelay);

/// <summary>
/// Engines on an in-memory network under a seeded scheduler: everything that happens follows from the seed, so a run that
/// fails can be run again. After every step the invariants are checked (<see cref="Watch"/>).
/// </summary>
internal sealed class World
{
    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly HashSet<(Node, Node)> _cut = [];
    private long _order;
    private uint _nextAddress = 1;
    private ulong _nextPacket = 1;

    public World(int seed, int nodes)
    {
        Random = new Random(seed);
        Watch = new Watch(this);
        for (var i = 0; i < nodes; i++)
        {
            Nodes.Add(new Node(this, i, NewAddress()));
        }

        foreach (var node in Nodes)
        {
            foreach (var other in Nodes.Where(other => other != node))
            {
                node.AddPeer(other);
            }
        }
    }

    public Random Random { get; }

    public List<Node> Nodes { get; } = [];

    public Watch Watch { get; }

    public Weather Weather { get; set; } = new(0, 0, TimeSpan.FromMilliseconds(20));

    public long Now { get; private set; } = 1_000_000_000;

    /// <summary>Packets under way or arrived, by number.</summary>
    public Dictionary<ulong, (Node From, Node To)> Sent { get; } = [];

    /// <summary>Packets that must not arrive.</summary>
    public HashSet<ulong> Forged { get; } = [];

    public Endpoint NewAddress() => new(0xC6120000 + _nextAddress++, 51820, false); // 198.18.0.0/15, for benchmarks

    public void At(TimeSpan delay, Action action) => _events.Enqueue(action, (Now + (delay.Ticks * 100), _order++));

    /// <summary>Lets time pass, event by event and deadline by deadline.</summary>
    public void Run(TimeSpan duration)
    {
        var end = Now + (duration.Ticks * 100);
        while (true)
        {
            var next = _events.TryPeek(out _, out var first) ? first.At : long.MaxValue;
            var deadline = Nodes.Min(node => node.Core.NextDeadline.Nanoseconds);
            var to = Math.Min(Math.Min(next, deadline), end);
            Now = Math.Max(Now, to);
            if (deadline <= Now)
            {
                foreach (var node in Nodes.Where(node => node.Core.NextDeadline.Nanoseconds <= Now))
                {
                    node.Advance();
                }
            }
            else if (next <= Now)
            {
                _events.Dequeue()();
            }
            else if (Now >= end)
            {
                return;
            }

            Watch.Step();
        }
    }

    /// <summary>A packet from one node's address to another's.</summary>
    public ulong Send(Node from, Node to)
    {
        var number = _nextPacket++;
        Sent[number] = (from, to);
        from.Send(Packet(from, to, number));
        return number;
    }

    /// <summary>A packet that claims to come from a third node.</summary>
    public void Forge(Node from, Node to, Node claimed)
    {
        var number = _nextPacket++;
        Sent[number] = (from, to);
        Forged.Add(number);
        from.Send(Packet(claimed, to, number));
    }

    public void Carry(Node from, Endpoint to, byte[] bytes)
    {
        Watch.OnWire(from, bytes);
        var copies = Random.NextDouble() < Weather.Duplication ? 2 : 1;
        for (var i = 0; i < copies; i++)
        {
            if (Random.NextDouble() < Weather.Loss)
            {
                continue;
            }

            // whoever is on the path may pass a cookie reply on from elsewhere: it is authentic all the same
            var source = Messages.Classify(bytes) == MessageType.CookieReply && Random.Next(3) == 0 ? NewAddress() : from.Address;
            var copy = bytes.ToArray();
            At(Weather.MaximumDelay * Random.NextDouble(), () =>
            {
                // whoever has the address when it arrives
                if (Nodes.Find(node => node.Address == to) is { } receiver && !_cut.Contains((from, receiver)))
                {
                    receiver.Receive(copy, source);
                }
            });
        }
    }

    public void Cut(Node from, Node to) => _cut.Add((from, to));

    /// <summary>A perfect network again.</summary>
    public void Heal()
    {
        _cut.Clear();
        Weather = new(0, 0, TimeSpan.FromMilliseconds(20));
    }

    private static byte[] Packet(Node from, Node to, ulong number)
    {
        var packet = new byte[20 + 16];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), (uint)from.Overlay.Address);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), (uint)to.Overlay.Address);
        Watch.Marker.CopyTo(packet.AsSpan(20));
        BinaryPrimitives.WriteUInt64BigEndian(packet.AsSpan(28), number);
        return packet;
    }

    public static ulong NumberOf(ReadOnlySpan<byte> packet) => BinaryPrimitives.ReadUInt64BigEndian(packet[28..]);
}
