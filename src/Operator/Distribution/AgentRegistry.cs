using System.Collections.Immutable;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using Endpoint = WgMesh.Engine.Endpoint;

namespace WgMesh.Operator.Distribution;

/// <summary>What is known of one node's agent.</summary>
/// <param name="IsConnected">Whether it has a stream now.</param>
/// <param name="Version">As it said itself.</param>
/// <param name="Report">Its last report; null before the first.</param>
internal sealed record AgentStatus(bool IsConnected, string Version, Report? Report);

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
    public AgentSession Connect(string node, string version)
    {
        lock (_lock)
        {
            _sessions.GetValueOrDefault(node)?.Replace();
            var session = _sessions[node] = new AgentSession(this, node);
            Set(node, new AgentStatus(true, Short(version), Agents.Value.GetValueOrDefault(node)?.Report));
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
        var kept = new Report { AppliedRevision = report.AppliedRevision, Mtu = report.Mtu };
        kept.Errors.AddRange(report.Errors.Take(MostErrors).Select(Short));
        kept.Links.AddRange(report.Links.Where(link => plan.HasPeer(link.Peer)).DistinctBy(link => link.Peer).Select(link => new LinkReport
        {
            Peer = link.Peer,
            LastHandshake = link.LastHandshake,
            Endpoint = Endpoint.TryParse(link.Endpoint, out var endpoint) ? endpoint.ToString() : "",
            ReceivedBytes = link.ReceivedBytes,
            SentBytes = link.SentBytes,
            ProtocolVersion = link.ProtocolVersion,
        }));
        Update(session, status => status with { Report = kept });
    }

    internal void Hello(AgentSession session, string version) => Update(session, status => status with { Version = Short(version) });

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

    public void Hello(string version) => registry.Hello(this, version);

    public void Replace() => _ = _replaced.CancelAsync();

    public void Dispose() => registry.Disconnect(this);
}
