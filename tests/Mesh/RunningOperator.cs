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

namespace WgMesh.Mesh.Tests;

/// <summary>A whole operator on loopback, in a folder of the test's.</summary>
internal sealed class RunningOperator : IAsyncDisposable
{
    private readonly string _folder;
    private WebApplication _app = null!;

    private RunningOperator(string folder) => _folder = folder;

    /// <summary>A token for every node and for tools.</summary>
    public string TokenFile => Path.Combine(_folder, "token");

    public string Authority => Path.Combine(_folder, "state", "ca.crt");

    public Uri Address { get; private set; } = null!;

    public Uri MetricsAddress { get; private set; } = null!;

    public static async Task<RunningOperator> StartAsync(string folder, string manifests)
    {
        var running = new RunningOperator(folder);
        Directory.CreateDirectory(Path.Combine(folder, "manifests"));
        running.Put("cluster.yaml", manifests);
        File.WriteAllText(running.TokenFile, "secret");
        File.WriteAllText(Path.Combine(folder, "tokens"), "secret *\n");
        running._app = OperatorHost.Build(new OperatorOptions
        {
            Manifests = Path.Combine(folder, "manifests"),
            State = Path.Combine(folder, "state"),
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            MetricsListen = new IPEndPoint(IPAddress.Loopback, 0),
            TokenFile = Path.Combine(folder, "tokens"),
        });
        await running._app.StartAsync();
        var addresses = running._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        running.Address = new Uri(addresses.Single(address => address.StartsWith("https", StringComparison.Ordinal)));
        running.MetricsAddress = new Uri(addresses.Single(address => address.StartsWith("http:", StringComparison.Ordinal)));
        return running;
    }

    /// <summary>Puts a manifest in place in one step.</summary>
    public void Put(string name, string text)
    {
        var path = Path.Combine(_folder, "manifests", name);
        File.WriteAllText(path + ".tmp", text);
        File.Move(path + ".tmp", path, overwrite: true);
    }

    /// <summary>The mesh as tools see it now, with the links of some.</summary>
    public async Task<MeshStatus> StatusAsync(params string[] linksOf)
    {
        using var channel = GrpcChannel.ForAddress(Address, new GrpcChannelOptions
        {
            HttpHandler = ChannelHandler.Create([X509CertificateLoader.LoadCertificateFromFile(Authority)]),
            DisposeHttpClient = true,
        });
        using var call = new Rpc.Mesh.MeshClient(channel).WatchStatus(
            new WatchStatusRequest { LinksOf = { linksOf } }, new Metadata { { "authorization", "Bearer secret" } }, DateTime.UtcNow.AddSeconds(20));
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        return call.ResponseStream.Current;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
