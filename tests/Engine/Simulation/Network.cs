using System.Buffers.Binary;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>How the network treats datagrams.</summary>
/// <param name="Loss">Share that is lost, 0 to 1.</param>
/// <param name="Duplication">Share that arrives twice.</param>
/// <param name="Tampering">Share of which a copy with a changed byte arrives too.</param>
/// <param name="MaximumDelay">Each datagram takes up to this long, so that they overtake each other.</param>
internal sealed record Weather(double Loss, double Duplication, double Tampering, TimeSpan MaximumDelay)
{
    public static readonly Weather Calm = new(0, 0, 0, TimeSpan.FromMilliseconds(20));
}

/// <summary>
/// What lies between the nodes, and someone on it who records, changes, repeats and redirects. It knows no keys.
/// </summary>
internal sealed class Network(World world)
{
    private const int TapeLength = 96;

    private readonly Dictionary<Endpoint, Node> _addresses = [];
    private readonly HashSet<(int From, int To)> _cut = [];
    private readonly List<(long At, Endpoint From, Endpoint To, byte[] Bytes)> _tape = [];
    private uint _lastAddress;
    private long _recorded;

    public Weather Weather { get; set; } = Weather.Calm;

    /// <summary>Datagrams that were sent.</summary>
    public long Count { get; private set; }

    /// <summary>An address nobody had before, for a node or, if null, for nobody.</summary>
    public Endpoint NewAddress(Node? owner)
    {
        var number = ++_lastAddress;
        var endpoint = number % 3 == 0
            ? new Endpoint(((UInt128)0x20010DB800000000 << 64) | number, 51820, true) // 2001:db8::/32, for documentation
            : new Endpoint(0xC6120000 + number, (ushort)(51820 + (number % 2)), false); // 198.18.0.0/15, for benchmarks
        if (owner is not null)
        {
            _addresses.Remove(owner.Address);
            _addresses[endpoint] = owner;
        }

        return endpoint;
    }

    public void Carry(Node from, in Endpoint to, byte[] bytes)
    {
        Count++;
        if (Environment.GetEnvironmentVariable("DBG") is not null) File.AppendAllText("/root/scratch/simulation/dbg", $"{world.Now/1e9:F3} {from.Number}->{to} {Messages.Classify(bytes)} {bytes.Length}\n");
        world.Mix(bytes);
        Record((world.Now, from.Address, to, bytes));
        var random = world.Random;
        var copies = random.NextDouble() < Weather.Duplication ? 2 : 1;
        for (var i = 0; i < copies; i++)
        {
            if (random.NextDouble() >= Weather.Loss)
            {
                // whoever is on the path may pass a cookie reply on from elsewhere: it is authentic all the same
                var elsewhere = bytes.Length == Messages.CookieReplyLength && random.Next(3) == 0;
                Send(from, elsewhere ? NewAddress(owner: null) : from.Address, to, bytes, tampered: false);
            }
        }

        if (random.NextDouble() < Weather.Tampering)
        {
            Send(from, from.Address, to, Tamper(bytes), tampered: true);
        }
    }

    /// <summary>
    /// Datagrams of any age arrive again, old ones also from another address. One that was lost the first time is new to its receiver, and
    /// takes the endpoint with it.
    /// </summary>
    public void Replay(int count)
    {
        for (var i = 0; i < count && _tape.Count > 0; i++)
        {
            var (at, source, to, bytes) = _tape[world.Random.Next(_tape.Count)];
            var isOld = world.Now - at > World.Nanoseconds(Weather.MaximumDelay);
            Send(null, isOld && world.Random.Next(3) == 0 ? NewAddress(owner: null) : source, to, bytes, tampered: false);
        }
    }

    /// <summary>Nothing gets from one to the other.</summary>
    public void Cut(Node from, Node to) => _cut.Add((from.Number, to.Number));

    /// <summary>Nothing gets from either part to the other.</summary>
    public void Partition(Func<Node, bool> isHere)
    {
        foreach (var node in world.Nodes)
        {
            foreach (var other in world.Nodes)
            {
                if (isHere(node) != isHere(other))
                {
                    Cut(node, other);
                }
            }
        }
    }

    /// <summary>A perfect network again.</summary>
    public void Heal()
    {
        _cut.Clear();
        Weather = Weather.Calm;
    }

    private void Send(Node? from, Endpoint source, Endpoint to, byte[] bytes, bool tampered)
    {
        var copy = bytes.ToArray(); // an engine opens in place
        world.At(Weather.MaximumDelay * world.Random.NextDouble(), () =>
        {
            // whoever has the address when it arrives
            if (_addresses.TryGetValue(to, out var receiver) && (from is null || !_cut.Contains((from.Number, receiver.Number))))
            {
                receiver.Receive(copy, source, tampered);
            }
        });
    }

    // recent ones, and some old ones
    private void Record((long At, Endpoint From, Endpoint To, byte[] Bytes) datagram)
    {
        _recorded++;
        if (_tape.Count < TapeLength)
        {
            _tape.Add(datagram);
        }
        else if (_recorded % 3 == 0)
        {
            _tape[(int)(_recorded / 3 % (TapeLength / 2))] = datagram;
        }
        else if (world.Random.Next((int)Math.Min(_recorded, 1 << 20)) < TapeLength / 2)
        {
            _tape[(TapeLength / 2) + world.Random.Next(TapeLength / 2)] = datagram;
        }
    }

    private byte[] Tamper(byte[] bytes)
    {
        // what is not authenticated is left alone: mac2, which counts only under load, and the index of a cookie reply
        var type = Messages.Classify(bytes);
        var start = type == MessageType.CookieReply ? 8 : 0;
        var end = type is MessageType.Initiation or MessageType.Response ? bytes.Length - Messages.MacLength : bytes.Length;
        var copy = bytes.ToArray();
        copy[world.Random.Next(start, end)] ^= (byte)(1 << world.Random.Next(8));
        return copy;
    }

    /// <summary>The first bytes of the ephemeral key of an initiation.</summary>
    public static ulong EphemeralOf(ReadOnlySpan<byte> initiation) => BinaryPrimitives.ReadUInt64LittleEndian(initiation[8..]);
}
