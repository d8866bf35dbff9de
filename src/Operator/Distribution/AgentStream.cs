using Grpc.Core;
using WgMesh.Operator.Planning;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

internal sealed partial class MeshService
{
    /// <summary>One agent's stream, from its Hello to its end.</summary>
    private sealed class AgentStream(
        MeshService service,
        IAsyncStreamReader<AgentMessage> requests,
        IServerStreamWriter<OperatorMessage> responses,
        ServerCallContext context)
    {
        private static readonly TimeSpan HelloTimeout = TimeSpan.FromSeconds(10);

        private volatile CheckedHello? _hello;

        public async Task RunAsync()
        {
            var hello = await ReadHelloAsync();
            using var session = service._agents.Connect(hello);
            service._metrics.StreamOpened();
            Log.AgentConnected(service._logger, hello.Node, hello.Version, context.Peer);

            using var ended = CancellationTokenSource.CreateLinkedTokenSource(
                context.CancellationToken, session.Replaced, service._streams.Ended);
            var sending = SendAsync(session, ended.Token);
            var receiving = ReceiveAsync(session, ended.Token);
            var guarding = service.UntilRefusedAsync(context, caller => RequireNode(caller, hello.Node), ended.Token);
            var first = await Task.WhenAny(sending, receiving, guarding);
            await ended.CancelAsync();
            try
            {
                await first;
                Log.AgentLeft(service._logger, hello.Node);
            }
            catch (OperationCanceledException)
            {
                Log.AgentLeft(service._logger, hello.Node);
                if (session.Replaced.IsCancellationRequested)
                    throw new RpcException(new Status(StatusCode.Aborted, $"another stream for node {hello.Node} replaced this one"));
                if (!context.CancellationToken.IsCancellationRequested)
                    throw Stopping();
            }
            catch (RpcException e)
            {
                service._metrics.Refused(e.StatusCode);
                Log.AgentRefused(service._logger, hello.Node, e.StatusCode, e.Status.Detail);
                throw;
            }
            finally
            {
                // neither may go on using the call when this returns
                await ((Task)Task.WhenAll(sending, receiving, guarding)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private async Task<CheckedHello> ReadHelloAsync()
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(
                context.CancellationToken, service._streams.Ended);
            timeout.CancelAfter(HelloTimeout);
            try
            {
                if (!await requests.MoveNext(timeout.Token) || requests.Current.KindCase != AgentMessage.KindOneofCase.Hello)
                    throw new RpcException(new Status(StatusCode.InvalidArgument, "the first message of a stream is Hello"));
                return await AdmitAsync(requests.Current.Hello);
            }
            catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
            {
                throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"no Hello came within {HelloTimeout.TotalSeconds} s"));
            }
            catch (RpcException e)
            {
                service._metrics.Refused(e.StatusCode);
                Log.HelloRefused(service._logger, context.Peer, e.StatusCode, e.Status.Detail);
                throw;
            }
        }

        private async Task<CheckedHello> AdmitAsync(Hello hello)
        {
            var accepted = HelloCheck.Check(hello, await service.AuthenticateAsync(context), service._cluster.Current.Value);
            if (_hello is { } before && before.Node != accepted.Node)
                throw new RpcException(new Status(
                    StatusCode.InvalidArgument, $"the stream is that of node {before.Node}, not of {accepted.Node}"));

            _hello = accepted;
            try
            {
                service._cluster.Announce(accepted.Node, accepted.PublicKey, accepted.Endpoints, accepted.Versions);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.AnnouncementNotKept(service._logger, accepted.Node, e.Message);
                throw new RpcException(new Status(StatusCode.Unavailable, "the operator cannot write its state; try again later"));
            }

            return accepted;
        }

        private async Task ReceiveAsync(AgentSession session, CancellationToken cancellationToken)
        {
            while (await requests.MoveNext(cancellationToken))
            {
                switch (requests.Current.KindCase)
                {
                    case AgentMessage.KindOneofCase.Hello:
                        session.Hello(await AdmitAsync(requests.Current.Hello));
                        break;
                    case AgentMessage.KindOneofCase.Report:
                        session.Report(requests.Current.Report, service._plans.Published.Value.Plan);
                        break;
                    default:
                        throw new RpcException(new Status(StatusCode.InvalidArgument, "a message is Hello or Report"));
                }
            }
        }

        /// <summary>Sends the whole configuration, then what changes. While a message is on its way, changes add up in the next.</summary>
        private async Task SendAsync(AgentSession session, CancellationToken cancellationToken)
        {
            var node = session.Node;
            var sent = await PlanWithAsync(node, cancellationToken);
            session.Sending(sent.Revision);
            await responses.WriteSerializedAsync(sent.Plan.ConfigFor(node, sent.Revision)!.Bytes, cancellationToken);
            service._metrics.FullSent();

            for (var seen = sent; ;)
            {
                seen = await service._plans.Published.NextAsync(seen, cancellationToken);
                if (ReferenceEquals(seen.Plan, sent.Plan) || !IsFor(seen, node))
                    continue;

                if (seen.Plan.ChangeFor(sent.Plan, sent.Revision, node, seen.Revision) is { } delta)
                {
                    session.Sending(seen.Revision);
                    await responses.WriteSerializedAsync(delta.Bytes, cancellationToken);
                    service._metrics.DeltaSent(delta);
                    sent = seen;
                }
                else
                {
                    // the revision that the agent has stays; the plan may go
                    sent = sent with { Plan = seen.Plan };
                    session.HasNothingNewIn(seen.Revision);
                }
            }
        }

        private static void RequireNode(Caller caller, string node)
        {
            if (!caller.MaySpeakFor(node))
                throw new RpcException(new Status(StatusCode.PermissionDenied, $"the token is not for node {node} any more"));
        }

        private async Task<PublishedPlan> PlanWithAsync(string node, CancellationToken cancellationToken)
        {
            var published = await service.FirstPlanAsync(cancellationToken);
            while (!published.Plan.Nodes.ContainsKey(node) || !IsFor(published, node))
                published = await service._plans.Published.NextAsync(published, cancellationToken);
            return published;
        }

        /// <summary>Whether the plan has the node with the key that its agent has now, and the versions; it may not be made yet.</summary>
        /// <exception cref="RpcException">It never will be: the node is gone, or people declared another key for it.</exception>
        private bool IsFor(PublishedPlan published, string node)
        {
            if (!published.Plan.Nodes.TryGetValue(node, out var plan))
                throw new RpcException(new Status(StatusCode.NotFound, $"there is no Node {node} any more"));

            var key = _hello!.PublicKey;
            if (plan.PinnedBy is { } pin && plan.PublicKey is { } pinned && pinned != key)
                throw HelloCheck.Pinned(node, pin, pinned, key);

            // of a node with a pinned key people say the versions where what its agent announces is not kept: those may never be the agent's
            return plan.PublicKey == key && (plan.PinnedBy is not null || plan.Versions == _hello.Versions);
        }
    }
}
