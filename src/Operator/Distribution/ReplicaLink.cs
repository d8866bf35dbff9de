using Grpc.Core;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// One of several replicas: while another leads, it is told of this one's agents; and this one's plans are remembered, so that replicas
/// can say what their agents have applied.
/// </summary>
internal sealed class ReplicaLink(
    string replica, Leader leader, AgentRegistry agents, PlanLoop plans, ReplicaCredentials credentials, TimeProvider time, ILogger<ReplicaLink> logger)
    : BackgroundService
{
    /// <summary>What changes within this time is told at once.</summary>
    internal static readonly TimeSpan Batch = TimeSpan.FromMilliseconds(250);

    /// <summary>Between two attempts: doubled up to the last, of which a random half is left out.</summary>
    internal static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(0.5), LastRetry = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        Task[] both = [RememberAsync(ended.Token), TellAsync(ended.Token)];
        await Task.WhenAny(both);
        await ended.CancelAsync();
        await Task.WhenAll(both);
    }

    private async Task RememberAsync(CancellationToken cancellationToken)
    {
        for (var seen = plans.Published.Value; ; seen = await plans.Published.NextAsync(seen, cancellationToken))
        {
            if (seen.Revision > 0)
                agents.Planned(seen);
        }
    }

    private async Task TellAsync(CancellationToken cancellationToken)
    {
        var failures = 0;
        string? complaint = null; // told once
        while (true)
        {
            var view = leader.View.Value;
            if (view.Address is not { } address)
            {
                await leader.View.NextAsync(view, cancellationToken);
                continue;
            }

            // ends when another leads
            using var changed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var changing = leader.View.NextAsync(view, changed.Token);
            var sharing = ShareAsync(address, () => (failures, complaint) = (0, null), changed.Token);
            await Task.WhenAny(changing, sharing);
            var reason = sharing.IsCompleted ? Reason(sharing) : null;
            await changed.CancelAsync();
            await Task.WhenAll(changing, sharing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (reason is null || leader.View.Value != view)
            {
                failures = 0;
                continue;
            }

            if (reason != complaint)
                Log.LeaderNotReached(logger, address.Authority, reason);
            complaint = reason;
            var most = FirstRetry * (1 << Math.Min(failures++, 4));
            await Task.Delay((most < LastRetry ? most : LastRetry) * (0.5 + (Random.Shared.NextDouble() / 2)), time, cancellationToken);
        }
    }

    private static string Reason(Task failed) => failed.Exception?.InnerException switch
    {
        RpcException e => $"{e.StatusCode}: {e.Status.Detail}",
        { } e => e.Message,
        null => "it ended the stream",
    };

    private async Task ShareAsync(Uri address, Action taken, CancellationToken cancellationToken)
    {
        using var channel = credentials.Connect(address);
        using var call = new Mesh.MeshClient(channel).Share(credentials.Headers(), cancellationToken: cancellationToken);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

        var reading = ReadAsync(call.ResponseStream, address, taken, ended.Token);
        var writing = WriteAsync(call.RequestStream, ended.Token);
        var first = await Task.WhenAny(reading, writing);
        if (first.Exception?.InnerException is RpcException)
            first = reading; // what goes wrong with writing is told by reading, with the leader's own words
        try
        {
            await first;
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(reading, writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ReadAsync(IAsyncStreamReader<ShareReply> replies, Uri address, Action taken, CancellationToken cancellationToken)
    {
        while (await replies.MoveNext(cancellationToken))
        {
            Log.LeaderFollowed(logger, address.Authority);
            taken();
        }
    }

    private async Task WriteAsync(IClientStreamWriter<SharedAgents> requests, CancellationToken cancellationToken)
    {
        var share = new AgentShare(replica, agents.Prints);
        while (true)
        {
            var (known, published) = (agents.Agents.Value, plans.Published.Value);
            if (published.Revision > 0)
                agents.Prints.Add(published);
            foreach (var message in share.Next(known))
                await requests.WriteAsync(message, cancellationToken);
            await Task.Delay(Batch, time, cancellationToken);
            using var changed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(agents.Agents.NextAsync(known, changed.Token), plans.Published.NextAsync(published, changed.Token));
            await changed.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
