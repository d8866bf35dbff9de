using System.Collections.Immutable;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using Endpoint = WgMesh.Engine.Endpoint;

namespace WgMesh.Operator.Distribution;

/// <summary>The agents that are or were connected, and what they reported last. Thread-safe.</summary>
internal sealed class AgentRegistry
{
    /// <summary>A report may be as large as a message; its texts are kept short.</summary>
    private const int MostErrors = 32, LongestText = 512;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, AgentSession> _sessions = new(StringComparer.Ordinal);

    /// <summary>By node name.</summary>
    public Latest<ImmutableDictionary<string, AgentStatus>> Agents { get; } =
        new(ImmutableDictionary.Create<string, AgentStatus>(StringComparer.Ordinal));

    /// <summary>Registers a stream. One that the node had before is told to end.</summary>
    public AgentSession Connect(CheckedHello hello)
    {
        lock (_lock)
        {
            _sessions.GetValueOrDefault(hello.Node)?.Replace();
            var session = _sessions[hello.Node] = new AgentSession(this, hello.Node);
            Set(hello.Node, new AgentStatus { IsConnected = true, Hello = hello, Report = Agents.Value.GetValueOrDefault(hello.Node)?.Report });
            return session;
        }
    }

    /// <summary>Forgets nodes that are gone.</summary>
    public void Forget(Predicate<string> isGone)
    {
        lock (_lock)
        {
            var gone = Agents.Value.Keys.Where(node => isGone(node)).ToList();
            if (gone.Count > 0)
                Agents.Publish(Agents.Value.RemoveRange(gone));
        }
    }

    // what is kept, and shown to everybody's tools, is bounded by the plan and not by what an agent sends
    internal void Report(AgentSession session, Report report, MeshPlan plan)
    {
        var links = report.Links.Where(link => plan.HasPeer(link.Peer)).DistinctBy(link => link.Peer)
            .OrderBy(link => link.Peer, StringComparer.Ordinal)
            .Select(link => new LinkStatus(
                link.Peer,
                link.State switch { Rpc.LinkState.Up => LinkState.Up, Rpc.LinkState.Down => LinkState.Down, _ => LinkState.Idle },
                (byte)Math.Min(link.ProtocolVersion, byte.MaxValue),
                link.LastHandshake?.Seconds ?? 0,
                Endpoint.TryParse(link.Endpoint, out var endpoint) ? endpoint.ToString() : "",
                link.ReceivedBytes,
                link.SentBytes));
        var kept = new AgentReport(report.AppliedRevision, report.Mtu, [.. report.Errors.Take(MostErrors).Select(Short)], [.. links]);
        Update(session, status => status with { Report = kept });
    }

    internal void Hello(AgentSession session, CheckedHello hello) => Update(session, status => status with { Hello = hello });

    internal void Disconnect(AgentSession session)
    {
        lock (_lock)
        {
            Update(session, status => status with { IsConnected = false });
            if (_sessions.GetValueOrDefault(session.Node) == session)
                _sessions.Remove(session.Node);
        }
    }

    // a session that was replaced has nothing to say any more
    private void Update(AgentSession session, Func<AgentStatus, AgentStatus> update)
    {
        lock (_lock)
        {
            if (_sessions.GetValueOrDefault(session.Node) == session && Agents.Value.TryGetValue(session.Node, out var status))
                Set(session.Node, update(status));
        }
    }

    private void Set(string node, AgentStatus status) => Agents.Publish(Agents.Value.SetItem(node, status));

    private static string Short(string text) => text.Length <= LongestText ? text : text[..LongestText] + "...";
}

/// <summary>One stream of one agent.</summary>
internal sealed class AgentSession(AgentRegistry registry, string node) : IDisposable
{
    private readonly CancellationTokenSource _replaced = new();

    public string Node { get; } = node;

    /// <summary>Cancelled when the node opened another stream.</summary>
    public CancellationToken Replaced => _replaced.Token;

    public void Report(Report report, MeshPlan plan) => registry.Report(this, report, plan);

    public void Hello(CheckedHello hello) => registry.Hello(this, hello);

    public void Replace() => _ = _replaced.CancelAsync();

    public void Dispose() => registry.Disconnect(this);
}
