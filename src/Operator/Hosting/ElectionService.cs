using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Hosting;

/// <summary>Stands for election for as long as the operator runs, does the leader's work while it leads, and lets everybody know who does.</summary>
/// <param name="elector">Holds the lease.</param>
/// <param name="identity">What this replica is called in it.</param>
/// <param name="work">What the leader alone does, until cancelled.</param>
/// <param name="leader">Told of who leads.</param>
internal sealed class ElectionService(LeaderElector elector, string identity, Func<CancellationToken, Task> work, Leader leader) : BackgroundService
{
    /// <summary>So long is the end of leading waited for; then the lease runs out by itself.</summary>
    private static readonly TimeSpan ResignLimit = TimeSpan.FromSeconds(3);

    private readonly CancellationTokenSource _resigned = new();

    /// <summary>Stops leading and gives the lease away, and does not stand for election any more.</summary>
    public async Task ResignAsync()
    {
        await _resigned.CancelAsync();
        if (ExecuteTask is { } running)
            await Task.WhenAny(running, Task.Delay(ResignLimit));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _resigned.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        elector.LeaderChanged += holder => leader.Follow(holder, holder == identity);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, _resigned.Token);
        try
        {
            await elector.RunAsync(work, ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // the lease is released
        }
    }
}
