using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.Telemetry;

/// <summary>What the agent measures of itself; the engine measures the tunnels.</summary>
internal sealed class AgentMetrics : IDisposable
{
    internal const string MeterName = "WgMesh.Agent";

    // Observed, not added to: the agent counts before anything listens, since tunnels come up before telemetry does.
    private readonly Meter _meter = new(MeterName, AgentVersion.Text);
    private readonly Histogram<double> _applyDuration;
    private readonly ConcurrentQueue<double> _applyDurations = []; // until somebody listens
    private long _applies, _applyErrors, _refusals, _reconnects;

    internal AgentMetrics(AgentStatus status)
    {
        _meter.CreateObservableGauge(
            "wgmesh.agent.operator_connected",
            () => status.Current.Operator == OperatorConnection.Connected ? 1 : 0,
            description: "Whether the stream with an operator is open and has brought a configuration.");
        _meter.CreateObservableCounter(
            "wgmesh.agent.operator_reconnects",
            () => Volatile.Read(ref _reconnects),
            description: "Calls to an operator after the first.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.config_revision",
            () => (long)(status.Current.Applied?.Revision ?? 0),
            description: "Revision of the configuration in force; 0: none.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.config_from_cache",
            () => status.Current.Applied is { FromCache: true } ? 1 : 0,
            description: "Whether the configuration in force is that of the last run.");
        _meter.CreateObservableCounter(
            "wgmesh.agent.config_applies",
            () => Volatile.Read(ref _applies),
            description: "Times that device and host were compared with the configuration and brought in line.");
        _meter.CreateObservableCounter(
            "wgmesh.agent.config_apply_errors",
            () => Volatile.Read(ref _applyErrors),
            description: "Times that this failed, in part or wholly.");
        _meter.CreateObservableCounter(
            "wgmesh.agent.config_refusals",
            () => Volatile.Read(ref _refusals),
            description: "Configurations and messages of an operator that were refused as a whole.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.faults",
            () => status.Current.Errors.Length,
            description: "Parts of the newest configuration that were refused or could not be carried out.");
        _applyDuration = _meter.CreateHistogram(
            "wgmesh.agent.config_apply.duration",
            "s",
            "Time to compare device, host and pod network with the configuration and to bring them in line.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] });
        _meter.CreateObservableGauge(
            "wgmesh.agent.active",
            () => status.Current.Active ? 1 : 0,
            description: "Whether the data plane of the node is this agent's.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.released",
            () => status.Current.Released ? 1 : 0,
            description: "Whether everything of the mesh was taken off the node.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.failure_policy_open",
            () => status.Current.PolicyOpen ? 1 : 0,
            description: "Whether packets for the mesh leave in the clear while there is no tunnel for them.");
        _meter.CreateObservableGauge<int>(
            "wgmesh.agent.cni_ready",
            () => status.Current.PodsReady is { } ready ? [new Measurement<int>(ready ? 1 : 0)] : [],
            description: "Whether pods can be started.");
        _meter.CreateObservableGauge(
            "wgmesh.agent.build_info",
            () => new Measurement<int>(1, new KeyValuePair<string, object?>("version", AgentVersion.Text)),
            description: "Always 1; the version is in the label.");
    }

    /// <summary>Device and host were compared with the configuration.</summary>
    internal void ConfigApplied(bool complete, TimeSpan took)
    {
        Interlocked.Increment(ref _applies);
        if (!complete)
        {
            Interlocked.Increment(ref _applyErrors);
        }

        _applyDurations.Enqueue(took.TotalSeconds);
        RecordDurations();
    }

    /// <summary>Records what was measured before anything listened.</summary>
    internal void RecordDurations()
    {
        while (_applyDuration.Enabled && _applyDurations.TryDequeue(out var seconds))
        {
            _applyDuration.Record(seconds);
        }
    }

    /// <summary>A configuration or a message was refused as a whole.</summary>
    internal void ConfigRefused() => Interlocked.Increment(ref _refusals);

    /// <summary>An operator is called again.</summary>
    internal void Reconnecting() => Interlocked.Increment(ref _reconnects);

    public void Dispose() => _meter.Dispose();
}
