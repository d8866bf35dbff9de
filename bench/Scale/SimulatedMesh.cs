using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Scale;

/// <summary>The agents of a mesh, and what they saw.</summary>
internal sealed class SimulatedMesh(IReadOnlyList<Uri> operators, X509Certificate2Collection authorities)
{
    private readonly ConcurrentDictionary<string, Watched> _watched = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _troubles = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _configured = new(StringComparer.Ordinal);
    private long _received, _sent, _lastWord;

    public IReadOnlyList<Uri> Operators { get; } = operators;

    public X509Certificate2Collection Authorities { get; } = authorities;

    /// <summary>Nodes in the mesh: peers of a report.</summary>
    public int Nodes { get; set; }

    public static string NodeName(int number) => $"node-{number:D5}";

    public static string NodeAddress(int number) => $"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}";

    public static string PodCidr(int number) => $"10.{128 + (number >> 8)}.{number & 255}.0/24";

    /// <summary>Bytes of messages since the start, both ways.</summary>
    public (long FromOperator, long ToOperator) Bytes => (Interlocked.Read(ref _received), Interlocked.Read(ref _sent));

    /// <summary>Since any agent last heard from the operator.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastWord));

    /// <summary>Agents that got a full configuration after <paramref name="since"/> (<see cref="Stopwatch"/> ticks).</summary>
    public int ConfiguredSince(long since) => _configured.Values.Count(at => at >= since);

    /// <summary>What went wrong with streams, how often.</summary>
    public string Troubles => string.Join("; ", _troubles.Select(entry => $"{entry.Value} x {entry.Key}"));

    /// <summary>From now on, when agents acknowledge a delta that holds this peer.</summary>
    public Watched Watch(string peer, int agents) => _watched[peer] = new Watched(agents);

    public void Received(int bytes)
    {
        Interlocked.Add(ref _received, bytes);
        Interlocked.Exchange(ref _lastWord, Stopwatch.GetTimestamp());
    }

    public void Sent(int bytes) => Interlocked.Add(ref _sent, bytes);

    public void Trouble(Exception e) => _troubles.AddOrUpdate(e is Grpc.Core.RpcException rpc ? $"{rpc.StatusCode} {rpc.Status.Detail}" : e.GetType().Name, 1, (_, n) => n + 1);

    public void Acknowledged(SimulatedAgent agent, OperatorWord word)
    {
        if (word.IsFull)
            _configured[agent.Node] = Stopwatch.GetTimestamp();
        foreach (var name in word.Upserts)
        {
            if (_watched.TryGetValue(name, out var watched))
                watched.Seen(agent.Node);
        }
    }

    /// <summary>When each agent acknowledged a peer first.</summary>
    internal sealed class Watched(int agents)
    {
        private readonly ConcurrentDictionary<string, double> _seen = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly long _start = Stopwatch.GetTimestamp();

        /// <summary>Seconds from the start of watching, ascending.</summary>
        public double[] Seconds => [.. _seen.Values.Order()];

        public Task All => _all.Task;

        public void Seen(string node)
        {
            if (_seen.TryAdd(node, Stopwatch.GetElapsedTime(_start).TotalSeconds) && _seen.Count >= agents)
                _all.TrySetResult();
        }
    }
}
