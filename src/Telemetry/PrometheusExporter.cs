using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry;

/// <summary>
/// The pull exporter: a scrape makes the SDK collect, the SDK hands the metrics to <see cref="Export"/>, and that writes the text.
/// </summary>
/// <remarks>
/// Collections run one after the other. Requests for one format that arrive while its collection runs share it, so that any number of
/// scrapers costs at most one collection per format at a time, also when an observable callback hangs.
/// </remarks>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter(ILogger logger) : BaseExporter<Metric>, IPullMetricExporter
{
    private readonly ExpositionSerializer _serializer = new(logger);
    private readonly Lock _joining = new();
    private readonly Lock _collecting = new();
    private readonly Scrape?[] _running = new Scrape?[2];
    private readonly int[] _lastSize = new int[2];

    private Resource? _resource;
    private (ExpositionBuffer Buffer, ExpositionFormat Format)? _target;

    /// <summary>Set by the reader: collects now, for at most so many milliseconds.</summary>
    public Func<int, bool>? Collect { get; set; }

    /// <summary>Joins the collection that is running in this format, or starts one. The caller disposes the result.</summary>
    public Scrape Join(ExpositionFormat format)
    {
        lock (_joining)
        {
            ref var running = ref _running[(int)format];
            if (running is null)
            {
                var scrape = new Scrape(_lastSize[(int)format]);
                running = scrape;
                // On the pool, not on the request: callbacks are foreign code, and a request stops waiting after its time.
                scrape.Completed = Task.Run(() => Run(scrape, format));
            }
            running.AddHolder();
            return running;
        }
    }

    /// <inheritdoc/>
    public override ExportResult Export(in Batch<Metric> batch)
    {
        // Without a target somebody else made the SDK collect (a flush at shutdown): nobody waits for the text.
        if (_target is not { } target)
            return ExportResult.Success;
        try
        {
            _serializer.WriteFamilies(target.Buffer, target.Format, batch);
            return ExportResult.Success;
        }
#pragma warning disable CA1031 // A scrape that cannot be written must not end the process.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Log.SerializingFailed(logger, exception);
            return ExportResult.Failure;
        }
    }

    private bool Run(Scrape scrape, ExpositionFormat format)
    {
        try
        {
            lock (_collecting)
            {
                ExpositionSerializer.WriteTarget(scrape.Buffer, format, _resource ??= ParentProvider.GetResource());
                _target = (scrape.Buffer, format);
                var collected = Collect?.Invoke(Timeout.Infinite) ?? false;
                _target = null;
                ExpositionSerializer.WriteEnd(scrape.Buffer, format);
                return collected;
            }
        }
        finally
        {
            lock (_joining)
            {
                _running[(int)format] = null;
                _lastSize[(int)format] = scrape.Buffer.Length;
            }
            scrape.Dispose();
        }
    }
}
