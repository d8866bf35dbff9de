using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using WgMesh.Operator.Hosting;
using WgMesh.Operator.Tests.Trust;
using WgMesh.Operator.Trust;
using WgMesh.Rpc;

namespace WgMesh.Operator.Tests.Hosting;

/// <summary>A whole replica of the operator in Kubernetes mode, with the rights that it has in a cluster, on a loopback port of its own.</summary>
internal sealed class KubernetesOperator : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly WgMeshCluster _cluster;
    private WebApplication? _app;

    private KubernetesOperator(WgMeshCluster cluster) => _cluster = cluster;

    public string Name { get; private init; } = "";

    public Uri Address { get; private set; } = null!;

    public Uri MetricsAddress { get; private set; } = null!;

    public IServiceProvider Services => _app!.Services;

    public static async Task<KubernetesOperator> StartAsync(WgMeshCluster cluster, string name)
    {
        var running = new KubernetesOperator(cluster) { Name = name };
        try
        {
            await running.StartAsync();
            return running;
        }
        catch
        {
            await running.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether it says that it is ready, or that it lives.</summary>
    public async Task<bool> IsAsync(string what)
    {
        using var http = new HttpClient { BaseAddress = MetricsAddress };
        using var answer = await http.GetAsync(new Uri(what, UriKind.Relative));
        return answer.IsSuccessStatusCode;
    }

    public async Task<string> MetricsAsync()
    {
        using var http = new HttpClient { BaseAddress = MetricsAddress };
        return await http.GetStringAsync("/metrics");
    }

    /// <summary>Calls it as an agent or a tool does: trusting the authorities of the ConfigMap, with this token.</summary>
    public async Task<(GrpcChannel Channel, Mesh.MeshClient Client)> CallAsync(string token)
    {
        var map = await _cluster.Server.FindAsync($"/api/v1/namespaces/{WgMeshCluster.Namespace}/configmaps/{OperatorAuthority.ConfigMapName}");
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPem(map!["data"]![OperatorAuthority.BundleKey]!.GetValue<string>());
        var channel = GrpcChannel.ForAddress(Address, new GrpcChannelOptions
        {
            HttpHandler = ChannelHandler.Create(authorities),
            DisposeHttpClient = true,
            Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, CallCredentials.FromInterceptor((_, metadata) =>
            {
                metadata.Add("authorization", $"Bearer {token}");
                return Task.CompletedTask;
            })),
        });
        return (channel, new Mesh.MeshClient(channel));
    }

    public Task StopAsync() => _app!.StopAsync();

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        _folder.Dispose();
    }

    private async Task StartAsync()
    {
        var token = await _cluster.Server.RequestTokenAsync(WgMeshCluster.Namespace, WgMeshCluster.OperatorAccount, KubernetesServer.Issuer);
        await File.WriteAllTextAsync(_folder["token"], await _cluster.ReplicaTokenAsync());
        await File.WriteAllTextAsync(_folder["config"], $"""
            apiVersion: v1
            kind: Config
            clusters:
            - name: test
              cluster: {"{"}server: "{_cluster.Server.Url}", certificate-authority: "{_cluster.Server.Folder}/ca.crt"{"}"}
            users:
            - name: operator
              user: {"{"}token: {token}{"}"}
            contexts:
            - name: test
              context: {"{"}cluster: test, user: operator, namespace: {WgMeshCluster.Namespace}{"}"}
            current-context: test

            """);

        // others have to be told which port: one that is free is taken, and another if somebody was quicker
        for (var attempt = 1; _app is null; attempt++)
        {
            var app = OperatorHost.Build(new OperatorOptions
            {
                Listen = new IPEndPoint(IPAddress.Loopback, FreePorts.Next()),
                MetricsListen = new IPEndPoint(IPAddress.Loopback, 0),
                Kubernetes = new KubernetesOptions { KubeConfig = _folder["config"], Identity = Name, ReplicaTokenFile = _folder["token"] },
            });
            try
            {
                await app.StartAsync();
                _app = app;
            }
            catch (IOException) when (attempt < 5)
            {
                await app.DisposeAsync();
            }
        }

        var addresses = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Address = new Uri(addresses.Single(address => address.StartsWith("https", StringComparison.Ordinal)));
        MetricsAddress = new Uri(addresses.Single(address => address.StartsWith("http:", StringComparison.Ordinal)));
    }
}
