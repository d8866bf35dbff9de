using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry;

/// <summary>Reads a meter whose series come and go.</summary>
public static class SeriesMeterProviderBuilderExtensions
{
    /// <summary>Like <c>AddMeter</c>, with as much room for series as each instrument needs, in place of the SDK's 2,000 for each.</summary>
    /// <param name="builder">The meter provider.</param>
    /// <param name="name">The meter's name.</param>
    /// <param name="mostSeries">Tag sets of the instrument of a name; each takes about 95 bytes from the start, used or not.</param>
    /// <returns>The same builder.</returns>
    public static MeterProviderBuilder AddSeriesMeter(this MeterProviderBuilder builder, string name, Func<string, int> mostSeries) => builder
        .AddMeter(name)
        .AddView(instrument => instrument.Meter.Name == name ? new MetricStreamConfiguration { CardinalityLimit = mostSeries(instrument.Name) } : null);
}
