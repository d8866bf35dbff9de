using System.Security.Authentication;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Telemetry;

namespace WgMesh.Operator.Hosting;

/// <summary>Puts the operator together.</summary>
internal static class OperatorHost
{
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Reads everything that is needed to start, and makes the host. Nothing listens yet.</summary>
    /// <exception cref="IOException">A file or folder cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">A file or folder must not be read or written.</exception>
    /// <exception cref="InvalidDataException">A file says what cannot be.</exception>
    public static WebApplication Build(OperatorOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
        });
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        AddServices(builder.Services, options);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel((_, kestrel) => Listen(kestrel, options));

        var app = builder.Build();
        try
        {
            // now, so that what is wrong is told before anything listens
            app.Services.GetRequiredService<ICluster>();
            app.Services.GetRequiredService<IAuthenticator>();
            app.Services.GetRequiredService<ICertificateSource>();
        }
        catch
        {
            ((IDisposable)app).Dispose();
            throw;
        }

        Map(app);
        return app;
    }

    private static void AddServices(IServiceCollection services, OperatorOptions options)
    {
        services.AddSingleton(TimeProvider.System);
        if (options.Manifests is { } manifests)
            StandaloneServices.Add(services, options, manifests);
        else
            KubernetesServices.Add(services, options, options.Kubernetes ?? throw new ArgumentException("Neither manifests nor Kubernetes.", nameof(options)));

        services.AddSingleton<AgentRegistry>();
        services.AddSingleton<StreamLifetime>();
        services.AddHostedService<Shutdown>();
        services.AddSingleton<OperatorMetrics>();
        services.AddSingleton<PlanLoop>();
        services.AddHostedService(provider => provider.GetRequiredService<PlanLoop>());
        services.AddHostedService<MeshMetrics>();
        services.AddSingleton<MeshService>();
        services.AddGrpc();
        services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .ConfigureResource(resource => resource.AddService("wgmesh-operator"))
            .AddMeter(OperatorMetrics.MeterName)
            .AddProcessMeter()
            .AddView(MeshMetrics.NodeLinks, new MetricStreamConfiguration { CardinalityLimit = MeshMetrics.MostNodeSeries })
            .AddPrometheusExporter());
        services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
    }

    private static void Listen(KestrelServerOptions kestrel, OperatorOptions options)
    {
        kestrel.AddServerHeader = false;
        // streams stay open for as long as an agent lives, and are silent most of the time
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(20);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);

        var certificate = kestrel.ApplicationServices.GetRequiredService<ICertificateSource>();
        kestrel.Listen(options.Listen, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(https =>
            {
                https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
                https.ServerCertificateSelector = (_, _) => certificate.Current;
            });
        });
        kestrel.Listen(options.MetricsListen, listen => listen.Protocols = HttpProtocols.Http1);
    }

    private static void Map(WebApplication app)
    {
        // the two ports have nothing in common
        app.MapWhen(context => context.Request.IsHttps, secured => secured
            .UseRouting()
            .UseEndpoints(endpoints => endpoints.MapGrpcService<MeshService>()));
        app.MapWhen(context => !context.Request.IsHttps, open => open
            .UseRouting()
            .UseEndpoints(endpoints =>
            {
                var plans = app.Services.GetRequiredService<PlanLoop>();
                var certificate = app.Services.GetRequiredService<ICertificateSource>();
                var parts = app.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToList();
                endpoints.MapPrometheusScrapingEndpoint();
                // what cannot reach the API server lives on and serves what it knows
                endpoints.MapGet("/healthz", () => Health(parts.TrueForAll(part => part.ExecuteTask is { IsCompleted: false })));
                endpoints.MapGet("/readyz", () => Health(
                    plans.Published.Value.Revision > 0 && certificate.Current is not null
                        && !app.Lifetime.ApplicationStopping.IsCancellationRequested));
            }));

        static IResult Health(bool isGood) => isGood
            ? Results.Text("ok\n")
            : Results.Text("not ok\n", statusCode: StatusCodes.Status503ServiceUnavailable);
    }
}
