using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning,
        "Metric {Metric} of meter {Meter} is left out of scrapes: the name {Family} is taken by a metric of another kind")]
    public static partial void NameTaken(ILogger logger, string metric, string meter, string family);

    [LoggerMessage(2, LogLevel.Warning, "Metric {Metric} of meter {Meter} is left out of scrapes: the text formats have no {Type}")]
    public static partial void NotShowable(ILogger logger, string metric, string meter, MetricType type);

    [LoggerMessage(3, LogLevel.Error, "The text of a scrape could not be written")]
    public static partial void SerializingFailed(ILogger logger, Exception exception);
}
