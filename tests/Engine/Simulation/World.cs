using System.Buffers.Binary;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// Engines on an in-memory network under a seeded scheduler: everything that happens follows from the seed, so a run that
/// fails can be run again. After every step the invariants are checked (<see cref="Watch"/>, <see cref="Eavesdropper"/>).
/// </summary>
internal sealed class World
{
    private const int LargestMtu = 1420;

    private const int FewNodes = 8;

    // so many things at one moment that time must have come to a stop
    private const int MaximumStepsAtOnce = 100_000;

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private long _order;
    private ulong _nextPacket = 1;

    /// <summary>Nodes that all have each other as peers.</summary>
    /// <param name="seed">Decides everything.</param>
    /// <param name="nodes">How many.</param>
    public World(int seed, int nodes)
    {
        Random = new Random(seed);
        CollidingIndices = Random.Next(3) == 0;
        Watch = new Watch(this);
        Eavesdropper = new Eavesdropper(this);
        Network = new Network(this);
        for (var i = 0; i < nodes; i++)
        {
            Nodes.Add(new Node(this, i));
        }

        foreach (var node in Nodes)
        {
            node.KnowAll();
            node.Start(connect: false);
        }

        // in a large world those that are this far apart around the circle; in a small one all
        foreach (var distance in nodes < FewNodes ? Enumerable.Range(1, nodes - 1) : [1, 3, 7])
        {
            for (var i = 0; i < nodes; i++)
            {
                var (from, to) = (Nodes[i], Nodes[(i + distance) % nodes]);
                if (!Pairs.Contains((to, from)))
                {
                    Pairs.Add((from, to));
                }
            }
        }
    }

    public Random Random { get; }

    public List<Node> Nodes { get; } = [];

    /// <summary>Who has something to say to each other.</summary>
    public List<(Node Node, Node Other)> Pairs { get; } = [];

    /// <summary>Prefixes that every node gives now to the one, now to the other: overlapping, of both families.</summary>
    public static IReadOnlyList<Prefix> Floating { get; } =
        [.. new[] { "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.1.3.0/24", "fd01::/32", "fd01:0:1::/48", "fd01:0:1::7/128" }.Select(Parse)];

    public Watch Watch { get; }

    public Eavesdropper Eavesdropper { get; }

    public Network Network { get; }

    public Ledger Ledger { get; } = new();

    /// <summary>Whether indices collide more often than once in 2^32.</summary>
    public bool CollidingIndices { get; }

    /// <summary>Nanoseconds since the world began.</summary>
    public long Now { get; private set; }

    /// <summary>Follows from every datagram and its moment: two runs of a seed have the same.</summary>
    public ulong Trace { get; private set; } = 14695981039346656037;

    /// <summary>All packets, by number.</summary>
    public Dictionary<ulong, SentPacket> Sent { get; } = [];

    public static long Nanoseconds(TimeSpan time) => time.Ticks * TimeSpan.NanosecondsPerTick;

    public void At(TimeSpan delay, Action action) => _events.Enqueue(action, (Now + Nanoseconds(delay), _order++));

    /// <summary>Lets time pass, event by event and deadline by deadline.</summary>
    public void Run(TimeSpan duration)
    {
        var end = Now + Nanoseconds(duration);
        for (var steps = 0; ; steps++)
        {
            var next = _events.TryPeek(out _, out var first) ? first.At : long.MaxValue;
            var deadline = Nodes[0].NextDeadline;
            foreach (var node in Nodes)
            {
                deadline = Math.Min(deadline, node.NextDeadline);
            }

            var to = Math.Min(Math.Min(next, deadline), end);
            if (to > Now)
            {
                Now = to;
                steps = 0;
            }

            Assert.True(steps < MaximumStepsAtOnce, "a deadline that has passed is not met");
            if (deadline <= Now)
            {
                foreach (var node in Nodes)
                {
                    if (node.NextDeadline <= Now)
                    {
                        node.Advance();
                    }
                }
            }
            else if (next <= Now)
            {
                _events.Dequeue()();
            }
            else
            {
                return;
            }

            Watch.Step();
        }
    }

    /// <summary>A packet from one node's own address to another's.</summary>
    /// <returns>Its number; null if the node does not run.</returns>
    public ulong? Send(Node from, Node to)
    {
        var v6 = Random.Next(4) == 0;
        return Send(from, from.Own(v6), to.Own(v6));
    }

    /// <summary>A packet from any address to any other.</summary>
    public ulong? Send(Node from, Prefix source, Prefix destination)
    {
        if (!from.IsRunning)
        {
            return null;
        }

        var length = Random.Next(8) == 0 ? Random.Next(Packets.MinimumLength, LargestMtu + 1) : Packets.MinimumLength;
        var sent = new SentPacket(from, from.Route(destination), source, destination, Math.Min(length, from.Mtu));
        var number = _nextPacket++;
        Sent[number] = sent;
        from.Send(Packets.Make(number, sent), sent.To);
        return number;
    }

    /// <summary>A packet from each to each who have something to say to each other.</summary>
    public List<ulong> SendAll()
    {
        var numbers = new List<ulong>();
        foreach (var (node, other) in Pairs)
        {
            foreach (var number in (ulong?[])[Send(node, other), Send(other, node)])
            {
                if (number is { } sent)
                {
                    numbers.Add(sent);
                }
            }
        }

        return numbers;
    }

    public (Node From, Node To) AnyPair()
    {
        var (node, other) = Pairs[Random.Next(Pairs.Count)];
        return Random.Next(2) == 0 ? (node, other) : (other, node);
    }

    public Node Any(Node? but = null)
    {
        while (true)
        {
            var node = Nodes[Random.Next(Nodes.Count)];
            if (node != but)
            {
                return node;
            }
        }
    }

    /// <summary>Takes a datagram into <see cref="Trace"/> (FNV-1a).</summary>
    public void Mix(ReadOnlySpan<byte> bytes)
    {
        MixWord((ulong)Now);
        MixWord((ulong)bytes.Length);
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            MixWord(BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        void MixWord(ulong word) => Trace = (Trace ^ word) * 1099511628211;
    }

    private static Prefix Parse(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new FormatException(text);
}
