using System.Diagnostics.Metrics;
using System.Text;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>The meter <see cref="WireGuardDevice.MeterName"/>: read off the counters when somebody asks. docs/metrics.md is its contract.</summary>
internal sealed class DeviceMetrics : IDisposable
{
    private static readonly string[] ReasonNames = [.. Enum.GetValues<DropReason>().Select(SnakeCase)];

    // peers that may go before the places of their series are reclaimed
    private const int RemovalsPerMeter = 500;

    private readonly SeriesMeter _meter;
    private readonly KeyValuePair<string, object?> _interface;
    private readonly ProtocolCore _core;
    private readonly OffloadSwitches _offloads;

    public DeviceMetrics(string name, ProtocolCore core, OffloadSwitches offloads)
    {
        _interface = new("interface", name);
        _core = core;
        _offloads = offloads;
        _meter = new SeriesMeter(WireGuardDevice.MeterName, null, RemovalsPerMeter, Describe);
    }

    /// <summary>A peer is no longer among the core's.</summary>
    public void PeerRemoved() => _meter.Removed();

    public void Dispose() => _meter.Dispose();

    private void Describe(SeriesMeter meter)
    {
        meter.UpDownCounter<long>("wgmesh.device.peers", () => [new Measurement<long>(_core.Peers.LongCount(), _interface)], "{peer}", "Peers configured on the interface.");
        meter.Counter("wgmesh.device.drops", DeviceDrops, "{packet}", "Packets and messages dropped that belong to no peer, by reason.");
        meter.Gauge("wgmesh.device.offload", OffloadsOn, null, "1: the offload is in use; 0: the kernel lacks or refused it, or it was switched off.");
        meter.Counter("wgmesh.device.offload_refusals", OffloadRefusals, "{refusal}", "Runs that the kernel refused and then took packet by packet, by offload.");
        meter.Counter("wgmesh.peer.handshakes", Handshakes, "{handshake}", "Handshakes with the peer, by our role in them and their result.");
        meter.Counter("wgmesh.peer.rekeys", () => PerPeer(peer => peer.Counters.Rekeys), "{session}", "Sessions that took the place of an earlier one.");
        meter.Gauge("wgmesh.peer.last_handshake_timestamp", LastHandshakes, "s", "When the newest session with the peer was made, as Unix time; 0: never.");
        meter.Counter("wgmesh.peer.received", () => PerPeer(peer => peer.Counters.ReceivedBytes), "By", "Bytes received from the peer in UDP datagrams.");
        meter.Counter("wgmesh.peer.sent", () => PerPeer(peer => peer.Counters.SentBytes), "By", "Bytes sent to the peer in UDP datagrams.");
        meter.Counter("wgmesh.peer.received_packets", () => PerPeer(peer => peer.Counters.ReceivedPackets), "{packet}", "Inner packets accepted from the peer.");
        meter.Counter("wgmesh.peer.sent_packets", () => PerPeer(peer => peer.Counters.SentPackets), "{packet}", "Inner packets sent to the peer.");
        meter.Counter("wgmesh.peer.drops", PeerDrops, "{packet}", "Packets and messages dropped on the way to or from the peer, by reason.");
    }

    private IEnumerable<Measurement<double>> OffloadsOn() =>
        OffloadNames.All.Select(entry => new Measurement<double>(_offloads.Has(entry.Offload) ? 1 : 0, _interface, new("offload", entry.Name)));

    private IEnumerable<Measurement<long>> OffloadRefusals() =>
        OffloadNames.All.Select(entry => new Measurement<long>(_offloads.Refusals(entry.Offload), _interface, new("offload", entry.Name)));

    private IEnumerable<Measurement<long>> PerPeer(Func<Peer, long> value) =>
        _core.Peers.Select(peer => new Measurement<long>(value(peer), _interface, Named(peer)));

    private IEnumerable<Measurement<double>> LastHandshakes() =>
        _core.Peers.Select(peer => new Measurement<double>(
            peer.LastHandshake is { } moment ? (moment - DateTimeOffset.UnixEpoch).TotalSeconds : 0, _interface, Named(peer)));

    private IEnumerable<Measurement<long>> Handshakes() => _core.Peers.SelectMany(peer => new[]
    {
        Handshake(peer, "initiator", "completed", peer.Counters.CompletedAsInitiator),
        Handshake(peer, "initiator", "failed", peer.Counters.FailedAsInitiator),
        Handshake(peer, "initiator", "given_up", peer.Counters.GivenUp),
        Handshake(peer, "responder", "completed", peer.Counters.CompletedAsResponder),
        Handshake(peer, "responder", "failed", peer.Counters.FailedAsResponder),
    });

    private Measurement<long> Handshake(Peer peer, string role, string result, long count) =>
        new(count, _interface, Named(peer), new("role", role), new("result", result));

    private IEnumerable<Measurement<long>> DeviceDrops() => Drops(_core.Drops, []);

    private IEnumerable<Measurement<long>> PeerDrops() => _core.Peers.SelectMany(peer => Drops(peer.Counters.Drops, [Named(peer)]));

    // only reasons that have occurred: a series per peer and reason would be mostly zeros
    private IEnumerable<Measurement<long>> Drops(DropCounters drops, KeyValuePair<string, object?>[] tags) =>
        Enum.GetValues<DropReason>()
            .Where(reason => drops[reason] > 0)
            .Select(reason => new Measurement<long>(drops[reason], [_interface, .. tags, new("reason", ReasonNames[(int)reason])]));

    private static KeyValuePair<string, object?> Named(Peer peer) => new("peer", peer.Name);

    private static string SnakeCase(DropReason reason)
    {
        var text = new StringBuilder();
        foreach (var c in reason.ToString())
        {
            if (char.IsUpper(c) && text.Length > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }
}
