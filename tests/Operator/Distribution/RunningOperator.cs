using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using WgMesh.Operator.Hosting;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Distribution;

/// <summary>A whole operator on loopback, with manifests, state and tokens of its own.</summary>
internal sealed class RunningOperator : IAsyncDisposable
{
    public const string AnyNode = "token-for-all";

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private WebApplication _app = null!;

    private RunningOperator()
    {
        Directory.CreateDirectory(_folder["manifests"]);
        File.WriteAllText(Tokens, $"# tokens\n{AnyNode} *\ntoken-a a\ntoken-b b\n");
    }

    public string Tokens => _folder["tokens"];

    public string Authority => _folder["state/ca.crt"];

    public string State => _folder["state"];

    public Uri Address { get; private set; } = null!;

    public Uri MetricsAddress { get; private set; } = null!;

    public IServiceProvider Services => _app.Services;

    /// <summary>Starts with the nodes a, b and c, and these manifests besides.</summary>
    public static async Task<RunningOperator> StartAsync(string manifests = "")
    {
        var running = new RunningOperator();
        running.Put("nodes.yaml",
            Manifest.Node("a", "10.1.0.0/24", "192.0.2.1")
            + Manifest.Node("b", "10.2.0.0/24", "192.0.2.2")
            + Manifest.Node("c", "10.3.0.0/24"));
        running.Put("peers.yaml", manifests);
        await running.StartProcessAsync();
        return running;
    }

    public void Put(string name, string text) => Manifest.Put(_folder["manifests/" + name], text);

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartProcessAsync();
    }

    public async Task StopAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    public Mesh.MeshClient Client(string? token = AnyNode, GrpcChannel? channel = null)
    {
        channel ??= Channel();
        return new Mesh.MeshClient(new WithToken(channel.CreateCallInvoker(), token));
    }

    public GrpcChannel Channel() => GrpcChannel.ForAddress(Address, new GrpcChannelOptions
    {
        HttpHandler = ChannelHandler.Create([X509CertificateLoader.LoadCertificateFromFile(Authority)]),
        DisposeHttpClient = true,
    });

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Dispose();
    }

    private async Task StartProcessAsync()
    {
        _app = OperatorHost.Build(new OperatorOptions
        {
            Manifests = _folder["manifests"],
            State = State,
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            MetricsListen = new IPEndPoint(IPAddress.Loopback, 0),
            TokenFile = Tokens,
        });
        await _app.StartAsync();
        var addresses = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Address = new Uri(addresses.Single(address => address.StartsWith("https", StringComparison.Ordinal)));
        MetricsAddress = new Uri(addresses.Single(address => address.StartsWith("http:", StringComparison.Ordinal)));
    }

    private sealed class WithToken(CallInvoker inner, string? token) : CallInvoker
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.BlockingUnaryCall(method, host, Add(options), request);

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.AsyncUnaryCall(method, host, Add(options), request);

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.AsyncServerStreamingCall(method, host, Add(options), request);

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) =>
            inner.AsyncClientStreamingCall(method, host, Add(options));

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) =>
            inner.AsyncDuplexStreamingCall(method, host, Add(options));

        private CallOptions Add(CallOptions options) =>
            token is null ? options : options.WithHeaders(new Metadata { { "authorization", $"Bearer {token}" } });
    }
}

/// <summary>An agent as far as the operator sees one: it keeps the configuration that it was sent.</summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly AsyncDuplexStreamingCall<AgentMessage, OperatorMessage> _call;

    private FakeAgent(AsyncDuplexStreamingCall<AgentMessage, OperatorMessage> call) => _call = call;

    public NodeConfig Config { get; private set; } = new();

    public OperatorMessage Last { get; private set; } = new();

    public IEnumerable<string> Peers => Config.Peers.Select(peer => peer.Name);

    public static Hello Hello(string node, int key, params string[] endpoints)
    {
        var hello = new Hello { Node = node, PublicKey = Google.Protobuf.ByteString.CopyFrom(Planning.Clusters.Key(key).ToArray()),
            AgentVersion = "1.2.3", ProtocolVersions = { 1 } };
        hello.Endpoints.AddRange(endpoints);
        return hello;
    }

    /// <summary>Opens a stream, says Hello and waits for the first answer.</summary>
    public static async Task<FakeAgent> ConnectAsync(Mesh.MeshClient client, Hello hello)
    {
        var agent = await SendAsync(client, new AgentMessage { Hello = hello });
        await agent.NextAsync();
        return agent;
    }

    /// <summary>Opens a stream with this message.</summary>
    public static async Task<FakeAgent> SendAsync(Mesh.MeshClient client, AgentMessage message)
    {
        var agent = new FakeAgent(client.Sync());
        await agent.SendAsync(message);
        return agent;
    }

    /// <summary>Sends a message, unless the stream has ended already: that and its status are told by reading.</summary>
    public async Task SendAsync(AgentMessage message)
    {
        try
        {
            await _call.RequestStream.WriteAsync(message);
        }
        catch (RpcException)
        {
            // the operator may refuse a call before it has read what is being written
        }
    }

    public Task CompleteAsync() => _call.RequestStream.CompleteAsync();

    /// <summary>Takes the next message as the real agent does.</summary>
    public async Task NextAsync()
    {
        if (!await _call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(RunningOperator.Patience))
            throw new EndOfStreamException();

        Last = _call.ResponseStream.Current;
        if (Last.Full is { } full)
        {
            Config = full;
            return;
        }

        var delta = Last.Delta;
        Assert.Equal(Config.Revision, delta.BaseRevision);
        var peers = Config.Peers.ToDictionary(peer => peer.Name);
        foreach (var name in delta.Removed)
            Assert.True(peers.Remove(name));
        foreach (var peer in delta.Upserts)
            peers[peer.Name] = peer;
        Config = new NodeConfig { Revision = delta.Revision, Settings = delta.Settings ?? Config.Settings,
            Peers = { peers.Values.OrderBy(peer => peer.Name, StringComparer.Ordinal) } };
    }

    public async Task UntilAsync(Predicate<FakeAgent> condition)
    {
        while (!condition(this))
            await NextAsync();
    }

    /// <summary>How the stream ended.</summary>
    public async Task<Status> EndAsync()
    {
        try
        {
            while (true)
                await NextAsync();
        }
        catch (RpcException e)
        {
            return e.Status;
        }
        catch (EndOfStreamException)
        {
            return Status.DefaultSuccess;
        }
    }

    public void Dispose() => _call.Dispose();
}
