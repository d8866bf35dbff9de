using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace WgMesh.Rpc.Tests;

/// <summary>A server on a loopback port of the system's choice: of <see cref="EchoService"/>, or of whatever a test answers by hand.</summary>
public sealed class EchoServer : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly WebApplication _app;
    private readonly List<IDisposable> _owned = [];

    private EchoServer(WebApplication app, bool tls)
    {
        _app = app;
        Address = new Uri(app.Urls.Single().Replace("127.0.0.1", tls ? "localhost" : "127.0.0.1", StringComparison.Ordinal));
    }

    public Uri Address { get; }

    public Observations Observations { get; } = new();

    public static Task<EchoServer> StartAsync(
        Action<GrpcServiceOptions>? options = null, X509Certificate2? certificate = null, Action<KestrelServerLimits>? limits = null) =>
        StartAsync(options, certificate, limits, app => app.MapGrpcService<EchoService>());

    /// <summary>A server of another implementation of the service.</summary>
    public static Task<EchoServer> StartAsync<TService>()
        where TService : class => StartAsync(options => options.MaxReceiveMessageSize = null, null, null, app => app.MapGrpcService<TService>());

    /// <summary>A server that answers every request as the test says.</summary>
    public static Task<EchoServer> AnswerAsync(RequestDelegate answer) => StartAsync(null, null, null, app => app.Run(answer));

    public GrpcChannel Channel(Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions();
        configure?.Invoke(options);
        var channel = GrpcChannel.ForAddress(Address, options);
        _owned.Add(channel);
        return channel;
    }

    public Echo.EchoClient Client(Action<GrpcChannelOptions>? configure = null) => new(Channel(configure));

    /// <summary>Sends a request by hand, with the content type of gRPC unless told otherwise.</summary>
    public async Task<RawResponse> PostAsync(string path, byte[] body, params (string Name, string Value)[] headers)
    {
        using var http = new HttpMessageInvoker(ChannelHandler.Create());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        foreach (var (name, value) in headers)
        {
            if (name == "content-type")
                request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(value);
            else if (name == "version")
                request.Version = Version.Parse(value);
            else
                request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await http.SendAsync(request, CancellationToken.None).WaitAsync(Patience);
        var content = await response.Content.ReadAsByteArrayAsync();
        return new RawResponse(response.StatusCode, response.Headers, response.TrailingHeaders, content);
    }

    public async ValueTask DisposeAsync()
    {
        Observations.Release.TrySetResult();
        foreach (var owned in _owned)
            owned.Dispose();
        await _app.DisposeAsync();
    }

    private static async Task<EchoServer> StartAsync(
        Action<GrpcServiceOptions>? options, X509Certificate2? certificate, Action<KestrelServerLimits>? limits, Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            limits?.Invoke(kestrel.Limits);
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = certificate is null ? HttpProtocols.Http2 : HttpProtocols.Http1AndHttp2;
                if (certificate is not null)
                    listen.UseHttps(certificate);
            });
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        if (options is null)
            builder.Services.AddGrpc();
        else
            builder.Services.AddGrpc(options);

        EchoServer? server = null;
        builder.Services.AddSingleton(_ => server!.Observations);
        var app = builder.Build();
        map(app);
        await app.StartAsync();
        return server = new EchoServer(app, certificate is not null);
    }
}

/// <summary>A response as it came.</summary>
public sealed record RawResponse(HttpStatusCode HttpStatus, HttpResponseHeaders Headers, HttpResponseHeaders Trailers, byte[] Body)
{
    public bool IsTrailersOnly => Headers.Contains("grpc-status");

    public int Status => int.Parse(Field("grpc-status")!, System.Globalization.CultureInfo.InvariantCulture);

    public string? Message => Field("grpc-message");

    public string? Field(string name) =>
        Trailers.TryGetValues(name, out var values) || Headers.TryGetValues(name, out values) ? string.Join(",", values) : null;
}
