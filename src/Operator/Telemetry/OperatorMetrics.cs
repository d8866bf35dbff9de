using System.Diagnostics.Metrics;
using System.Text.Json;
using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Telemetry;

/// <summary>What the operator measures of itself and of the mesh.</summary>
internal sealed class OperatorMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "WgMesh.Operator";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _plans;
    private readonly Histogram<double> _planDuration;
    private readonly Counter<long> _streams;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _configs;
    private readonly Counter<long> _configChanges;
    private readonly Counter<long> _tokenReviews;
    private readonly Counter<long> _writes;
    private readonly Counter<long> _reconcileFailures;
    private volatile PublishedPlan _published = PublishedPlan.None;

    public OperatorMetrics(AgentRegistry agents)
    {
        _plans = _meter.CreateCounter<long>("wgmesh.operator.plans", "{plan}", "Plans made, also those that changed nothing.");
        _planDuration = _meter.CreateHistogram<double>("wgmesh.operator.plan.duration", "s", "Time to make a plan.",
            advice: new() { HistogramBucketBoundaries = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] });
        _streams = _meter.CreateCounter<long>("wgmesh.operator.streams", "{stream}", "Streams that agents opened.");
        _refused = _meter.CreateCounter<long>("wgmesh.operator.streams.refused", "{stream}",
            "Streams of agents refused or ended by the operator, by status.");
        _configs = _meter.CreateCounter<long>("wgmesh.operator.configs.sent", "{message}",
            "Configurations sent to agents, full or as a change (delta).");
        _configChanges = _meter.CreateCounter<long>("wgmesh.operator.config.peers.sent", "{peer}",
            "Peers sent to agents as new, changed or removed.");
        _tokenReviews = _meter.CreateCounter<long>("wgmesh.operator.kubernetes.token.reviews", "{review}",
            "Tokens that the API server was asked about, by what came of it.");

        _writes = _meter.CreateCounter<long>("wgmesh.operator.kubernetes.writes", "{write}", "Writes to the API server, by what was written and outcome.");
        _reconcileFailures = _meter.CreateCounter<long>("wgmesh.operator.kubernetes.reconcile.failures", "{failure}",
            "Times that something could not be brought in order in the API server, and is tried again.");

        _meter.CreateObservableGauge("wgmesh.operator.plan.revision", () => (long)_published.Revision, "{revision}",
            "Revision of the plan in force.");
        _meter.CreateObservableGauge("wgmesh.operator.nodes", () => (long)_published.Plan.Nodes.Count, "{node}", "Nodes of the cluster, without those that do not run Linux.");
        _meter.CreateObservableGauge("wgmesh.operator.conflicts", () => (long)_published.Plan.Conflicts.Length, "{conflict}",
            "Conflicts in the plan in force.");
        _meter.CreateObservableGauge("wgmesh.operator.manifest.problems", () => (long)_published.Problems.Length, "{problem}",
            "Problems in the manifests.");
        _meter.CreateObservableGauge("wgmesh.operator.agents.connected",
            () => agents.Agents.Value.Values.LongCount(agent => agent is { IsConnected: true, Replica: null }), "{agent}",
            "Agents with a stream to this replica.");
        _meter.CreateObservableGauge("wgmesh.operator.peers", PeersByOutcome, "{peer}", "Peers by kind and by what became of them.");
    }

    /// <summary>Whether this replica leads.</summary>
    public bool IsLeader { get; set; }

    /// <summary>Measures what there is only with an API server.</summary>
    public void Follow(KubernetesCluster cluster, EventRecorder events)
    {
        _meter.CreateObservableGauge("wgmesh.operator.kubernetes.leader", () => IsLeader ? 1L : 0L, "{replica}", "1 while this replica leads.");
        _meter.CreateObservableGauge("wgmesh.operator.kubernetes.outage", () => cluster.IsInOutage ? 1L : 0L, "{server}",
            "1 while the API server cannot be asked, and what it said before stays in force.");
        _meter.CreateObservableCounter("wgmesh.operator.kubernetes.relists", () => cluster.Relists, "{list}",
            "Complete lists of a kind of object after the first.");
        _meter.CreateObservableCounter("wgmesh.operator.kubernetes.events.dropped", () => events.Dropped, "{event}",
            "Events that were not written, for there were too many or the API server did not take them.");
    }

    public void Written(string kind, string outcome) =>
        _writes.Add(1, new KeyValuePair<string, object?>("kind", kind), new KeyValuePair<string, object?>("outcome", outcome));

    public void ReconcileFailed(string controller) => _reconcileFailures.Add(1, new KeyValuePair<string, object?>("controller", controller));

    public void Planned(TimeSpan duration)
    {
        _plans.Add(1);
        _planDuration.Record(duration.TotalSeconds);
    }

    public void Published(PublishedPlan published) => _published = published;

    public void StreamOpened() => _streams.Add(1);

    public void Refused(StatusCode reason) =>
        _refused.Add(1, new KeyValuePair<string, object?>("reason", JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString())));

    public void TokenReviewed(TokenOutcome outcome) =>
        _tokenReviews.Add(1, new KeyValuePair<string, object?>("outcome", JsonNamingPolicy.SnakeCaseLower.ConvertName(outcome.ToString())));

    public void FullSent() => _configs.Add(1, new KeyValuePair<string, object?>("type", "full"));

    public void DeltaSent(NodeMessage delta)
    {
        _configs.Add(1, new KeyValuePair<string, object?>("type", "delta"));
        _configChanges.Add(delta.Upserts, new KeyValuePair<string, object?>("change", "upsert"));
        _configChanges.Add(delta.Removals, new KeyValuePair<string, object?>("change", "removal"));
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    // every combination, so that a series goes to zero and does not vanish
    private IEnumerable<Measurement<long>> PeersByOutcome()
    {
        var counts = _published.Plan.Outcomes.CountBy(outcome => (outcome.Kind, outcome.Admission)).ToDictionary();
        return
            from kind in Enum.GetValues<PeerKind>()
            from admission in Enum.GetValues<PeerAdmission>()
            where kind == PeerKind.Node || admission != PeerAdmission.Waiting
            select new Measurement<long>(
                counts.GetValueOrDefault((kind, admission)),
                new KeyValuePair<string, object?>("kind", kind == PeerKind.Node ? "node" : "external"),
                new KeyValuePair<string, object?>("outcome", NameOf(admission)));
    }

    private static string NameOf(PeerAdmission admission) => admission switch
    {
        PeerAdmission.Accepted => "accepted",
        PeerAdmission.PartlyAccepted => "partly_accepted",
        PeerAdmission.Refused => "refused",
        _ => "waiting",
    };
}

/// <summary>What came of asking the API server about a token.</summary>
internal enum TokenOutcome
{
    /// <summary>It vouches for the token, and its owner may do something here.</summary>
    Accepted,

    /// <summary>It does not.</summary>
    Refused,

    /// <summary>It could not be asked.</summary>
    Failed,
}
