using System.Collections.Immutable;
using System.Numerics;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// What all agents that are connected say of all links: of each peer, how the others see it, and of the mesh, how many links there are of which
/// state. A link between two nodes counts once: it is up if an end says so, else down if an end says so.
/// </summary>
internal sealed class LinkTally
{
    /// <summary>So much may clocks differ: a handshake that is later than this from now is of a clock that is wrong, and counts as none.</summary>
    internal static readonly TimeSpan MostAhead = TimeSpan.FromMinutes(1);

    /// <summary>So many nodes are named; the others are a number.</summary>
    private const int MostNamed = 3;

    private readonly Dictionary<string, PeerTally> _peers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LinkCounts> _nodes = new(StringComparer.Ordinal);

    /// <summary>Links with a live session.</summary>
    public int Up { get; private set; }

    /// <summary>Links that should have one and do not.</summary>
    public int Down { get; private set; }

    /// <summary>Links that nobody wants to use.</summary>
    public int Idle { get; private set; }

    /// <summary>By node whose agent is connected and has reported: its own links, with all peers, as the agent says.</summary>
    public IReadOnlyDictionary<string, LinkCounts> Nodes => _nodes;

    public PeerTally this[string peer] => _peers.GetValueOrDefault(peer, PeerTally.None);

    public static LinkTally Of(MeshPlan plan, ImmutableDictionary<string, AgentStatus> agents, DateTimeOffset now)
    {
        var latest = (now + MostAhead).ToUnixTimeSeconds();
        var served = plan.Outcomes.Where(outcome => outcome.IsServed).ToArray();
        var peers = served.Select(_ => new PeerTally()).ToArray();
        var nodes = new int[served.Length]; // a number for each node, -1 for a device
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < served.Length; i++)
        {
            nodes[i] = served[i].Node is null ? -1 : numbers.Count;
            if (served[i].Node is { } node)
                numbers.Add(node, numbers.Count);
        }

        var tally = new LinkTally();
        var pairs = new Pairs(numbers.Count);
        foreach (var (node, agent) in agents)
        {
            if (!agent.IsConnected || agent.Report is not { } report || !numbers.TryGetValue(node, out var own))
                continue;

            // both are ordered by name: one merge finds all
            var next = 0;
            var counts = default(LinkCounts);
            foreach (ref readonly var link in report.Links.AsSpan())
            {
                while (next < served.Length && string.CompareOrdinal(served[next].Name, link.Peer) < 0)
                    next++;
                if (next == served.Length)
                    break;
                if (served[next].Name != link.Peer || nodes[next] == own)
                    continue;

                counts = counts.And(link.State);
                peers[next].Add(node, link.LastHandshake >= 0 && link.LastHandshake <= latest ? link : link with { LastHandshake = 0 }, MostNamed);
                if (nodes[next] >= 0)
                    pairs.Add(own, nodes[next], link.State);
                else
                    tally.Count(link.State);
            }

            tally._nodes.Add(node, counts);
        }

        pairs.AddTo(tally);
        for (var i = 0; i < served.Length; i++)
            tally._peers.Add(served[i].Name, peers[i]);
        return tally;
    }

    /// <summary>One link of a report; null: it does not say.</summary>
    public static LinkStatus? Find(AgentReport report, string peer)
    {
        var (low, high) = (0, report.Links.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = string.CompareOrdinal(report.Links[middle].Peer, peer);
            if (order == 0)
                return report.Links[middle];
            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }

        return null;
    }

    private void Count(LinkState state)
    {
        switch (state)
        {
            case LinkState.Up:
                Up++;
                break;
            case LinkState.Down:
                Down++;
                break;
            default:
                Idle++;
                break;
        }
    }

    /// <summary>A bit for each pair of nodes: a thousand nodes have half a million.</summary>
    private sealed class Pairs(int nodes)
    {
        private readonly ulong[] _up = new ulong[Words(nodes)], _down = new ulong[Words(nodes)], _seen = new ulong[Words(nodes)];

        public void Add(int one, int other, LinkState state)
        {
            var (greater, lesser) = one > other ? (one, other) : (other, one);
            var bit = ((long)greater * (greater - 1) / 2) + lesser;
            var (word, mask) = ((int)(bit / 64), 1UL << (int)(bit % 64));
            _seen[word] |= mask;
            if (state == LinkState.Up)
                _up[word] |= mask;
            else if (state == LinkState.Down)
                _down[word] |= mask;
        }

        public void AddTo(LinkTally tally)
        {
            for (var i = 0; i < _seen.Length; i++)
            {
                var down = _down[i] & ~_up[i];
                tally.Up += BitOperations.PopCount(_up[i]);
                tally.Down += BitOperations.PopCount(down);
                tally.Idle += BitOperations.PopCount(_seen[i] & ~_up[i] & ~down);
            }
        }

        private static int Words(int nodes) => (int)((((long)nodes * (nodes - 1) / 2) + 63) / 64);
    }
}

/// <summary>How many links there are of which state.</summary>
internal readonly record struct LinkCounts(int Up, int Down, int Idle)
{
    public LinkCounts And(LinkState state) => state switch
    {
        LinkState.Up => this with { Up = Up + 1 },
        LinkState.Down => this with { Down = Down + 1 },
        _ => this with { Idle = Idle + 1 },
    };
}

/// <summary>How the nodes see one peer.</summary>
internal sealed class PeerTally
{
    public static readonly PeerTally None = new();

    private readonly List<(string Node, long LastHandshake)> _down = [];

    /// <summary>Nodes with a live session.</summary>
    public int Up { get; private set; }

    /// <summary>Nodes that want one and get no answer.</summary>
    public int Down { get; private set; }

    /// <summary>The first of those, by name, and the Unix time in seconds of their last handshake; 0: they had none.</summary>
    public IEnumerable<(string Node, long LastHandshake)> DownNodes => _down;

    /// <summary>The newest with any node, as Unix time in seconds; 0: none is known.</summary>
    public long LastHandshake { get; private set; }

    /// <summary>Where the peer was seen by the node that it had <see cref="LastHandshake"/> with; empty: unknown.</summary>
    public string Endpoint { get; private set; } = "";

    public void Add(string node, in LinkStatus link, int mostNamed)
    {
        // of two in one second always the same, or it would change for nothing
        if (link.LastHandshake > LastHandshake
            || (link.LastHandshake == LastHandshake && link.LastHandshake > 0 && string.CompareOrdinal(link.Endpoint, Endpoint) > 0))
            (LastHandshake, Endpoint) = (link.LastHandshake, link.Endpoint);

        if (link.State == LinkState.Up)
        {
            Up++;
        }
        else if (link.State == LinkState.Down)
        {
            Down++;
            // agents come in no order
            var place = _down.FindIndex(one => string.CompareOrdinal(node, one.Node) < 0);
            _down.Insert(place < 0 ? _down.Count : place, (node, link.LastHandshake));
            if (_down.Count > mostNamed)
                _down.RemoveAt(mostNamed);
        }
    }
}
