using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using WgMesh.Rpc;

namespace WgMesh.Cli.Tests;

/// <summary>A server on loopback that answers as an operator, with the files that somebody who asks it needs.</summary>
internal sealed class AskedOperator<T>(T service) : IAsyncDisposable where T : Mesh.MeshBase
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-cli-").FullName;
    private WebApplication? _app;

    public T Service => service;

    public string Url => _app!.Urls.Single();

    public string Authority => Path.Combine(_folder, "ca.crt");

    public string Tokens => Path.Combine(_folder, "tokens");

    public async Task StartAsync()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        await File.WriteAllTextAsync(Authority, certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(Tokens, "node-token a\ntool-token *\n");

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(service);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(certificate);
        }));
        _app = builder.Build();
        _app.MapGrpcService<T>();
        await _app.StartAsync();
    }

    /// <summary>Runs a command against it.</summary>
    public Task<(int Code, string Output, string Error)> AskAsync(params string[] args) =>
        CommandLineTests.RunAsync([.. args, "--operator", Url, "--ca", Authority, "--token-file", Tokens]);

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
