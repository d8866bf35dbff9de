using System.Collections.Concurrent;
using System.Net;
using System.Threading.Channels;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Tests.Sync;

/// <summary>A real gRPC server over TLS that does what a test says.</summary>
internal sealed class FakeOperator : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FakeOperator(TestAuthority authority, IPEndPoint listen)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(listen, options =>
            {
                options.Protocols = HttpProtocols.Http2;
                options.UseHttps(authority.Server);
            }));
        builder.Services.AddLogging();
        builder.Services.AddSingleton(this);
        builder.Services.AddGrpc(options => options.MaxSendMessageSize = null);
        _app = builder.Build();
        _app.Use((context, next) => Raw is { } raw ? AnswerRaw(context, raw) : next(context));
        _app.UseRouting();
        _app.MapGrpcService<Service>();
    }

    /// <summary>What calls are refused with; null: they are taken.</summary>
    internal Status? Refusal { get; set; }

    /// <summary>Bytes that answer a call in place of messages.</summary>
    internal byte[]? Raw { get; set; }

    /// <summary>The authorization header of every call so far.</summary>
    internal ConcurrentQueue<string?> Tokens { get; } = [];

    internal Uri Address => new(_app.Urls.Single());

    private Channel<AgentStream> Streams { get; } = Channel.CreateUnbounded<AgentStream>();

    internal static async Task<FakeOperator> StartAsync(TestAuthority authority, IPEndPoint listen)
    {
        var server = new FakeOperator(authority, listen);
        await server._app.StartAsync();
        return server;
    }

    /// <summary>The next stream that an agent opens; its first message has been checked to be a Hello.</summary>
    internal async Task<AgentStream> NextStreamAsync(Action? between = null)
    {
        AgentStream? stream = null;
        await Wait.Until(() => Streams.Reader.TryRead(out stream), between);
        return stream!;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task AnswerRaw(HttpContext context, byte[] raw)
    {
        Tokens.Enqueue(context.Request.Headers.Authorization);
        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(raw, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private sealed class Service(FakeOperator self) : Mesh.MeshBase
    {
        public override async Task Sync(
            IAsyncStreamReader<AgentMessage> requestStream, IServerStreamWriter<OperatorMessage> responseStream, ServerCallContext context)
        {
            self.Tokens.Enqueue(context.RequestHeaders.FirstOrDefault(h => h.Key == "authorization")?.Value);
            if (self.Refusal is { } refusal)
            {
                throw new RpcException(refusal);
            }

            Assert.True(await requestStream.MoveNext(context.CancellationToken));
            var stream = new AgentStream(requestStream.Current.Hello, responseStream);
            self.Streams.Writer.TryWrite(stream);
            var reading = stream.ReadAsync(requestStream, context.CancellationToken);
            await Task.WhenAny(reading, stream.Ending);
            if (stream.Ending.IsCompleted)
            {
                await stream.Ending;
            }
        }
    }
}

/// <summary>One agent's stream, from the operator's side.</summary>
internal sealed class AgentStream(Hello hello, IServerStreamWriter<OperatorMessage> responses)
{
    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<Report> _reports = [];

    internal Hello Hello => hello;

    /// <summary>In the order they came.</summary>
    internal Report[] Reports => [.. _reports];

    /// <summary>By peer, as an operator knows them by now.</summary>
    internal Dictionary<string, LinkReport> Links
    {
        get
        {
            var links = new Dictionary<string, LinkReport>();
            foreach (var report in _reports)
            {
                if (!report.LinksPartial)
                {
                    links.Clear();
                }

                foreach (var name in report.RemovedLinks)
                {
                    links.Remove(name);
                }

                foreach (var link in report.Links)
                {
                    links[link.Peer] = link;
                }
            }

            return links;
        }
    }

    /// <summary>Whether the agent has ended it.</summary>
    internal bool Ended { get; private set; }

    internal Task Ending => _ending.Task;

    internal Task SendAsync(NodeConfig full) => responses.WriteAsync(new OperatorMessage { Full = full });

    internal Task SendAsync(NodeConfigDelta delta) => responses.WriteAsync(new OperatorMessage { Delta = delta });

    internal Task SendNothingAsync() => responses.WriteAsync(new OperatorMessage());

    /// <summary>Ends the stream with OK, or with a status.</summary>
    internal void End(Status? status = null)
    {
        if (status is { } failure)
        {
            _ending.SetException(new RpcException(failure));
        }
        else
        {
            _ending.SetResult();
        }
    }

    internal async Task ReadAsync(IAsyncStreamReader<AgentMessage> requests, CancellationToken stop)
    {
        try
        {
            while (await requests.MoveNext(stop))
            {
                _reports.Enqueue(requests.Current.Report);
            }
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or IOException)
        {
            // that is how an agent goes away
        }

        Ended = true;
    }
}
