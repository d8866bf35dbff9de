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
    TokenFile tokens,
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

    /// <summary>For so long may a stream outlive its token.</summary>
    private static readonly TimeSpan TokenInterval = TimeSpan.FromSeconds(1);

    /// <summary>A tool need not see every packet counter move.</summary>
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMilliseconds(250);

    /// <inheritdoc/>
    public override async Task Sync(
        IAsyncStreamReader<AgentMessage> requestStream, IServerStreamWriter<OperatorMessage> responseStream, ServerCallContext context)
    {
        // whoever proves nothing is answered before anything of theirs is read
        try
        {
            Authenticate(context);
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
        RequireTool(context);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, _lifetime.ApplicationStopping);
        try
        {
            await FirstPlanAsync(ended.Token);
            while (true)
            {
                RequireTool(context); // also of a stream that is open already
                var (published, known) = (_plans.Published.Value, _agents.Agents.Value);
                await responseStream.WriteAsync(StatusView.Of(published, known), ended.Token);
                await Task.Delay(StatusInterval, ended.Token);

                using var changed = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
                await Task.WhenAny(
                    _plans.Published.NextAsync(published, changed.Token),
                    _agents.Agents.NextAsync(known, changed.Token),
                    UntilRefusedAsync(() => RequireTool(context), changed.Token));
                await changed.CancelAsync();
                ended.Token.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            if (!context.CancellationToken.IsCancellationRequested)
                throw Stopping();
        }
    }

    /// <inheritdoc/>
    public override async Task<PeerConfigFile> GetPeerConfig(GetPeerConfigRequest request, ServerCallContext context)
    {
        RequireTool(context);
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

    private Caller Authenticate(ServerCallContext context)
    {
        if (tokens.Authenticate(context.RequestHeaders.GetValue("authorization")) is { } caller)
            return caller;

        Log.Unauthenticated(_logger, context.Method, context.Peer);
        throw new RpcException(new Status(StatusCode.Unauthenticated, "the call needs a known token: authorization: Bearer TOKEN"));
    }

    /// <summary>The caller of an open stream, too, must be known and for the node.</summary>
    private void RequireNode(ServerCallContext context, string node)
    {
        if (!Authenticate(context).MaySpeakFor(node))
            throw new RpcException(new Status(StatusCode.PermissionDenied, $"the token is not for node {node} any more"));
    }

    /// <summary>Checks now and then; ends only by an exception. A silent stream is to end too when its token does.</summary>
    private static async Task UntilRefusedAsync(Action check, CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(TokenInterval, cancellationToken);
            check();
        }
    }

    private void RequireTool(ServerCallContext context)
    {
        if (!Authenticate(context).IsAnyNode)
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
