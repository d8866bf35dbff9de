using System.Net;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using WgMesh.Engine.Device;
using WgMesh.Telemetry;

namespace WgMesh.NodeAgent.Telemetry;

/// <summary>The agent's own little web server: <c>/metrics</c>, <c>/healthz</c>, <c>/readyz</c>.</summary>
internal static class AgentEndpoints
{
    /// <summary>Builds it; start and dispose it.</summary>
    /// <param name="listen">Where.</param>
    /// <param name="node">Name of this node.</param>
    /// <param name="generation">Of this agent; null: it has none.</param>
    /// <param name="peerSeries">How many peers have series of their own.</param>
    /// <param name="loggers">For its log.</param>
    /// <param name="readiness">The answer of this moment.</param>
    internal static WebApplication Build(
        IPEndPoint listen, string node, string? generation, int peerSeries, ILoggerFactory loggers, Func<Readiness> readiness)
    {
        // empty: no files, no environment, no signal handlers, and a start that does not hold the tunnels up
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddRoutingCore();
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("wgmesh-agent", serviceVersion: AgentVersion.Text, serviceInstanceId: node))
            .WithMetrics(metrics => metrics
                .AddSeriesMeter(WireGuardDevice.MeterName, instrument => WireGuardDevice.MostSeries(instrument, peerSeries))
                .AddMeter(AgentMetrics.MeterName)
                .AddProcessMeter()
                .AddPrometheusExporter());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(listen);
        });

        var app = builder.Build();
        app.UseRouting();
        app.MapPrometheusScrapingEndpoint();
        // answering is all there is to being alive: an operator that is away, or a bad configuration, is no reason for a restart
        app.MapGet("/healthz", (RequestDelegate)(context => context.Response.WriteAsync("ok\n", context.RequestAborted)));
        app.MapGet("/readyz", (RequestDelegate)(context =>
        {
            var now = readiness();
            // two agents of a node share this port: a probe of the one must not be answered by the other
            if (generation is not null && context.Request.Query["generation"] is [{ } asked] && asked != generation)
            {
                now = now with { Ready = false, Reason = $"This is the agent of generation {generation}; that of {asked} does not have the data plane." };
            }

            context.Response.StatusCode = now.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsJsonAsync(now, ReadinessJson.Default.Readiness, cancellationToken: context.RequestAborted);
        }));
        return app;
    }
}
