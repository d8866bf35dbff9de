using System.Diagnostics.Metrics;

namespace WgMesh.Engine.Device;

/// <summary>
/// A meter for series that come and go, one set per peer, read from their owner when somebody scrapes. What is no longer reported is
/// no longer shown.
/// </summary>
/// <remarks>
/// <para>
/// The SDK gives every tag set that an instrument ever reported a place of its own and never takes it back, so after its cardinality
/// limit (2,000 by default) new peers would all be counted as one series, <c>otel_metric_overflow="true"</c>. Only a new instrument
/// starts with its places free. Observable instruments keep nothing between two scrapes that their owner could not tell again, so this
/// meter replaces itself and them after so many removals, and no value is lost.
/// </para>
/// <para>
/// A scrape in the very instant of that replacement may show these series once too few; Prometheus bridges that for its queries over
/// a range. Thread-safe.
/// </para>
/// </remarks>
public sealed class SeriesMeter : IDisposable
{
    private readonly string _name;
    private readonly string? _version;
    private readonly int _removalsPerMeter;
    private readonly Action<SeriesMeter> _createInstruments;
    private readonly Lock _replacing = new();

    private Meter _meter;
    private int _removed;
    private volatile bool _wasRead;
    private bool _disposed;

    /// <summary>Creates the meter and its instruments.</summary>
    /// <param name="name">The meter's name, as given to the SDK's <c>AddSeriesMeter</c>.</param>
    /// <param name="version">The meter's version, or null.</param>
    /// <param name="removalsPerMeter">
    /// How many peers may go before their places are reclaimed. Limit = (live peers + this) × tag sets of a peer per instrument.
    /// </param>
    /// <param name="createInstruments">
    /// Creates all instruments by <see cref="Counter"/>, <see cref="UpDownCounter"/> and <see cref="Gauge"/>; called again at each
    /// replacement.
    /// </param>
    public SeriesMeter(string name, string? version, int removalsPerMeter, Action<SeriesMeter> createInstruments)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(removalsPerMeter, 1);
        _name = name;
        _version = version;
        _removalsPerMeter = removalsPerMeter;
        _createInstruments = createInstruments;
        _meter = new Meter(name, version);
        createInstruments(this);
    }

    /// <summary>A total that only grows while its series exists.</summary>
    /// <typeparam name="T">The number's type, such as long or double.</typeparam>
    /// <param name="name">The instrument's name, without unit and <c>_total</c>.</param>
    /// <param name="observe">The present values of all series. Called at each scrape, from any thread.</param>
    /// <param name="unit">UCUM unit such as <c>By</c>, or null.</param>
    /// <param name="description">The help text.</param>
    public void Counter<T>(string name, Func<IEnumerable<Measurement<T>>> observe, string? unit, string description)
        where T : struct => _meter.CreateObservableCounter(name, Read(observe), unit, description);

    /// <summary>An amount that adds up over series and goes up and down.</summary>
    /// <inheritdoc cref="Counter"/>
    public void UpDownCounter<T>(string name, Func<IEnumerable<Measurement<T>>> observe, string? unit, string description)
        where T : struct => _meter.CreateObservableUpDownCounter(name, Read(observe), unit, description);

    /// <summary>A value that does not add up over series, such as a time or an age.</summary>
    /// <inheritdoc cref="Counter"/>
    public void Gauge<T>(string name, Func<IEnumerable<Measurement<T>>> observe, string? unit, string description)
        where T : struct => _meter.CreateObservableGauge(name, Read(observe), unit, description);

    /// <summary>
    /// Says that a peer is gone, after the owner has stopped to report it; replaces the instruments when enough of them are.
    /// May be called under a lock that the callbacks take.
    /// </summary>
    public void Removed()
    {
        lock (_replacing)
        {
            // What nobody has read holds no places. This also bounds replacements to one per scrape: the SDK lets go of an old
            // instrument only when it collects, and has room for 1,000.
            if (_disposed || !_wasRead || ++_removed < _removalsPerMeter)
                return;
            _removed = 0;
            _wasRead = false;
            // The old one goes first: while it is there, the SDK would take the new instruments for the same ones.
            _meter.Dispose();
            _meter = new Meter(_name, _version);
            _createInstruments(this);
        }
    }

    /// <summary>Ends the meter: its series vanish from the next scrape.</summary>
    public void Dispose()
    {
        lock (_replacing)
        {
            _disposed = true;
            _meter.Dispose();
        }
    }

    private Func<IEnumerable<Measurement<T>>> Read<T>(Func<IEnumerable<Measurement<T>>> observe)
        where T : struct => () =>
        {
            _wasRead = true;
            return observe();
        };
}
