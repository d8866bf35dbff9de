using System.Diagnostics.Metrics;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.Telemetry;

/// <summary>What the agent measures of itself; the engine measures the tunnels.</summary>
internal sealed class AgentMetrics : IDisposable
{
    internal const string MeterName = "WgMesh.Agent";

    // Observed, not added to: the agent counts before anything listens, since tunnels come up before telemetry does.
    private readonly Meter _meter = new(MeterName, AgentVersion.Text);
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
        _meter.CreateObservableGauge(
            "wgmesh.agent.build_info",
            () => new Measurement<int>(1, new KeyValuePair<string, object?>("version", AgentVersion.Text)),
            description: "Always 1; the version is in the label.");
    }

    /// <summary>Device and host were compared with the configuration.</summary>
    internal void ConfigApplied(bool complete)
    {
        Interlocked.Increment(ref _applies);
        if (!complete)
        {
            Interlocked.Increment(ref _applyErrors);
        }
    }

    /// <summary>A configuration or a message was refused as a whole.</summary>
    internal void ConfigRefused() => Interlocked.Increment(ref _refusals);

    /// <summary>An operator is called again.</summary>
    internal void Reconnecting() => Interlocked.Increment(ref _reconnects);

    public void Dispose() => _meter.Dispose();
}
