using Grpc.Core;

namespace WgMesh.Operator.Distribution;

// Who calls, and whether they may.
internal sealed partial class MeshService
{
    /// <exception cref="RpcException">Nobody known is calling, or that cannot be found out now.</exception>
    private async ValueTask<Caller> AuthenticateAsync(ServerCallContext context)
    {
        var refusal = new Status(StatusCode.Unauthenticated, "the call needs a known token: authorization: Bearer TOKEN");
        try
        {
            var from = context.Peer[..Math.Max(context.Peer.LastIndexOf(':'), 0)]; // ipv4:ADDRESS:PORT, ipv6:[ADDRESS]:PORT
            if (await authenticator.AuthenticateAsync(context.RequestHeaders.GetValue("authorization"), from, context.CancellationToken) is { } caller)
                return caller;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            refusal = e.Status;
        }

        Log.Unauthenticated(_logger, context.Method, context.Peer, refusal.Detail);
        throw new RpcException(refusal);
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
            await Task.Delay(authenticator.RecheckInterval * (0.5 + (Random.Shared.NextDouble() / 2)), time, cancellationToken);
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

    private static void RequireTool(Caller caller)
    {
        if (!caller.IsTool && !caller.IsReplica)
        {
            throw new RpcException(new Status(StatusCode.PermissionDenied,
                $"the token is for {caller.Shown}; tools need one that is for *, or on Kubernetes that of a user who may get wireguardpeers/config in wgmesh.io"));
        }
    }

    private static void RequireReplica(Caller caller)
    {
        if (!caller.IsReplica)
            throw new RpcException(new Status(StatusCode.PermissionDenied, $"the token is for {caller.Shown}; only a replica of the operator may tell of agents"));
    }
}
