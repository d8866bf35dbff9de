using System.Collections.Immutable;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// The agents that are or were connected, to this replica or to one that tells of its own, and what they reported last. An agent is where its
/// newest stream is; one that left is kept as disconnected. Thread-safe.
/// </summary>
internal sealed class AgentRegistry
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<AgentSession>> _sessions = new(StringComparer.Ordinal); // the newest last
    private ulong _streams;

    /// <summary>By node name.</summary>
    public Latest<ImmutableDictionary<string, AgentStatus>> Agents { get; } =
        new(ImmutableDictionary.Create<string, AgentStatus>(StringComparer.Ordinal));

    /// <summary>This replica's plans, as the others know them.</summary>
    public PlanPrints Prints { get; } = new();

    internal SharedTexts Texts { get; } = new();

    /// <summary>Registers a stream with this replica. Those that the node had here before are told to end.</summary>
    public AgentSession Connect(CheckedHello hello) => Connect(hello, replica: null);

    /// <summary>Takes up another replica, which is about to tell of its agents.</summary>
    public ReplicaAgents Attach(string replica) => new(this, replica);

    /// <summary>A plan was published: agents of other replicas may have it already.</summary>
    public void Planned(PublishedPlan published)
    {
        var print = Prints.Add(published);
        lock (_lock)
        {
            foreach (var session in _sessions.Values.SelectMany(sessions => sessions).Where(session => session.Print == print))
                Update(session, status => status with { CurrentRevision = Math.Max(status.CurrentRevision, published.Revision) });
        }
    }

    /// <summary>Forgets nodes that are gone. One that another replica still has an agent of is not: this replica may be late to know it.</summary>
    public void Forget(Predicate<string> isGone)
    {
        lock (_lock)
        {
            var gone = Agents.Value.Where(agent => isGone(agent.Key) && (agent.Value.Replica is null || !agent.Value.IsConnected))
                .Select(agent => agent.Key).ToList();
            if (gone.Count > 0)
                Agents.Publish(Agents.Value.RemoveRange(gone));
        }
    }

    internal AgentSession Connect(CheckedHello hello, string? replica)
    {
        lock (_lock)
        {
            if (!_sessions.TryGetValue(hello.Node, out var sessions))
                _sessions.Add(hello.Node, sessions = []);
            if (replica is null)
                sessions.ForEach(session => session.Replace());

            // a node that comes back has what it had, until it says otherwise; but nothing holds of one that released until it says so anew
            var known = Agents.Value.GetValueOrDefault(hello.Node);
            var session = new AgentSession(this, new AgentStatus
            {
                Hello = hello,
                IsConnected = true,
                Replica = replica,
                Stream = ++_streams,
                Report = known?.Report is { Released: true } released ? released with { Released = false } : known?.Report,
                CurrentRevision = known?.Hello.PublicKey == hello.PublicKey ? known.CurrentRevision : 0,
            });
            sessions.Add(session);
            Set(session, session.Status);
            return session;
        }
    }

    /// <summary>Changes what is known of a session; it shows if it is its node's newest, and is kept in case it becomes that again.</summary>
    internal void Update(AgentSession session, Func<AgentStatus, AgentStatus> change)
    {
        lock (_lock)
        {
            if (IsNewest(session) && (session.Status.Replica is not null || Agents.Value.ContainsKey(session.Node)))
                Set(session, change(session.Status));
            else
                session.Status = change(session.Status);
        }
    }

    internal void Disconnect(AgentSession session)
    {
        lock (_lock)
        {
            if (!_sessions.TryGetValue(session.Node, out var sessions))
                return;

            var wasNewest = sessions[^1] == session;
            sessions.Remove(session);
            if (sessions.Count == 0)
                _sessions.Remove(session.Node);
            if (!wasNewest || !Agents.Value.ContainsKey(session.Node))
                return;

            // perhaps it has another stream still: a replica that is only now finding out that an agent went away spoke last
            var left = sessions.Count > 0 ? sessions[^1] : session;
            Set(left, left.Status with { IsConnected = left != session });
        }
    }

    private bool IsNewest(AgentSession session) => _sessions.TryGetValue(session.Node, out var sessions) && sessions[^1] == session;

    private void Set(AgentSession session, AgentStatus status)
    {
        session.Status = status;
        if (Agents.Value.GetValueOrDefault(session.Node) != status)
            Agents.Publish(Agents.Value.SetItem(session.Node, status));
    }
}

/// <summary>One stream of one agent, with this replica or another.</summary>
internal sealed class AgentSession(AgentRegistry registry, AgentStatus status) : IDisposable
{
    private readonly CancellationTokenSource _replaced = new();
    private bool _hasReported;
    private ulong _sent, _seen;

    public string Node { get; } = status.Hello.Node;

    /// <summary>Cancelled when the node opened another stream with this replica.</summary>
    public CancellationToken Replaced => _replaced.Token;

    /// <summary>Of the newest plan that an agent of another replica has applied all of; 0: none is known.</summary>
    internal ulong Print { get; private set; }

    /// <summary>The registry's.</summary>
    internal AgentStatus Status { get; set; } = status;

    /// <summary>A configuration of this revision goes to the agent, who has not applied it yet.</summary>
    public void Sending(ulong revision) => Update(status =>
    {
        _sent = _seen = revision;
        return status;
    });

    /// <summary>The plan of this revision holds nothing for the agent that was not sent.</summary>
    public void HasNothingNewIn(ulong revision) => Update(status =>
    {
        _seen = revision;
        return WithCurrent(status);
    });

    /// <summary>What the agent reports; bounded by the plan, not by what it sends.</summary>
    public void Report(Report report, MeshPlan plan)
    {
        var before = _hasReported ? Status.Report : null;
        _hasReported = true;
        var kept = AgentReport.From(report, before, plan, registry.Texts);
        Update(status => WithCurrent(status with { Report = kept }));
    }

    public void Hello(CheckedHello hello) => Update(status => status with { Hello = hello });

    /// <summary>What another replica says that the agent has applied.</summary>
    internal void HasApplied(ulong print)
    {
        Print = print;
        if (registry.Prints.RevisionOf(print) is > 0 and var revision)
            Update(status => status with { CurrentRevision = Math.Max(status.CurrentRevision, revision) });
    }

    internal void Replace() => _ = _replaced.CancelAsync();

    public void Dispose() => registry.Disconnect(this);

    private AgentStatus WithCurrent(AgentStatus status) =>
        _sent > 0 && status.Report?.AppliedRevision >= _sent && _hasReported
            ? status with { CurrentRevision = Math.Max(status.CurrentRevision, _seen) }
            : status;

    private void Update(Func<AgentStatus, AgentStatus> change) => registry.Update(this, change);
}
