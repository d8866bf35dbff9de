using WgMesh.Kubernetes;

namespace WgMesh.Operator.Hosting;

/// <summary>Writes the events that are recorded, for as long as the operator runs.</summary>
internal sealed class EventService(EventRecorder events) : BackgroundService
{
    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => events.RunAsync(stoppingToken);
}
