using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using WgMesh.Telemetry;

// The namespace and names of OpenTelemetry.Exporter.Prometheus.AspNetCore, so that referencing that package replaces this file.
namespace Microsoft.AspNetCore.Builder;

/// <summary>Serves the metrics of the application's meter provider to Prometheus.</summary>
public static class PrometheusExporterEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Answers GET and HEAD on <paramref name="path"/> with all metrics: Prometheus text 0.0.4, or OpenMetrics 1.0 if the Accept
    /// header prefers it. A collection that takes longer than nine seconds is answered with 503, one that fails with 500.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="path">The path, by default <c>/metrics</c>.</param>
    /// <returns>The endpoint, to add conventions to.</returns>
    /// <exception cref="InvalidOperationException">No meter provider is registered, or it has no Prometheus exporter.</exception>
    public static IEndpointConventionBuilder MapPrometheusScrapingEndpoint(this IEndpointRouteBuilder endpoints, string path = "/metrics")
    {
        if (endpoints.ServiceProvider.GetService<MeterProvider>() is null)
            throw new InvalidOperationException("No MeterProvider is registered: call services.AddOpenTelemetry().WithMetrics(...) first.");
        var exporter = endpoints.ServiceProvider.GetService<PrometheusExporter>()
            ?? throw new InvalidOperationException("The MeterProvider has no Prometheus exporter: call AddPrometheusExporter() in WithMetrics(...).");
        return endpoints.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], new ScrapeEndpoint(exporter, ScrapeEndpoint.DefaultTimeout).InvokeAsync);
    }
}
