using System.Collections.Immutable;
using System.Text.Json;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>Label sets that device and peers have in common.</summary>
internal static class MetricLabels
{
    /// <summary>Every reason to drop something, and its label.</summary>
    public static readonly ImmutableArray<(DropReason Reason, KeyValuePair<string, object?> Label)> Reasons =
        [.. Enum.GetValues<DropReason>().Where(reason => reason != DropReason.None).Select(reason => (reason, Named("reason", reason)))];

    /// <summary>Every state of a link, and its label.</summary>
    public static readonly ImmutableArray<(PeerLink State, KeyValuePair<string, object?> Label)> LinkStates =
        [.. Enum.GetValues<PeerLink>().Select(state => (state, Named("state", state)))];

    /// <summary>Every way in which a handshake ends, by our role in it.</summary>
    public static readonly ImmutableArray<(KeyValuePair<string, object?> Role, KeyValuePair<string, object?> Result, Func<PeerCounters, long> Count)> Handshakes =
    [
        (new("role", "initiator"), new("result", "completed"), counters => counters.CompletedAsInitiator),
        (new("role", "initiator"), new("result", "failed"), counters => counters.FailedAsInitiator),
        (new("role", "initiator"), new("result", "given_up"), counters => counters.GivenUp),
        (new("role", "responder"), new("result", "completed"), counters => counters.CompletedAsResponder),
        (new("role", "responder"), new("result", "failed"), counters => counters.FailedAsResponder),
    ];

    private static KeyValuePair<string, object?> Named<T>(string label, T value)
        where T : struct, Enum => new(label, JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()));
}
