using System.Text;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

/// <summary>What handlers have seen, for tests that wait for it.</summary>
public sealed class Observations
{
    /// <summary>Set when a handler hears of its call's end: its cancellation token fires, or a read or write says so.</summary>
    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set when a handler has returned or thrown.</summary>
    public TaskCompletionSource<Exception?> Returned { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The last call's context, whose values are read while the handler runs.</summary>
    public TaskCompletionSource<(DateTime Deadline, string Peer, string Host, string Method)> Context { get; } =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets handlers with the behaviour "deaf" go on.</summary>
    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>Echoes, and does besides what the behaviour of the (first) request says.</summary>
public sealed class EchoService(Observations observations) : Echo.EchoBase
{
    public const string Secret = "the password is swordfish";

    public static readonly byte[] TrailerBytes = [0, 1, 254, 255];

    public override Task<EchoReply> Unary(EchoRequest request, ServerCallContext context) => Observe(context, async () =>
    {
        await BehaveAsync(request, context);
        return ReplyTo(request, 1);
    });

    public override Task<EchoReply> ClientStream(IAsyncStreamReader<EchoRequest> requestStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            var text = new StringBuilder();
            uint count = 0;
            await foreach (var request in requestStream.ReadAllAsync())
            {
                await BehaveAsync(request, context);
                text.Append(request.Text);
                count++;
            }

            return new EchoReply { Text = text.ToString(), Index = count };
        });

    public override Task ServerStream(EchoRequest request, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            for (uint i = 0; i < Math.Max(1, request.Repeat); i++)
                await responseStream.WriteAsync(ReplyTo(request, i));
            await BehaveAsync(request, context);
            return true;
        });

    public override Task Duplex(
        IAsyncStreamReader<EchoRequest> requestStream, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context) =>
        Observe(context, async () =>
        {
            uint index = 0;
            await foreach (var request in requestStream.ReadAllAsync())
            {
                await BehaveAsync(request, context);
                for (uint i = 0; i < Math.Max(1, request.Repeat); i++)
                    await responseStream.WriteAsync(ReplyTo(request, index++));
            }

            return true;
        });

    private static EchoReply ReplyTo(EchoRequest request, uint index) =>
        new() { Text = request.Text, Payload = request.Payload, Index = index };

    private async Task<T> Observe<T>(ServerCallContext context, Func<Task<T>> handle)
    {
        observations.Context.TrySetResult((context.Deadline, context.Peer, context.Host, context.Method));
        using var registration = context.CancellationToken.Register(() => observations.Cancelled.TrySetResult());
        Exception? failure = null;
        try
        {
            return await handle();
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            // a read may hear of it first, and the handler's end takes the registration away
            if (failure is OperationCanceledException)
                observations.Cancelled.TrySetResult();
            observations.Returned.TrySetResult(failure);
        }
    }

    private async Task BehaveAsync(EchoRequest request, ServerCallContext context)
    {
        switch (request.Behaviour)
        {
            case "status":
                throw new RpcException(
                    new Status((StatusCode)request.Status, request.Detail),
                    new Metadata { { "trailer-text", "thrown" }, { "trailer-bin", TrailerBytes } });
            case "set-status":
                context.Status = new Status((StatusCode)request.Status, request.Detail);
                break;
            case "throw":
                throw new InvalidOperationException(Secret);
            case "hang":
                await Task.Delay(-1, context.CancellationToken);
                break;
            case "deaf":
                await observations.Release.Task;
                break;
            case "metadata":
                var headers = new Metadata();
                foreach (var entry in context.RequestHeaders.Where(entry => entry.Key.StartsWith("echo-", StringComparison.Ordinal)))
                {
                    headers.Add(entry);
                    context.ResponseTrailers.Add(entry);
                }

                await context.WriteResponseHeadersAsync(headers);
                break;
        }
    }
}
