using Google.Protobuf.WellKnownTypes;
using WgMesh.Engine.Device;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>Says to the operator how things are. Pure.</summary>
internal static class ReportBuilder
{
    /// <summary>How long after a handshake a session can carry packets (REJECT_AFTER_TIME: paper, section 6.1).</summary>
    internal static readonly TimeSpan SessionLife = TimeSpan.FromSeconds(180);

    /// <summary>The report of this moment.</summary>
    /// <param name="stream">The stream it is for; a revision from another stream is not named on it.</param>
    internal static Report Build(AgentState state, DeviceSnapshot device, int stream)
    {
        var report = new Report
        {
            AppliedRevision = state.Applied is { } applied && applied.Stream == stream ? applied.Revision : 0,
            Mtu = (uint)device.Mtu,
        };
        report.Errors.AddRange(state.Errors);
        report.Links.AddRange(device.Peers.Select(peer => new LinkReport
        {
            Peer = peer.Name,
            LastHandshake = peer.LastHandshake is { } at ? Timestamp.FromDateTimeOffset(at) : null,
            Endpoint = peer.Endpoint.ToString(),
            ReceivedBytes = peer.ReceivedBytes,
            SentBytes = peer.SentBytes,
            ProtocolVersion = peer.SessionVersion ?? 0,
        }));
        return report;
    }

    /// <summary>
    /// The report without what changes all the time: two reports that are equal in this need not both be sent. A link's handshake
    /// is kept only as to whether it is young enough for a session to be alive.
    /// </summary>
    internal static Report Essence(Report report, DateTimeOffset now)
    {
        var essence = report.Clone();
        foreach (var link in essence.Links)
        {
            link.LastHandshake = IsUp(link.LastHandshake?.ToDateTimeOffset(), now) ? new Timestamp() : null;
            link.ReceivedBytes = link.SentBytes = 0;
        }

        return essence;
    }

    /// <summary>Whether packets can pass on a link.</summary>
    internal static bool IsUp(DateTimeOffset? lastHandshake, DateTimeOffset now) => lastHandshake is { } at && now - at < SessionLife;
}
