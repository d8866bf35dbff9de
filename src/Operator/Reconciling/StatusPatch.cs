using System.Globalization;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Reconciling;

/// <summary>What the status writer owns of a status: how it compares, and how it is written.</summary>
internal static class StatusPatch
{
    /// <summary>Whether what is stored says all that is wanted.</summary>
    public static bool Same(WireGuardPeerStatus stored, WireGuardPeerStatus wanted) =>
        SameInEssence(stored, wanted) && SameMessages(stored.Conditions, wanted.Conditions)
        && stored.Endpoint == wanted.Endpoint && stored.LastHandshakeTime == wanted.LastHandshakeTime && stored.ConnectedNodes == wanted.ConnectedNodes;

    /// <summary>Whether what people and programs wait for is the same: counters, times (but the first) and the words of messages may differ.</summary>
    public static bool SameInEssence(WireGuardPeerStatus stored, WireGuardPeerStatus wanted) =>
        SameConditions(stored.Conditions, wanted.Conditions) && stored.ObservedGeneration == wanted.ObservedGeneration
        && stored.Addresses.SequenceEqual(wanted.Addresses, StringComparer.Ordinal)
        // whoever has just made a peer looks whether it is connected
        && stored.LastHandshakeTime is null == wanted.LastHandshakeTime is null && stored.ConnectedNodes is null == wanted.ConnectedNodes is null;

    /// <inheritdoc cref="Same(WireGuardPeerStatus, WireGuardPeerStatus)"/>
    public static bool Same(WireGuardMeshStatus stored, WireGuardMeshStatus wanted) =>
        SameInEssence(stored, wanted) && SameMessages(stored.Conditions, wanted.Conditions)
        && stored.LinksUp == wanted.LinksUp && stored.LinksDown == wanted.LinksDown && stored.LinksIdle == wanted.LinksIdle && stored.Mtu == wanted.Mtu
        && stored.AgentVersions.SequenceEqual(wanted.AgentVersions, StringComparer.Ordinal);

    /// <inheritdoc cref="SameInEssence(WireGuardPeerStatus, WireGuardPeerStatus)"/>
    public static bool SameInEssence(WireGuardMeshStatus stored, WireGuardMeshStatus wanted) =>
        SameConditions(stored.Conditions, wanted.Conditions) && stored.ObservedGeneration == wanted.ObservedGeneration
        && stored.Nodes == wanted.Nodes && stored.ReleasedNodes == wanted.ReleasedNodes && stored.Protocol?.Version == wanted.Protocol?.Version
        && stored.Protocol?.Nodes == wanted.Protocol?.Nodes && stored.Protocol?.ReadyNodes == wanted.Protocol?.ReadyNodes
        && stored.Conflicts.SequenceEqual(wanted.Conflicts, StringComparer.Ordinal);

    /// <summary>For server-side apply.</summary>
    public static JsonObject Write(WireGuardPeerStatus status)
    {
        var written = new JsonObject
        {
            ["conditions"] = Conditions(status.Conditions),
            ["observedGeneration"] = status.ObservedGeneration,
        };
        Put(written, "addresses", Texts(status.Addresses));
        Put(written, "endpoint", status.Endpoint);
        Put(written, "lastHandshakeTime", status.LastHandshakeTime is { } time ? Text(time) : null);
        Put(written, "connectedNodes", status.ConnectedNodes);
        return written;
    }

    /// <inheritdoc cref="Write(WireGuardPeerStatus)"/>
    public static JsonObject Write(WireGuardMeshStatus status)
    {
        var written = new JsonObject
        {
            ["conditions"] = Conditions(status.Conditions),
            ["observedGeneration"] = status.ObservedGeneration,
        };
        Put(written, "agentVersions", Texts(status.AgentVersions));
        Put(written, "conflicts", Texts(status.Conflicts));
        Put(written, "nodes", status.Nodes);
        Put(written, "releasedNodes", status.ReleasedNodes);
        Put(written, "linksUp", status.LinksUp);
        Put(written, "linksDown", status.LinksDown);
        Put(written, "linksIdle", status.LinksIdle);
        Put(written, "mtu", status.Mtu);
        if (status.Protocol is { } protocol)
        {
            written["protocol"] = new JsonObject
            {
                ["version"] = protocol.Version,
                ["nodes"] = protocol.Nodes,
                ["readyNodes"] = protocol.ReadyNodes,
            };
        }

        return written;
    }

    // conditions of other types are somebody else's; and a peer that is used now and then, or not by all, is ready all the time
    private static bool SameConditions(List<Condition> stored, List<Condition> wanted) => wanted.All(ours =>
        stored.Find(one => one.Type == ours.Type) is { } known && known.Status == ours.Status
        && known.ObservedGeneration == ours.ObservedGeneration
        && (known.Reason == ours.Reason || ours is { Type: "Ready", Status: "True" }));

    private static bool SameMessages(List<Condition> stored, List<Condition> wanted) => wanted.All(ours =>
        stored.Find(one => one.Type == ours.Type) is { } known && known.Reason == ours.Reason && known.Message == ours.Message);

    private static JsonArray Conditions(List<Condition> conditions) => new([.. conditions.Select(condition => (JsonNode)new JsonObject
    {
        ["type"] = condition.Type,
        ["status"] = condition.Status,
        ["reason"] = condition.Reason,
        ["message"] = condition.Message,
        ["observedGeneration"] = condition.ObservedGeneration,
        ["lastTransitionTime"] = Text(condition.LastTransitionTime!.Value),
    })]);

    // kubectl would show an empty list as []
    private static JsonArray? Texts(List<string> texts) => texts.Count == 0 ? null : new([.. texts.Select(text => (JsonNode)text)]);

    private static string Text(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static void Put(JsonObject written, string name, JsonNode? value)
    {
        if (value is not null)
            written[name] = value;
    }
}
