using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Telemetry;

// The namespace and names of OpenTelemetry.Exporter.Prometheus.AspNetCore, so that referencing that package replaces this file.
namespace OpenTelemetry.Metrics;

/// <summary>Adds the exporter behind <c>MapPrometheusScrapingEndpoint</c>.</summary>
public static class PrometheusExporterMeterProviderBuilderExtensions
{
    /// <summary>
    /// Adds a reader that collects whenever Prometheus scrapes. Values are cumulative, as Prometheus expects them.
    /// </summary>
    /// <param name="builder">The meter provider to read.</param>
    /// <returns>The same builder.</returns>
    public static MeterProviderBuilder AddPrometheusExporter(this MeterProviderBuilder builder) => builder
        .ConfigureServices(services => services.TryAddSingleton(provider => new PrometheusExporter(
            (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger<PrometheusExporter>())))
        .AddReader(provider => new BaseExportingMetricReader(provider.GetRequiredService<PrometheusExporter>())
        {
            TemporalityPreference = MetricReaderTemporalityPreference.Cumulative,
        });
}
