using System.Diagnostics.Metrics;
using WgMesh.Engine.Device;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Telemetry;

/// <summary>
/// What is measured of the mesh: how plans reach this replica's agents, what the settings ask for, and, by the replica that leads, which hears of
/// every agent, how agents and links are. docs/metrics.md is its contract.
/// </summary>
internal sealed class MeshMetrics : BackgroundService
{
    /// <summary>The instrument that has three series for each node.</summary>
    public const string NodeLinks = "wgmesh.operator.node.links";

    /// <summary>Room for the series of so many nodes, those that are gone and have their places still among them.</summary>
    public const int MostNodeSeries = 3 * (4000 + RemovalsPerMeter);

    private const int RemovalsPerMeter = 1000;

    /// <summary>What agents apply in so short a time is looked at together.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly Latest<PublishedPlan> _plans;
    private readonly AgentRegistry _agents;
    private readonly Leader _leader;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new(OperatorMetrics.MeterName);
    private readonly SeriesMeter _seriesMeter; // nodes and versions come and go
    private readonly Histogram<double> _convergence;
    private readonly Lock _lock = new();
    private MeshFigures? _figures; // under the lock
    private int _versionsGone;     // under the lock: those that were shown, and are no more

    public MeshMetrics(PlanLoop plans, AgentRegistry agents, Leader leader, TimeProvider time)
    {
        (_plans, _agents, _leader, _time) = (plans.Published, agents, leader, time);
        _convergence = _meter.CreateHistogram<double>("wgmesh.operator.convergence.duration", "s",
            "Time from a plan's publication until every connected agent of this replica has applied it.",
            advice: new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] });
        _meter.CreateObservableGauge("wgmesh.operator.failure.policy.open",
            () => _plans.Value.Plan.Settings.FailurePolicy == Rpc.FailurePolicy.Open ? 1L : 0L, "{policy}",
            "1 while the settings let packets for the mesh leave unencrypted where there is no tunnel.");
        _meter.CreateObservableGauge("wgmesh.operator.released", () => _plans.Value.Plan.Settings.Released ? 1L : 0L, "{mesh}",
            "1 while the settings ask all nodes to release.");
        _meter.CreateObservableGauge("wgmesh.operator.links", () => OfLeader(figures => States(figures.Links)), "{link}",
            "Links of the whole mesh by state, one between two nodes once.");
        _meter.CreateObservableGauge("wgmesh.operator.nodes.with.faults", () => OfLeader(figures => [new Measurement<long>(figures.NodesWithFaults)]), "{node}",
            "Nodes whose agents are connected and report errors.");
        _seriesMeter = new SeriesMeter(OperatorMetrics.MeterName, null, RemovalsPerMeter, meter =>
        {
            meter.Gauge("wgmesh.operator.agents", () => OfLeader(figures => figures.Versions.Select(
                entry => new Measurement<long>(entry.Value, new KeyValuePair<string, object?>("version", entry.Key)))), "{agent}",
                "Connected agents of the whole mesh by version.");
            meter.Gauge(NodeLinks, () => OfLeader(figures => figures.NodeLinks.SelectMany(
                entry => States(entry.Value, new KeyValuePair<string, object?>("node", entry.Key)))), "{link}",
                "Links of each node by state, as its agent reports them.");
        });
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _seriesMeter.Dispose();
        _meter.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var changed = new Flag(_time);
        var newest = (Plan: PublishedPlan.None, At: 0L);
        var gate = new Lock();
        await Together.RunAsync(
            stoppingToken,
            ended => _plans.FollowAsync(plan =>
            {
                lock (gate)
                    newest = (plan, _time.GetTimestamp());
                changed.Raise();
            }, ended),
            ended => _agents.Agents.FollowAsync(_ => changed.Raise(), ended),
            async ended =>
            {
                var convergence = new Convergence(_time);
                var before = PublishedPlan.None;
                while (true)
                {
                    (PublishedPlan Plan, long At) now;
                    lock (gate)
                        now = newest;
                    foreach (var took in convergence.Update(now.Plan, now.At, _agents.Agents.Value))
                        _convergence.Record(took.TotalSeconds);
                    Forget(before.Plan, now.Plan.Plan);
                    before = now.Plan;
                    await Task.Delay(Pause, _time, ended);
                    await (convergence.Due is { } due ? changed.WaitAsync(due, ended) : changed.WaitAsync(ended));
                }
            });
    }

    /// <summary>The places of nodes and versions that are gone are for others.</summary>
    private void Forget(MeshPlan before, MeshPlan after)
    {
        int gone;
        lock (_lock)
            (gone, _versionsGone) = (_versionsGone, 0);
        if (!ReferenceEquals(before.Nodes, after.Nodes))
            gone += before.Nodes.Keys.Count(node => !after.Nodes.ContainsKey(node));
        for (; gone > 0; gone--)
            _seriesMeter.Removed();
    }

    /// <summary>Nothing unless this replica leads: no other hears of every agent.</summary>
    private IEnumerable<Measurement<long>> OfLeader(Func<MeshFigures, IEnumerable<Measurement<long>>> measure)
    {
        if (!_leader.View.Value.IsThis)
            return [];
        lock (_lock)
        {
            // one scrape asks several times
            if (_figures is null || _figures.IsOld(_time))
            {
                var shown = _figures?.Versions.Keys ?? [];
                _figures = MeshFigures.Of(_plans.Value.Plan, _agents.Agents.Value, _time);
                _versionsGone += shown.Count(version => !_figures.Versions.ContainsKey(version));
            }

            return measure(_figures);
        }
    }

    private static IEnumerable<Measurement<long>> States(LinkCounts links, params KeyValuePair<string, object?>[] tags) =>
    [
        new(links.Up, [.. tags, new("state", "up")]),
        new(links.Down, [.. tags, new("state", "down")]),
        new(links.Idle, [.. tags, new("state", "idle")]),
    ];
}
