using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>
/// What a device measures of itself and of all its peers together: read off their counters when somebody asks, and always there, however
/// many peers there are. Single peers are <see cref="PeerMetrics"/>'. docs/metrics.md is the contract of both.
/// </summary>
internal sealed class DeviceMetrics : IDisposable
{
    // A retry comes 5 s after the call before it, so 5, 6 and 11 tell how many it took; an attempt ends after 90 s.
    private static readonly double[] DurationBounds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 6, 11, 30, 60, 90];

    // The first handshakes are done before anybody listens, since tunnels come up first. They are kept, up to so many: there may never be anybody.
    private const int MostEarlyDurations = 1024;

    private readonly Meter _meter = new(WireGuardDevice.MeterName);
    private readonly KeyValuePair<string, object?> _interface;
    private readonly ProtocolCore _core;
    private readonly OffloadSwitches _offloads;
    private readonly PeerMetrics _peers;
    private readonly Histogram<double> _durations;
    private readonly ConcurrentQueue<double> _earlyDurations = [];

    /// <param name="name">Of the interface.</param>
    /// <param name="core">Whose counters are read.</param>
    /// <param name="offloads">Those of the device.</param>
    /// <param name="peerSeries">How many peers, at most, have series of their own.</param>
    public DeviceMetrics(string name, ProtocolCore core, OffloadSwitches offloads, int peerSeries)
    {
        _interface = new("interface", name);
        _core = core;
        _offloads = offloads;
        _peers = new PeerMetrics(name, core, peerSeries);
        _durations = _meter.CreateHistogram<double>(
            "wgmesh.device.handshake_duration",
            "s",
            "Time from the first initiation of an attempt to the session, as initiator.",
            advice: new() { HistogramBucketBoundaries = DurationBounds });
        core.HandshakeTook = HandshakeTook;
        Describe();
    }

    /// <summary>Peers came, went, or are called or measured otherwise. Not to be called by two threads at once.</summary>
    public void PeersChanged() => _peers.PeersChanged();

    public void Dispose()
    {
        _core.HandshakeTook = null;
        _peers.Dispose();
        _meter.Dispose();
    }

    private void HandshakeTook(TimeSpan took)
    {
        if (_durations.Enabled)
        {
            _durations.Record(took.TotalSeconds, _interface);
        }
        else if (_earlyDurations.Count < MostEarlyDurations)
        {
            _earlyDurations.Enqueue(took.TotalSeconds);
        }
    }

    private void Describe()
    {
        _meter.CreateObservableUpDownCounter("wgmesh.device.peers", () => One(_core.UnorderedPeers.LongCount()), "{peer}", "Peers configured on the interface.");
        _meter.CreateObservableUpDownCounter("wgmesh.device.peers_without_series", () => One(_peers.WithoutSeries), "{peer}", "Peers that have no series of their own.");
        _meter.CreateObservableUpDownCounter("wgmesh.device.links", Links, "{link}", "Links by state.");
        _meter.CreateObservableUpDownCounter("wgmesh.device.rekeys_overdue", RekeysOverdue, "{link}", "Links on which a new session has been asked for in vain for 90 s.");
        Total("wgmesh.device.received", "By", "Bytes received from all peers in UDP datagrams.", counters => counters.ReceivedBytes);
        Total("wgmesh.device.sent", "By", "Bytes sealed into UDP datagrams to all peers.", counters => counters.SentBytes);
        Total("wgmesh.device.received_packets", "{packet}", "Inner packets accepted from all peers.", counters => counters.ReceivedPackets);
        Total("wgmesh.device.sent_packets", "{packet}", "Inner packets sent to all peers.", counters => counters.SentPackets);
        Total("wgmesh.device.rekeys", "{session}", "Sessions that took the place of an earlier one.", counters => counters.Rekeys);
        _meter.CreateObservableCounter("wgmesh.device.handshakes", Handshakes, "{handshake}", "Handshakes with all peers.");
        _meter.CreateObservableCounter("wgmesh.device.drops", Drops, "{packet}", "Packets and messages dropped, those of peers included.");
        _meter.CreateObservableGauge("wgmesh.device.aead_info", Aead, null, "Always 1; the implementation of ChaCha20-Poly1305 is in the label.");
        _meter.CreateObservableGauge("wgmesh.device.offload", OffloadsOn, null, "Whether the offload is in use.");
        _meter.CreateObservableCounter("wgmesh.device.offload_refusals", OffloadRefusals, "{refusal}", "Runs of packets that the kernel refused and then took one by one.");
    }

    private void Total(string name, string unit, string description, Func<PeerCounters, long> count) =>
        _meter.CreateObservableCounter(name, () => One(_core.Totals.Sum(count)), unit, description);

    private Measurement<long> One(long value) => new(value, _interface);

    private IEnumerable<Measurement<long>> Links()
    {
        var now = Instant.Now(_core.Time);
        var counts = new long[MetricLabels.LinkStates.Length];
        foreach (var peer in _core.UnorderedPeers)
        {
            counts[(int)peer.LinkAt(now)]++;
        }

        return MetricLabels.LinkStates.Select(entry => new Measurement<long>(counts[(int)entry.State], _interface, entry.Label));
    }

    private Measurement<long> RekeysOverdue()
    {
        var now = Instant.Now(_core.Time);
        return One(_core.UnorderedPeers.LongCount(peer => peer.IsRekeyOverdue(now)));
    }

    private IEnumerable<Measurement<long>> Handshakes()
    {
        while (_earlyDurations.TryDequeue(out var seconds))
        {
            _durations.Record(seconds, _interface);
        }

        return MetricLabels.Handshakes.Select(entry => new Measurement<long>(_core.Totals.Sum(entry.Count), _interface, entry.Role, entry.Result));
    }

    // every reason, also those that have not occurred: the first drop is an increase then, and not a series out of nothing
    private IEnumerable<Measurement<long>> Drops()
    {
        var drops = _core.Totals.Drops();
        return MetricLabels.Reasons.Select(entry => new Measurement<long>(_core.Drops[entry.Reason] + drops[entry.Reason], _interface, entry.Label));
    }

    private Measurement<long> Aead() => new(1, _interface, new("implementation", WireGuardDevice.Aead));

    private IEnumerable<Measurement<long>> OffloadsOn() =>
        OffloadNames.All.Select(entry => new Measurement<long>(_offloads.Has(entry.Offload) ? 1 : 0, _interface, new("offload", entry.Name)));

    private IEnumerable<Measurement<long>> OffloadRefusals() =>
        OffloadNames.All.Select(entry => new Measurement<long>(_offloads.Refusals(entry.Offload), _interface, new("offload", entry.Name)));
}
