using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using WgMesh.Rpc;

namespace WgMesh.Scale;

/// <summary>The operator's side of an agent: a real stream with a real token, and nothing behind it.</summary>
internal sealed class SimulatedAgent(SimulatedMesh mesh, int number, string token)
{
    private static readonly Method<AgentMessage, OperatorWord> Sync = new(
        MethodType.DuplexStreaming,
        "wgmesh.v1alpha1.Mesh",
        "Sync",
        Marshallers.Create<AgentMessage>((message, context) => context.Complete(message.ToByteArray()), _ => throw new NotSupportedException()),
        Marshallers.Create<OperatorWord>((_, _) => throw new NotSupportedException(), context => OperatorWord.Read(context.PayloadAsReadOnlySequence())));

    private readonly ByteString _key = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32));

    public string Node { get; } = SimulatedMesh.NodeName(number);

    /// <summary>Calls the operators in turn until cancelled, as the agent does.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        for (var call = number; !stop.IsCancellationRequested; call++)
        {
            var address = mesh.Operators[call % mesh.Operators.Count];
            try
            {
                await CallAsync(address, stop);
            }
            catch (Exception e) when (e is RpcException or HttpRequestException or IOException or OperationCanceledException)
            {
                mesh.Trouble(e);
            }

            // once around, then with some patience
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(20, 500)), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task CallAsync(Uri address, CancellationToken stop)
    {
        var handler = ChannelHandler.Create(mesh.Authorities);
        using var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true, MaxReceiveMessageSize = null });
        var headers = new Metadata { { "authorization", $"Bearer {token}" } };
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(Sync, null, new CallOptions(headers, cancellationToken: stop));
        await WriteAsync(call, new AgentMessage
        {
            Hello = new Hello { Node = Node, PublicKey = _key, AgentVersion = "0.1.0-simulated", ProtocolVersions = { 1 } },
        });

        var isFirst = true;
        while (await call.ResponseStream.MoveNext(stop))
        {
            var word = call.ResponseStream.Current;
            mesh.Received(word.Length);
            var report = new Report { AppliedRevision = word.Revision, Mtu = 1420, LinksPartial = !isFirst };
            if (isFirst)
                report.Links.AddRange(LinksOf());
            isFirst = false;
            await WriteAsync(call, new AgentMessage { Report = report });
            mesh.Acknowledged(this, word);
        }
    }

    private async Task WriteAsync(AsyncDuplexStreamingCall<AgentMessage, OperatorWord> call, AgentMessage message)
    {
        mesh.Sent(message.CalculateSize());
        await call.RequestStream.WriteAsync(message);
    }

    // a mesh in which all have spoken with all
    private IEnumerable<LinkReport> LinksOf()
    {
        var now = Timestamp.FromDateTime(DateTime.UtcNow);
        for (var other = 0; other < mesh.Nodes; other++)
        {
            if (other != number)
            {
                yield return new LinkReport
                {
                    Peer = SimulatedMesh.NodeName(other),
                    State = LinkState.Up,
                    LastHandshake = now,
                    Endpoint = $"{SimulatedMesh.NodeAddress(other)}:51820",
                    ReceivedBytes = 1_000_000,
                    SentBytes = 1_000_000,
                    ProtocolVersion = 1,
                };
            }
        }
    }
}
