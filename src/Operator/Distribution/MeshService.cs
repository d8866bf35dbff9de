using Grpc.Core;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>Serves the plan to agents, takes their reports, and shows the mesh to tools.</summary>
internal sealed partial class MeshService(
    ICluster cluster,
    PlanLoop plans,
    AgentRegistry agents,
    IAuthenticator authenticator,
    OperatorMetrics metrics,
    IHostApplicationLifetime lifetime,
    ILogger<MeshService> logger) : Mesh.MeshBase
{
    private readonly ICluster _cluster = cluster;
    private readonly PlanLoop _plans = plans;
    private readonly AgentRegistry _agents = agents;
    private readonly OperatorMetrics _metrics = metrics;
    private readonly IHostApplicationLifetime _lifetime = lifetime;
    private readonly ILogger _logger = logger;

    /// <summary>A tool need not see every packet counter move.</summary>
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMilliseconds(250);

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
        await RequireToolAsync(context);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, _lifetime.ApplicationStopping);
        var guarding = UntilRefusedAsync(context, RequireTool, ended.Token);
        try
        {
            await FirstPlanAsync(ended.Token);
            while (true)
            {
                var (published, known) = (_plans.Published.Value, _agents.Agents.Value);
                await responseStream.WriteAsync(StatusView.Of(published, known), ended.Token);
                await Task.Delay(StatusInterval, ended.Token);

                using var changed = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
                var next = await Task.WhenAny(
                    _plans.Published.NextAsync(published, changed.Token),
                    _agents.Agents.NextAsync(known, changed.Token),
                    guarding);
                await changed.CancelAsync();
                await next;
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            if (!context.CancellationToken.IsCancellationRequested)
                throw Stopping();
        }
        finally
        {
            await ended.CancelAsync();
            await guarding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc/>
    public override async Task<PeerConfigFile> GetPeerConfig(GetPeerConfigRequest request, ServerCallContext context)
    {
        await RequireToolAsync(context);
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

    /// <exception cref="RpcException">Nobody known is calling, or that cannot be found out now.</exception>
    private async ValueTask<Caller> AuthenticateAsync(ServerCallContext context)
    {
        try
        {
            if (await authenticator.AuthenticateAsync(context.RequestHeaders.GetValue("authorization"), context.CancellationToken) is { } caller)
                return caller;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unauthenticated)
        {
            Log.Unauthenticated(_logger, context.Method, context.Peer);
            throw;
        }

        Log.Unauthenticated(_logger, context.Method, context.Peer);
        throw new RpcException(new Status(StatusCode.Unauthenticated, "the call needs a known token: authorization: Bearer TOKEN"));
    }

    /// <summary>
    /// Whether the caller of an open stream is still known and allowed what it does, silent or not; ends only by an exception. What
    /// cannot be found out ends no stream.
    /// </summary>
    /// <param name="require">Throws if this caller may not do it (any more).</param>
    private async Task UntilRefusedAsync(ServerCallContext context, Action<Caller> require, CancellationToken cancellationToken)
    {
        while (true)
        {
            // not all streams that opened together ask together
            await Task.Delay(authenticator.RecheckInterval * (0.5 + (Random.Shared.NextDouble() / 2)), cancellationToken);
            try
            {
                require(await AuthenticateAsync(context));
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
            {
                // whoever was good when it came stays so while nobody can say
            }
        }
    }

    private async Task RequireToolAsync(ServerCallContext context) => RequireTool(await AuthenticateAsync(context));

    private static void RequireTool(Caller caller)
    {
        if (!caller.IsTool && !caller.IsReplica)
            throw new RpcException(new Status(StatusCode.PermissionDenied, "the token is for one node; tools need a token for *"));
    }

    /// <summary>The plan in force; just after a start there may be none yet.</summary>
    private async Task<PublishedPlan> FirstPlanAsync(CancellationToken cancellationToken)
    {
        var published = _plans.Published.Value;
        return published.Revision > 0 ? published : await _plans.Published.NextAsync(published, cancellationToken);
    }

    private static RpcException Stopping() => new(new Status(StatusCode.Unavailable, "the operator is stopping"));
}
