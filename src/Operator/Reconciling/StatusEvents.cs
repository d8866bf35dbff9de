using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Reconciling;

/// <summary>Tells people of what changed in a status that was written, once for each change.</summary>
internal sealed class StatusEvents(EventRecorder events)
{
    /// <summary>Of a peer.</summary>
    /// <param name="node">Of the node whose peer it is; null: it is a device's.</param>
    /// <param name="before">Null: there was no status.</param>
    public void Tell(StoredPeer peer, Node? node, WireGuardPeerStatus? before, WireGuardPeerStatus after)
    {
        TellAccepted(peer.Object, before?.Conditions, after.Conditions, admitted: "The peer is part of the mesh");
        var (then, now) = (Find(before?.Conditions, "Ready"), Find(after.Conditions, "Ready")!);
        if (now.Reason == StatusComposer.AgentFailed && (then?.Reason != now.Reason || then?.Message != now.Message))
            Tell(peer, node, isWarning: true, StatusComposer.AgentFailed, now.Message!);
        else if (then?.Reason == StatusComposer.AgentFailed && now is { Status: "True" })
            Tell(peer, node, isWarning: false, "AgentRecovered", "The node's agent reports no errors any more");
        else if (then is { Status: "True" } && now.Reason == "AgentNotConnected")
            events.Record(peer.Object, isWarning: true, "AgentDisconnected", "The node's agent is not connected to the operator any more");
    }

    /// <summary>Of the mesh.</summary>
    /// <param name="before">Null: there was no status.</param>
    public void Tell(StoredResource mesh, WireGuardMeshStatus? before, WireGuardMeshStatus after)
    {
        TellAccepted(mesh, before?.Conditions, after.Conditions, admitted: null);
        var (then, now) = (Find(before?.Conditions, "FailClosed"), Find(after.Conditions, "FailClosed")!);
        if (now.Status == "False" && then?.Status != now.Status)
            events.Record(mesh, isWarning: true, now.Reason!, now.Message!);
    }

    private void TellAccepted(StoredResource item, List<Condition>? before, List<Condition> after, string? admitted)
    {
        var (then, now) = (Find(before, "Accepted"), Find(after, "Accepted")!);
        if (then?.Status == now.Status && then.Reason == now.Reason && then.Message == now.Message)
            return;

        if (now.Status == "False" || (now.Status == "True" && now.Reason != PeerReason.Accepted))
            events.Record(item, isWarning: true, now.Reason!, now.Message!);
        else if (now.Status == "True" && admitted is not null)
            events.Record(item, isWarning: false, "PeerAdmitted", admitted);
    }

    private void Tell(StoredPeer peer, Node? node, bool isWarning, string reason, string message)
    {
        events.Record(peer.Object, isWarning, reason, message);
        if (node is not null)
            events.Record(node, isWarning, reason, message);
    }

    private static Condition? Find(List<Condition>? conditions, string type) => conditions?.Find(one => one.Type == type);
}
