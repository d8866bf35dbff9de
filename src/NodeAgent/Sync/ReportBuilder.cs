using Google.Protobuf.WellKnownTypes;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// Says to the operator how things are, on one stream: at first everything, then what changed. In a mesh of n nodes there are n² links, and
/// nothing is said of those that are quiet. Does no I/O. Not thread-safe.
/// </summary>
/// <param name="stream">The stream it is for; a revision from another stream is not named on it.</param>
internal sealed class ReportBuilder(int stream, TimeProvider time)
{
    /// <summary>Counters and handshakes alone are no news for so long.</summary>
    internal static readonly TimeSpan CounterInterval = TimeSpan.FromSeconds(30);

    /// <summary>After so long without news an empty report says that the agent still looks.</summary>
    internal static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(5);

    /// <summary>One report names so many links and no more, so that it stays below what an operator takes; the rest follows.</summary>
    internal const int MostLinks = 16_384;

    private readonly Dictionary<string, Said> _said = new(StringComparer.Ordinal);
    private Report? _head;
    private long _reported, _countersSaid;

    /// <summary>The report of this moment, or null if there is nothing to say.</summary>
    internal Report? Next(AgentState state, DeviceSnapshot device)
    {
        var report = new Report
        {
            AppliedRevision = state.Applied is { } applied && applied.Stream == stream ? applied.Revision : 0,
            Mtu = (uint)device.Mtu,
            LinksPartial = _head is not null,
            Released = state.Released,
        };
        report.Errors.AddRange(state.Errors);

        var head = report.Clone();
        head.LinksPartial = true; // as all but the first are
        var now = time.GetTimestamp();
        var countersDue = _head is not null && time.GetElapsedTime(_countersSaid, now) >= CounterInterval;
        AddLinks(report, device, countersDue);
        if (_head is null || countersDue)
        {
            _countersSaid = now;
        }

        if (report.Links.Count == 0 && report.RemovedLinks.Count == 0 && head.Equals(_head) && time.GetElapsedTime(_reported, now) < LongestSilence)
        {
            return null;
        }

        (_head, _reported) = (head, now);
        return report;
    }

    /// <summary>How a link is.</summary>
    internal static LinkState StateOf(PeerSnapshot peer) => peer.Link switch
    {
        PeerLink.Up => LinkState.Up,
        PeerLink.Down => LinkState.Down,
        _ => LinkState.Idle,
    };

    private void AddLinks(Report report, DeviceSnapshot device, bool countersDue)
    {
        foreach (var peer in device.Peers)
        {
            var link = Said.Of(peer);
            if (_said.TryGetValue(peer.Name, out var said) && (countersDue ? link == said : link.IsNoNewsAfter(said)))
            {
                continue;
            }

            if (report.Links.Count == MostLinks)
            {
                break;
            }

            _said[peer.Name] = link;
            report.Links.Add(new LinkReport
            {
                Peer = peer.Name,
                State = link.State,
                LastHandshake = peer.LastHandshake is { } at ? Timestamp.FromDateTimeOffset(at) : null,
                Endpoint = peer.Endpoint.ToString(),
                ReceivedBytes = peer.ReceivedBytes,
                SentBytes = peer.SentBytes,
                ProtocolVersion = link.Version,
            });
        }

        if (_said.Count > device.Peers.Length || report.Links.Count > 0)
        {
            var there = device.Peers.Select(peer => peer.Name).ToHashSet(StringComparer.Ordinal);
            foreach (var name in _said.Keys.Where(name => !there.Contains(name)).ToList())
            {
                _said.Remove(name);
                report.RemovedLinks.Add(name);
            }
        }
    }

    /// <summary>What was said of a link. Packets count and not bytes, which keepalives move.</summary>
    private readonly record struct Said(
        LinkState State, uint Version, Engine.Endpoint Endpoint, DateTimeOffset? LastHandshake, ulong ReceivedPackets, ulong SentPackets)
    {
        internal static Said Of(PeerSnapshot peer) => new(
            StateOf(peer), peer.SessionVersion ?? 0, peer.Endpoint, peer.LastHandshake, peer.ReceivedPackets, peer.SentPackets);

        internal bool IsNoNewsAfter(Said earlier) =>
            (State, Version, Endpoint) == (earlier.State, earlier.Version, earlier.Endpoint);
    }
}
