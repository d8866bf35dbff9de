using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;

// The namespace and names of OpenTelemetry.Extensions.Hosting, so that referencing that package replaces this file.
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Ties OpenTelemetry to the application's life.</summary>
public static class OpenTelemetryServicesExtensions
{
    /// <summary>
    /// Registers OpenTelemetry; configure it with <c>WithMetrics(...)</c> on the result. The meter provider starts with the host, so
    /// that measurements made before the first scrape count, and ends with the service provider.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <returns>The builder to configure it with.</returns>
    public static OpenTelemetryBuilder AddOpenTelemetry(this IServiceCollection services)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, MeterProviderStarter>());
        return new OpenTelemetryBuilder(services);
    }

    private sealed class MeterProviderStarter(IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            services.GetService<MeterProvider>();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
