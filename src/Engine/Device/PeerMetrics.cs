using System.Diagnostics.Metrics;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>
/// The series of single peers, at most so many peers' since n nodes have n² links: first those that are <see cref="Peer.MeasuredFirst"/>, then
/// the others, by name. A peer keeps its series while the peers are the same.
/// </summary>
internal sealed class PeerMetrics : IDisposable
{
    private const string HandshakesName = "wgmesh.peer.handshakes";
    private const string DropsName = "wgmesh.peer.drops";

    // peers that may go before the places of their series are reclaimed
    private const int RemovalsPerMeter = 250;

    private readonly SeriesMeter _meter;
    private readonly KeyValuePair<string, object?> _interface;
    private readonly ProtocolCore _core;
    private readonly int _most;
    private volatile MeasuredPeer[] _measured = [];
    private int _withoutSeries;

    /// <param name="name">Of the interface.</param>
    /// <param name="core">Whose peers are measured.</param>
    /// <param name="most">So many of them.</param>
    public PeerMetrics(string name, ProtocolCore core, int most)
    {
        _interface = new("interface", name);
        _core = core;
        _most = most;
        _meter = new SeriesMeter(WireGuardDevice.MeterName, null, RemovalsPerMeter, Describe);
    }

    /// <summary>Peers for which there was no room.</summary>
    public long WithoutSeries => Volatile.Read(ref _withoutSeries);

    /// <summary>How many series an instrument may have had until the places of those that went are reclaimed.</summary>
    public static int Places(string instrument, int most) => (most + RemovalsPerMeter) * instrument switch
    {
        HandshakesName => MetricLabels.Handshakes.Length,
        DropsName => MetricLabels.Reasons.Length,
        _ => 1,
    };

    /// <summary>Chooses anew who is measured.</summary>
    public void PeersChanged()
    {
        var peers = _core.UnorderedPeers.ToArray();
        MeasuredPeer[] measured =
        [
            .. peers.OrderByDescending(peer => peer.MeasuredFirst).ThenBy(peer => peer.Name, StringComparer.Ordinal).Take(_most)
                .Select(peer => new MeasuredPeer(peer, new("peer", peer.Name))),
        ];
        var names = measured.Select(entry => entry.Name.Value).ToHashSet();
        var gone = _measured.Count(entry => !names.Contains(entry.Name.Value));
        _measured = measured;
        Volatile.Write(ref _withoutSeries, peers.Length - measured.Length);
        for (; gone > 0; gone--)
        {
            _meter.Removed();
        }
    }

    public void Dispose() => _meter.Dispose();

    private void Describe(SeriesMeter meter)
    {
        meter.Gauge("wgmesh.peer.link_up", () => Links(PeerLink.Up), null, "Whether the link with the peer is up.");
        meter.Gauge("wgmesh.peer.link_down", () => Links(PeerLink.Down), null, "Whether the link with the peer is down.");
        meter.Counter(HandshakesName, Handshakes, "{handshake}", "Handshakes.");
        meter.Counter("wgmesh.peer.rekeys", () => PerPeer(counters => counters.Rekeys), "{session}", "Sessions that took the place of an earlier one.");
        meter.Gauge("wgmesh.peer.last_handshake_timestamp", LastHandshakes, "s", "When the newest session was made, as Unix time; 0: never.");
        meter.Counter("wgmesh.peer.received", () => PerPeer(counters => counters.ReceivedBytes), "By", "Bytes received in UDP datagrams, all types of message.");
        meter.Counter("wgmesh.peer.sent", () => PerPeer(counters => counters.SentBytes), "By", "Bytes sealed into UDP datagrams, all types of message.");
        meter.Counter("wgmesh.peer.received_packets", () => PerPeer(counters => counters.ReceivedPackets), "{packet}", "Inner packets accepted.");
        meter.Counter("wgmesh.peer.sent_packets", () => PerPeer(counters => counters.SentPackets), "{packet}", "Inner packets sent.");
        meter.Counter(DropsName, Drops, "{packet}", "Packets and messages dropped on the way to or from the peer.");
    }

    private IEnumerable<Measurement<long>> PerPeer(Func<PeerCounters, long> value) =>
        _measured.Select(entry => new Measurement<long>(value(entry.Peer.Counters), _interface, entry.Name));

    private IEnumerable<Measurement<long>> Links(PeerLink state)
    {
        var now = Instant.Now(_core.Time);
        return _measured.Select(entry => new Measurement<long>(entry.Peer.LinkAt(now) == state ? 1 : 0, _interface, entry.Name));
    }

    private IEnumerable<Measurement<double>> LastHandshakes() => _measured.Select(entry => new Measurement<double>(
        entry.Peer.LastHandshake is { } moment ? (moment - DateTimeOffset.UnixEpoch).TotalSeconds : 0, _interface, entry.Name));

    private IEnumerable<Measurement<long>> Handshakes() =>
        from entry in _measured
        from handshake in MetricLabels.Handshakes
        select new Measurement<long>(handshake.Count(entry.Peer.Counters), _interface, entry.Name, handshake.Role, handshake.Result);

    // only reasons that have occurred: a series per peer and reason would be mostly zeros
    private IEnumerable<Measurement<long>> Drops() =>
        from entry in _measured
        from reason in MetricLabels.Reasons
        let count = entry.Peer.Counters.Drops[reason.Reason]
        where count > 0
        select new Measurement<long>(count, _interface, entry.Name, reason.Label);

    private sealed record MeasuredPeer(Peer Peer, KeyValuePair<string, object?> Name);
}
