using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Hosting;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.Mesh.Tests;

/// <summary>One of several operators that share a cluster, with everything but an API server: who leads the test says.</summary>
internal sealed class RunningReplica : IAsyncDisposable
{
    /// <summary>Tokens: of replicas, of all nodes and tools, and of nobody's but node a's agent.</summary>
    public const string ReplicaToken = "replica", AnyToken = "any", NodeToken = "node-a";

    private readonly WebApplication _app;
    private readonly X509Certificate2 _authority;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;
    private int _relayed;

    private RunningReplica(string name, SharedCluster cluster, X509Certificate2 authority, TimeProvider time)
    {
        (Name, _authority) = (name, authority);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var serving = Certificates.MakeServing(authority, [IPAddress.Loopback.ToString()], DateTimeOffset.UtcNow, TimeSpan.FromDays(1));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(serving);
            }));
        builder.Services.AddLogging();
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton<ICluster>(cluster);
        builder.Services.AddSingleton<AgentRegistry>();
        builder.Services.AddSingleton<OperatorMetrics>();
        builder.Services.AddSingleton<StreamLifetime>();
        builder.Services.AddSingleton<PlanLoop>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<PlanLoop>());
        builder.Services.AddSingleton(Leader.Elected());
        builder.Services.AddSingleton<IAuthenticator>(new Tokens());
        builder.Services.AddSingleton(new ReplicaCredentials(
            () =>
            {
                Interlocked.Increment(ref _relayed);
                return [authority];
            },
            () => ReplicaToken));
        builder.Services.AddHostedService(provider => new ReplicaLink(
            name,
            provider.GetRequiredService<Leader>(),
            provider.GetRequiredService<AgentRegistry>(),
            provider.GetRequiredService<PlanLoop>(),
            new ReplicaCredentials(() => [authority], () => ReplicaToken),
            TimeProvider.System,
            NullLogger<ReplicaLink>.Instance));
        builder.Services.AddSingleton<MeshService>();
        builder.Services.AddGrpc();
        _app = builder.Build();
        _app.UseRouting();
        _app.MapGrpcService<MeshService>();
        _writing = WriteAsync(cluster, _stop.Token);
    }

    public string Name { get; }

    public Uri Address => new(_app.Urls.Single());

    public AgentRegistry Registry => _app.Services.GetRequiredService<AgentRegistry>();

    public PublishedPlan Plan => _app.Services.GetRequiredService<PlanLoop>().Published.Value;

    private Leader Leader => _app.Services.GetRequiredService<Leader>();

    public static async Task<RunningReplica> StartAsync(string name, SharedCluster cluster, X509Certificate2 authority, TimeProvider? time = null)
    {
        var replica = new RunningReplica(name, cluster, authority, time ?? TimeProvider.System);
        await replica._app.StartAsync();
        return replica;
    }

    /// <summary>The lease is another's now, or this one's.</summary>
    public void Follow(RunningReplica leader) => Leader.Follow($"{leader.Name}_{leader.Address.Authority}", leader == this);

    /// <summary>The lease is another's now, and this one does not know that it is its own if it is.</summary>
    public void FollowBlindly(RunningReplica leader) => Leader.Follow($"{leader.Name}_{leader.Address.Authority}", isThis: false);

    /// <summary>How many times it has called another for the mesh's status.</summary>
    public int Relayed => Volatile.Read(ref _relayed);

    /// <summary>What this replica knows of its agents and those it was told of: "a b@two", those that are away in parentheses.</summary>
    public string Known => string.Join(' ', Registry.Agents.Value.OrderBy(agent => agent.Key, StringComparer.Ordinal).Select(agent =>
        agent.Value.IsConnected ? agent.Key + (agent.Value.Replica is { } other ? $"@{other}" : "") : $"({agent.Key})"));

    public GrpcChannel Channel() => GrpcChannel.ForAddress(Address, new GrpcChannelOptions
    {
        HttpHandler = ChannelHandler.Create([_authority]),
        DisposeHttpClient = true,
    });

    /// <summary>The node of every agent that is connected, by what this replica tells tools.</summary>
    public async Task<string> ConnectedAsync() =>
        string.Join(' ', (await StatusAsync()).Peers.Where(peer => peer.AgentConnected).Select(peer => peer.Name));

    /// <summary>The mesh as this replica shows it to tools, with the links of some.</summary>
    public async Task<MeshStatus> StatusAsync(params string[] linksOf)
    {
        using var channel = Channel();
        using var call = new Rpc.Mesh.MeshClient(channel).WatchStatus(
            new WatchStatusRequest { LinksOf = { linksOf } }, new Metadata { { "authorization", $"Bearer {AnyToken}" } }, DateTime.UtcNow.AddSeconds(60));
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        return call.ResponseStream.Current;
    }

    /// <summary>Ends as a process does that is killed: nothing is said to anybody.</summary>
    public async Task KillAsync()
    {
        await _stop.CancelAsync();
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _app.DisposeAsync();
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private async Task WriteAsync(SharedCluster cluster, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (view, known) = (Leader.View.Value, Registry.Agents.Value);
            if (view.IsThis)
                cluster.Write(known);
            await (await Task.WhenAny(Leader.View.NextAsync(view, cancellationToken), Registry.Agents.NextAsync(known, cancellationToken)));
        }
    }

    private sealed class Tokens : IAuthenticator
    {
        public TimeSpan RecheckInterval => TimeSpan.FromMinutes(5);

        public ValueTask<Caller?> AuthenticateAsync(string? authorization, string from, CancellationToken cancellationToken) => new(authorization switch
        {
            $"Bearer {ReplicaToken}" => new Caller { IsReplica = true },
            $"Bearer {AnyToken}" => new Caller { IsAnyNode = true, IsTool = true },
            $"Bearer {NodeToken}" => new Caller { Nodes = ["a"] },
            _ => null,
        });
    }
}
