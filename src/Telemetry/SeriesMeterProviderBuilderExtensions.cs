using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry;

/// <summary>Reads a meter whose series come and go.</summary>
public static class SeriesMeterProviderBuilderExtensions
{
    /// <summary>Like <c>AddMeter</c>, with room for more series per instrument than the SDK's default of 2,000.</summary>
    /// <param name="builder">The meter provider.</param>
    /// <param name="name">The meter's name.</param>
    /// <param name="maxSeries">Tag sets per instrument; each takes about 95 bytes from the start, used or not.</param>
    /// <returns>The same builder.</returns>
    public static MeterProviderBuilder AddSeriesMeter(this MeterProviderBuilder builder, string name, int maxSeries) => builder
        .AddMeter(name)
        .AddView(instrument => instrument.Meter.Name == name ? new MetricStreamConfiguration { CardinalityLimit = maxSeries } : null);
}
