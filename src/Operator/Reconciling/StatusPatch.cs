using System.Globalization;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Reconciling;

/// <summary>What the status writer owns of a status: how it compares, and how it is written.</summary>
internal static class StatusPatch
{
    /// <summary>Whether the two say the same.</summary>
    public static bool Same(WireGuardPeerStatus left, WireGuardPeerStatus right) =>
        SameInEssence(left, right) && SameMessages(left.Conditions, right.Conditions)
        && left.Endpoint == right.Endpoint && left.LastHandshakeTime == right.LastHandshakeTime && left.ConnectedNodes == right.ConnectedNodes;

    /// <summary>Whether what people and programs wait for is the same: counters, times (but the first) and the words of messages may differ.</summary>
    public static bool SameInEssence(WireGuardPeerStatus left, WireGuardPeerStatus right) =>
        SameConditions(left.Conditions, right.Conditions) && left.ObservedGeneration == right.ObservedGeneration
        && left.Addresses.SequenceEqual(right.Addresses, StringComparer.Ordinal)
        // whoever has just made a peer looks whether it is connected
        && left.LastHandshakeTime is null == right.LastHandshakeTime is null && left.ConnectedNodes is null == right.ConnectedNodes is null;

    /// <inheritdoc cref="Same(WireGuardPeerStatus, WireGuardPeerStatus)"/>
    public static bool Same(WireGuardMeshStatus left, WireGuardMeshStatus right) =>
        SameInEssence(left, right) && SameMessages(left.Conditions, right.Conditions)
        && left.LinksUp == right.LinksUp && left.LinksDown == right.LinksDown && left.LinksIdle == right.LinksIdle && left.Mtu == right.Mtu
        && left.AgentVersions.SequenceEqual(right.AgentVersions, StringComparer.Ordinal);

    /// <inheritdoc cref="SameInEssence(WireGuardPeerStatus, WireGuardPeerStatus)"/>
    public static bool SameInEssence(WireGuardMeshStatus left, WireGuardMeshStatus right) =>
        SameConditions(left.Conditions, right.Conditions) && left.ObservedGeneration == right.ObservedGeneration
        && left.Nodes == right.Nodes && left.Protocol?.Version == right.Protocol?.Version
        && left.Protocol?.Nodes == right.Protocol?.Nodes && left.Protocol?.ReadyNodes == right.Protocol?.ReadyNodes
        && left.Conflicts.SequenceEqual(right.Conflicts, StringComparer.Ordinal);

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

    // a peer that is used now and then is ready all the time
    private static bool SameConditions(List<Condition> left, List<Condition> right) =>
        left.Count == right.Count && left.Zip(right).All(pair =>
            pair.First.Type == pair.Second.Type && pair.First.Status == pair.Second.Status
            && pair.First.ObservedGeneration == pair.Second.ObservedGeneration
            && (pair.First.Reason == pair.Second.Reason || (IsGood(pair.First) && IsGood(pair.Second))));

    private static bool IsGood(Condition condition) => condition is { Type: "Ready", Status: "True", Reason: "Idle" or "Connected" };

    private static bool SameMessages(List<Condition> left, List<Condition> right) =>
        left.Zip(right).All(pair => pair.First.Reason == pair.Second.Reason && pair.First.Message == pair.Second.Message);

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
