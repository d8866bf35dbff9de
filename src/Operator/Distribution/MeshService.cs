using Grpc.Core;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// Serves the plan to agents, takes their reports, and shows the mesh to tools. MeshService.Callers.cs: who calls; MeshService.Replicas.cs:
/// what replicas of the operator say to each other; AgentStream.cs: an agent's stream.
/// </summary>
/// <param name="replicas">How other replicas are called; null: there are none.</param>
internal sealed partial class MeshService(
    ICluster cluster,
    PlanLoop plans,
    AgentRegistry agents,
    IAuthenticator authenticator,
    Leader leader,
    OperatorMetrics metrics,
    StreamLifetime streams,
    TimeProvider time,
    ILogger<MeshService> logger,
    ReplicaCredentials? replicas = null) : Mesh.MeshBase
{
    private readonly ICluster _cluster = cluster;
    private readonly PlanLoop _plans = plans;
    private readonly AgentRegistry _agents = agents;
    private readonly OperatorMetrics _metrics = metrics;
    private readonly StreamLifetime _streams = streams;
    private readonly ILogger _logger = logger;

    /// <summary>A tool need not see every packet counter move.</summary>
    private static readonly TimeSpan LeastStatusInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>Showing a large mesh to a tool takes no more than a twentieth of the time.</summary>
    private const int StatusShare = 20;

    /// <inheritdoc/>
    public override async Task Sync(
        IAsyncStreamReader<AgentMessage> requestStream, IServerStreamWriter<OperatorMessage> responseStream, ServerCallContext context)
    {
        // whoever proves nothing is answered before anything of theirs is read
        try
        {
            await AuthenticateAsync(context);
        }
        catch (RpcException e)
        {
            _metrics.Refused(e.StatusCode);
            throw;
        }

        var agent = new AgentStream(this, requestStream, responseStream, context);
        await agent.RunAsync();
    }

    /// <inheritdoc/>
    public override async Task WatchStatus(
        WatchStatusRequest request, IServerStreamWriter<MeshStatus> responseStream, ServerCallContext context)
    {
        RequireTool(await AuthenticateAsync(context));
        if (request.LinksOf.Count > StatusView.MostLinksOf)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument,
                $"links_of has {request.LinksOf.Count} names: the links of at most {StatusView.MostLinksOf} peers are shown at a time"));
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, _streams.Ended);
        var guarding = UntilRefusedAsync(context, RequireTool, ended.Token);
        var showing = ShowStatusAsync(request, responseStream, ended.Token);
        var first = await Task.WhenAny(guarding, showing);
        await ended.CancelAsync();
        await Task.WhenAll(guarding, showing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await first;
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            throw Stopping();
        }
        catch (OperationCanceledException)
        {
            // the tool went away
        }
    }

    /// <inheritdoc/>
    public override async Task<PeerConfigFile> GetPeerConfig(GetPeerConfigRequest request, ServerCallContext context)
    {
        RequireTool(await AuthenticateAsync(context));
        var plan = (await FirstPlanAsync(context.CancellationToken)).Plan;
        var outcomes = plan.Outcomes.Where(outcome => outcome.Name == request.Peer).OrderByDescending(outcome => outcome.Kind).ToList();
        return outcomes switch
        {
            [] => throw new RpcException(new Status(StatusCode.NotFound, $"there is no WireGuardPeer {request.Peer}")),
            [{ Kind: PeerKind.Node }] => throw new RpcException(new Status(
                StatusCode.FailedPrecondition, $"{request.Peer} is the peer of a node, which gets its configuration by its agent")),
            [{ Admission: PeerAdmission.Refused } refused, ..] => throw new RpcException(new Status(
                StatusCode.FailedPrecondition, $"WireGuardPeer {request.Peer} is refused: {string.Join("; ", refused.Messages)}")),
            [var outcome, ..] => new PeerConfigFile { Text = PeerConfigText.Write(plan, outcome) },
        };
    }

    /// <summary>Shows the mesh until cancelled: as the leader sees it, who hears of every agent, or else as this replica does.</summary>
    private async Task ShowStatusAsync(
        WatchStatusRequest request, IServerStreamWriter<MeshStatus> responses, CancellationToken cancellationToken)
    {
        var linksOf = request.LinksOf.ToHashSet(StringComparer.Ordinal);
        while (true)
        {
            var view = leader.View.Value;
            if (view.Address is { } address && replicas is not null)
            {
                await RelayStatusAsync(address, replicas, request, responses, view, cancellationToken);
                if (leader.View.Value != view)
                    continue;
            }

            // the leader cannot be asked: what is known here is better than nothing, until it is tried again
            var published = await FirstPlanAsync(cancellationToken);
            var known = _agents.Agents.Value;
            var started = TimeProvider.System.GetTimestamp();
            var writing = responses.WriteAsync(StatusView.Of(published, known, linksOf), cancellationToken);
            // the message is written out by now; how long the tool takes to read it is no work
            var interval = IntervalAfter(TimeProvider.System.GetElapsedTime(started));
            await writing;
            await Task.Delay(interval, cancellationToken);

            using var changed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            List<Task> changes =
            [
                _plans.Published.NextAsync(published, changed.Token),
                _agents.Agents.NextAsync(known, changed.Token),
                leader.View.NextAsync(view, changed.Token),
            ];
            if (view.Address is not null)
                changes.Add(Task.Delay(ReplicaLink.LastRetry, time, changed.Token));
            await Task.WhenAny(changes);
            await changed.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>How long a tool waits for the next status after one that took so long to make.</summary>
    internal static TimeSpan IntervalAfter(TimeSpan took) =>
        took * StatusShare > LeastStatusInterval ? took * StatusShare : LeastStatusInterval;

    /// <summary>The plan in force; just after a start there may be none yet.</summary>
    private async Task<PublishedPlan> FirstPlanAsync(CancellationToken cancellationToken)
    {
        var published = _plans.Published.Value;
        return published.Revision > 0 ? published : await _plans.Published.NextAsync(published, cancellationToken);
    }

    private static RpcException Stopping() => new(new Status(StatusCode.Unavailable, "the operator is stopping"));
}
