using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

// The namespace and names of OpenTelemetry.Extensions.Hosting, so that referencing that package replaces this file.
namespace OpenTelemetry;

/// <summary>Configures the OpenTelemetry of an application.</summary>
public sealed class OpenTelemetryBuilder : IOpenTelemetryBuilder
{
    internal OpenTelemetryBuilder(IServiceCollection services) => Services = services;

    /// <summary>The application's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Says what the application is: name, version, instance. Shown to Prometheus as <c>target_info</c>.</summary>
    /// <param name="configure">Adds attributes.</param>
    /// <returns>The same builder.</returns>
    public OpenTelemetryBuilder ConfigureResource(Action<ResourceBuilder> configure)
    {
        OpenTelemetryBuilderSdkExtensions.ConfigureResource(this, configure);
        return this;
    }

    /// <summary>Collects metrics.</summary>
    /// <param name="configure">Names the meters to read and the exporters that read them.</param>
    /// <returns>The same builder.</returns>
    public OpenTelemetryBuilder WithMetrics(Action<MeterProviderBuilder> configure)
    {
        OpenTelemetryBuilderSdkExtensions.WithMetrics(this, configure);
        return this;
    }
}
