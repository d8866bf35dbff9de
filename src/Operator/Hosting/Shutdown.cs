using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Hosting;

/// <summary>Ends things in order before anything else is stopped: first this replica leads no more, then streams end.</summary>
/// <param name="election">Null: there is only one operator.</param>
internal sealed class Shutdown(StreamLifetime streams, ElectionService? election = null) : IHostedLifecycleService
{
    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (election is not null)
            await election.ResignAsync();
        await streams.EndAsync();
    }

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
