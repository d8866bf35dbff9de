using Grpc.Core;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

// What replicas of the operator say to each other.
internal sealed partial class MeshService
{
    /// <summary>Agents of a replica that went away come back to another one within this time, or are away.</summary>
    internal static readonly TimeSpan ReplicaGrace = TimeSpan.FromSeconds(15);

    /// <inheritdoc/>
    public override async Task Share(
        IAsyncStreamReader<SharedAgents> requestStream, IServerStreamWriter<ShareReply> responseStream, ServerCallContext context)
    {
        RequireReplica(await AuthenticateAsync(context));
        var view = leader.View.Value;
        if (!view.IsThis)
            throw NotLeading();

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, _streams.Ended);
        Task[] parts =
        [
            HearAsync(requestStream, responseStream, ended.Token),
            leader.View.NextAsync(view, ended.Token),
            UntilRefusedAsync(context, RequireReplica, ended.Token),
        ];
        var first = await Task.WhenAny(parts);
        await ended.CancelAsync();
        await Task.WhenAll(parts).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await first;
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            throw Stopping();
        }

        if (first == parts[1])
            throw NotLeading();
    }

    private async Task HearAsync(
        IAsyncStreamReader<SharedAgents> requests, IServerStreamWriter<ShareReply> responses, CancellationToken cancellationToken)
    {
        await FirstPlanAsync(cancellationToken); // not many links are kept of peers that are not planned
        if (!await requests.MoveNext(cancellationToken))
            return;

        var replica = HelloCheck.Shown(requests.Current.Replica);
        var theirs = _agents.Attach(replica);
        Log.ReplicaCame(_logger, replica);
        try
        {
            var isFirst = true;
            do
            {
                theirs.Take(
                    requests.Current, _plans.Published.Value.Plan, e => Log.ReplicasAgentRefused(_logger, replica, e.Status.Detail));
                if (isFirst)
                    await responses.WriteAsync(new ShareReply(), cancellationToken);
                isFirst = false;
            }
            while (await requests.MoveNext(cancellationToken));
        }
        finally
        {
            Log.ReplicaLeft(_logger, replica, theirs.Count, ReplicaGrace.TotalSeconds);
            _ = EndAfterGraceAsync(theirs);
        }
    }

    private async Task EndAfterGraceAsync(ReplicaAgents theirs)
    {
        await Task.Delay(ReplicaGrace, time, _streams.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        theirs.Dispose();
    }

    /// <summary>Passes on the mesh as the leader shows it, for as long as it leads and can be asked.</summary>
    private async Task RelayStatusAsync(
        Uri address,
        ReplicaCredentials credentials,
        WatchStatusRequest request,
        IServerStreamWriter<MeshStatus> responses,
        LeaderView view,
        CancellationToken cancellationToken)
    {
        using var changed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var changing = leader.View.NextAsync(view, changed.Token);
        try
        {
            using var channel = credentials.Connect(address);
            using var call = new Mesh.MeshClient(channel).WatchStatus(
                request, credentials.Headers(), cancellationToken: changed.Token);
            while (true)
            {
                var reading = call.ResponseStream.MoveNext(changed.Token);
                if (await Task.WhenAny(reading, changing) == changing || !await reading)
                    return;
                await responses.WriteAsync(call.ResponseStream.Current, cancellationToken);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
        {
            Log.StatusNotRelayed(_logger, address.Authority, e is RpcException rpc ? $"{rpc.StatusCode}: {rpc.Status.Detail}" : e.Message);
        }
        finally
        {
            await changed.CancelAsync();
        }
    }

    private static RpcException NotLeading() =>
        new(new Status(StatusCode.FailedPrecondition, "this replica does not lead: tell the one that holds the lease"));
}
