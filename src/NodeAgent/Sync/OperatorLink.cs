using System.Collections.Immutable;
using Grpc.Core;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// The agent's stream with an operator, opened again for as long as the agent lives. Whatever happens on it, the tunnels stay: only
/// a configuration that holds in every field reaches them.
/// </summary>
internal sealed class OperatorLink(
    Hello hello,
    ImmutableArray<Uri> operators,
    OperatorCredentials credentials,
    ConfigApplier applier,
    IDataPlane dataPlane,
    AgentStatus status,
    AgentMetrics metrics,
    Random random,
    TimeProvider time,
    ILogger log)
{
    internal static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    // a stream that lived this long was healthy: what ended it is a new trouble, if it is one (a token that is over ends its stream with a
    // refusal, and the next one is in the file by then)
    internal static readonly TimeSpan Healthy = TimeSpan.FromSeconds(30);

    private int _stream;

    /// <summary>Calls the operators in turn until cancelled, from any of them on: agents are to spread.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(random);
        var (failures, refusals) = (0, 0); // of this round
        for (var call = random.Next(operators.Length); ; call = (call + 1) % operators.Length)
        {
            var address = operators[call];
            status.Update(s => s with { OperatorAddress = address.Authority });
            var start = time.GetTimestamp();
            var end = await CallAsync(address, stop);
            stop.ThrowIfCancellationRequested();

            var wait = TimeSpan.Zero;
            if (time.GetElapsedTime(start) >= Healthy)
            {
                // no failure yet: it is called again at once, and what that says counts
                backoff.Reset();
                (failures, refusals) = (0, 0);
                end = end with { Refused = false };
            }
            else
            {
                failures++;
                refusals += end.Refused ? 1 : 0;
            }

            status.Update(s => s with
            {
                Operator = end.Refused ? OperatorConnection.Refused : OperatorConnection.Disconnected,
                OperatorError = end.Error,
            });

            // each address is tried once before any waiting: with two operators, one that goes away is not missed
            if (failures == operators.Length)
            {
                wait = refusals == operators.Length ? backoff.Slow() : backoff.Next();
                (failures, refusals) = (0, 0);
            }

            if (end.Refused)
            {
                log.OperatorRefuses(address.Authority, end.Error, wait.TotalSeconds);
            }
            else
            {
                log.OperatorLost(address.Authority, end.Error, wait.TotalSeconds);
            }

            await Task.Delay(wait, time, stop);
            metrics.Reconnecting();
        }
    }

    private async Task<StreamEnd> CallAsync(Uri address, CancellationToken stop)
    {
        using var streamStop = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            using var channel = credentials.Connect(address);
            var client = new Mesh.MeshClient(channel);
            using var call = client.Sync(credentials.Headers(), cancellationToken: streamStop.Token);
            var stream = ++_stream;

            // what goes wrong with writing is told by reading, with the operator's own words
            var reporting = SpeakAsync(call.RequestStream, stream, streamStop.Token);
            try
            {
                return await ReceiveAsync(call.ResponseStream, address, stream, streamStop.Token);
            }
            finally
            {
                await streamStop.CancelAsync();
                await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (RpcException e)
        {
            var error = $"{e.StatusCode}: {e.Status.Detail}";
            switch (e.StatusCode)
            {
                case StatusCode.Unauthenticated or StatusCode.PermissionDenied or StatusCode.NotFound
                    or StatusCode.InvalidArgument or StatusCode.Unimplemented:
                    return new StreamEnd(error, Refused: true);
                case StatusCode.Internal or StatusCode.ResourceExhausted or StatusCode.DataLoss:
                    // a message that is malformed or too large ends here: the next stream's first report says so
                    applier.Refuse([$"The operator {address.Authority} sent something that cannot be used: {error}"]);
                    break;
            }

            return new StreamEnd(error);
        }
        catch (AgentException e)
        {
            return new StreamEnd(e.Message); // a file of our own: worth another try soon
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            // whatever it was, it is no reason to end the agent, and the tunnels with it
            log.StreamFailed(address.Authority, e);
            return new StreamEnd(e.Message);
        }
    }

    private async Task<StreamEnd> ReceiveAsync(
        IAsyncStreamReader<OperatorMessage> messages, Uri address, int stream, CancellationToken stop)
    {
        // what the operator thinks this agent has, which is not what it has if that was refused
        NodeConfig? received = null;
        while (await messages.MoveNext(stop))
        {
            var message = messages.Current;
            switch (message.KindCase)
            {
                case OperatorMessage.KindOneofCase.Full:
                    received = message.Full;
                    status.Update(s => s with { Operator = OperatorConnection.Connected, OperatorError = null });
                    log.OperatorConnected(address.Authority);
                    break;
                case OperatorMessage.KindOneofCase.Delta when received?.Revision == message.Delta.BaseRevision:
                    received = ConfigDelta.Apply(received, message.Delta);
                    break;
                case OperatorMessage.KindOneofCase.Delta:
                    return new StreamEnd($"A delta to revision {message.Delta.BaseRevision} came, but {received?.Revision ?? 0} is here. The stream starts over.");
                default:
                    var error = $"What the operator {address.Authority} sent is neither a full configuration nor a delta.";
                    applier.Refuse([error]);
                    return new StreamEnd(error);
            }

            applier.Apply(received, stream);
        }

        return new StreamEnd("The operator ended the stream.");
    }

    private async Task SpeakAsync(IClientStreamWriter<AgentMessage> requests, int stream, CancellationToken stop)
    {
        await requests.WriteAsync(new AgentMessage { Hello = hello }, stop);
        var reports = new ReportBuilder(stream, time);
        while (true)
        {
            var changed = status.Changed;
            if (Next(reports) is { } report)
            {
                await requests.WriteAsync(new AgentMessage { Report = report }, stop);
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
            await Task.WhenAny(changed, Task.Delay(LookInterval, time, either.Token));
            await either.CancelAsync();
            stop.ThrowIfCancellationRequested();
        }
    }

    private Report? Next(ReportBuilder reports)
    {
        using var snapshot = dataPlane.Snapshot(); // it holds keys: for no longer than it takes
        return reports.Next(status.Current, snapshot);
    }

    /// <param name="Error">Why, as a sentence.</param>
    /// <param name="Refused">Waiting alone will not heal it.</param>
    private sealed record StreamEnd(string Error, bool Refused = false);
}
