using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Reconciling;

/// <summary>An operator against a real API server, all but its port: agents are put into its registry as their streams would.</summary>
internal sealed class LeadingReplica : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopped = new();
    private readonly KubernetesClient _client;
    private readonly OperatorMetrics _metrics;
    private readonly Dictionary<string, (AgentSession Session, Report? Report)> _sessions = [];
    private readonly List<Task> _running = [];
    private readonly TimeProvider _time;
    private readonly EventRecorder _events;
    private readonly PlanLoop _planning;
    private CancellationTokenSource? _term;
    private Task _leading = Task.CompletedTask;

    private LeadingReplica(KubernetesClientConfiguration configuration, TimeProvider? time, DelegatingHandler? handler)
    {
        _time = time ?? TimeProvider.System;
        _client = new KubernetesClient(configuration, null, handler is null ? [Writes] : [Writes, handler]);
        _metrics = new OperatorMetrics(Agents);
        // what comes from the server keeps real time: only what is done about it can be held up
        Cluster = new KubernetesCluster(_client, KubernetesObjects.Namespace, TimeProvider.System, new RecentLog<KubernetesCluster>());
        _planning = new PlanLoop(Cluster, Agents, _metrics, TimeProvider.System, new RecentLog<PlanLoop>());
        _events = new EventRecorder(_client, "wgmesh.io/operator", "test", TimeProvider.System, new RecentLog<EventRecorder>());
    }

    public KubernetesCluster Cluster { get; }

    public Latest<PublishedPlan> Plans => _planning.Published;

    public AgentRegistry Agents { get; } = new();

    public WriteCounter Writes { get; } = new();

    public MeshPlan Plan => Plans.Value.Plan;

    /// <summary>Starts a replica that follows the cluster, and plans.</summary>
    public static LeadingReplica Follow(KubernetesClientConfiguration configuration, TimeProvider? time = null, DelegatingHandler? handler = null)
    {
        var replica = new LeadingReplica(configuration, time, handler);
        _ = replica._planning.StartAsync(replica._stopped.Token);
        replica._running.Add(replica._planning.ExecuteTask!);
        replica._running.Add(Task.Run(() => replica.Plans.FollowAsync(replica.Apply, replica._stopped.Token)));
        replica._running.Add(Task.Run(() => replica._events.RunAsync(replica._stopped.Token)));
        return replica;
    }

    /// <summary>The same, and it leads.</summary>
    public static LeadingReplica Lead(KubernetesClientConfiguration configuration, TimeProvider? time = null, DelegatingHandler? handler = null)
    {
        var replica = Follow(configuration, time, handler);
        replica.TakeLead();
        return replica;
    }

    /// <summary>Whoever else leads.</summary>
    /// <param name="installed">What the mesh's settings are to say.</param>
    public void TakeLead(JsonObject? installed = null)
    {
        _term = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token);
        var reconciler = new Reconciler(
            _client, Cluster, Plans, Agents, _events, _metrics, () => true, KubernetesObjects.Namespace, _time, new RecentLog<Reconciler>(), installed);
        _leading = Task.Run(() => reconciler.RunAsync(_term.Token));
    }

    public async Task LoseLeadAsync()
    {
        await _term!.CancelAsync();
        await _leading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.False(_leading.IsFaulted, _leading.Exception?.ToString());
        _term.Dispose();
        _term = null;
    }

    /// <summary>The agent of a node connects, once that is known, and says this of itself. It applies every plan at once.</summary>
    public async Task ConnectAsync(string node, int key, params string[] endpoints)
    {
        await KubernetesObjects.WaitAsync(() => Cluster.Current.Value.Nodes.Any(known => known.Name == node), $"node {node} to be known");
        lock (_sessions)
            _sessions[node] = (Agents.Connect(new CheckedHello(node, Clusters.Key(key), [.. endpoints], "1.0", VersionSet.One)), null);
    }

    /// <summary>Makes nodes with agents, and waits until they are planned with. The first has key 1, and so on.</summary>
    public async Task StartNodesAsync(KubernetesServer server, params string[] nodes)
    {
        for (var i = 0; i < nodes.Length; i++)
        {
            await server.CreateNodeAsync(nodes[i], $"10.244.{i + 1}.0/24");
            await ConnectAsync(nodes[i], i + 1);
        }

        foreach (var node in nodes)
        {
            await PassAsync(TimeSpan.FromSeconds(1), () => server.WaitForPeerAsync(
                node, peer => peer.Allocated().Length == 2 && peer["spec"]!["publicKey"] is not null));
            await KubernetesObjects.WaitAsync(() => Plan.HasPeer(node), "the node to be planned");
        }
    }

    /// <summary>Lets time pass, if that is done by hand, and then only while somebody waits for a moment: for as long as nothing happens it stands still.</summary>
    public async Task PassAsync(TimeSpan first, Func<Task> expected)
    {
        var waiting = expected();
        var time = _time as ManualTime;
        time?.Advance(first);
        while (!waiting.IsCompleted)
        {
            await Task.WhenAny(waiting, Task.Delay(50));
            var moments = time?.Waits.Where(wait => wait <= TimeSpan.FromSeconds(1)).ToList();
            if (moments?.Count > 0)
                time!.Advance(moments.Max());
        }

        await waiting;
    }

    public void Disconnect(string node)
    {
        lock (_sessions)
        {
            _sessions.Remove(node, out var agent);
            agent.Session.Dispose();
        }
    }

    /// <summary>The agent says of its links; and it applies nothing any more if it <paramref name="isStuck"/>.</summary>
    public void Report(string node, bool isStuck, params (string Peer, Rpc.LinkState State, DateTimeOffset? Handshake)[] links)
    {
        var report = new Report { Mtu = 1420 };
        report.Links.AddRange(links.Select(link => new LinkReport
        {
            Peer = link.Peer,
            State = link.State,
            ProtocolVersion = link.State == Rpc.LinkState.Up ? 1u : 0,
            LastHandshake = link.Handshake is { } time ? Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(time) : null,
            Endpoint = link.Handshake is null ? "" : "192.0.2.9:51820",
        }));
        lock (_sessions)
        {
            var session = _sessions[node].Session;
            _sessions[node] = (session, isStuck ? null : report);
            Report(session, report, Plans.Value);
        }
    }

    /// <inheritdoc cref="Report(string, bool, ValueTuple{string, Rpc.LinkState, DateTimeOffset?}[])"/>
    public void Report(string node, params (string Peer, Rpc.LinkState State, DateTimeOffset? Handshake)[] links) => Report(node, false, links);

    /// <summary>The agent says that these are its faults, of which the node has no other.</summary>
    public void Fail(string node, params string[] faults) => Change(node, report =>
    {
        report.Errors.Clear();
        report.Errors.AddRange(faults);
    });

    /// <summary>The agent says that nothing of the mesh is left on its node.</summary>
    public void Release(string node) => Change(node, report => report.Released = true);

    private void Change(string node, Action<Report> change)
    {
        lock (_sessions)
        {
            var (session, report) = _sessions[node];
            change(report ??= new Report { Mtu = 1420 });
            _sessions[node] = (session, report);
            Report(session, report, Plans.Value);
        }
    }

    private static void Report(AgentSession session, Report report, PublishedPlan plan)
    {
        session.Sending(plan.Revision);
        session.HasNothingNewIn(plan.Revision);
        report.AppliedRevision = plan.Revision;
        session.Report(report, plan.Plan);
    }

    private void Apply(PublishedPlan plan)
    {
        lock (_sessions)
        {
            foreach (var (session, report) in _sessions.Values)
            {
                if (report is not null)
                    Report(session, report, plan);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        _running.Add(_leading);
        await ((Task)Task.WhenAll(_running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _planning.Dispose();
        _client.Dispose();
        _metrics.Dispose();
        foreach (var failed in _running.Where(task => task.IsFaulted))
            throw new InvalidOperationException("a part of the operator failed", failed.Exception);
    }
}

/// <summary>Counts what is written.</summary>
internal sealed class WriteCounter : DelegatingHandler
{
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Method != HttpMethod.Get)
            Interlocked.Increment(ref _count);
        return base.SendAsync(request, cancellationToken);
    }
}
