using System.Collections.Immutable;
using System.Text.Json.Serialization;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.Telemetry;

/// <summary>What <c>/readyz</c> answers.</summary>
/// <param name="Ready">Whether a configuration is in force: packets go where they should, with or without an operator.</param>
/// <param name="Reason">Why not; null: it is ready.</param>
/// <param name="Node">Name of this node.</param>
/// <param name="Operator">How it stands with the operator.</param>
/// <param name="Revision">Of the configuration in force; null: none.</param>
/// <param name="Source"><c>operator</c>, <c>cache</c> or <c>none</c>.</param>
/// <param name="Links">The tunnels.</param>
/// <param name="Errors">What was refused or could not be carried out, one sentence each.</param>
internal sealed record Readiness(
    bool Ready, string? Reason, string Node, OperatorReadiness Operator, ulong? Revision, string Source, LinkReadiness Links, ImmutableArray<string> Errors)
{
    internal static Readiness Of(string node, AgentState state, DeviceSnapshot device) => new(
        state.Applied is not null && !state.Released,
        state.Released ? "The node was released: nothing of the mesh is left on it until its agent is started again."
            : state.Applied is null ? "No configuration is in force yet."
            : null,
        node,
        new OperatorReadiness(state.OperatorAddress, state.Operator switch
        {
            OperatorConnection.Connected => "connected",
            OperatorConnection.Refused => "refused",
            _ => "disconnected",
        }, state.OperatorError),
        state.Applied?.Revision,
        state.Applied switch { null => "none", { FromCache: true } => "cache", _ => "operator" },
        new LinkReadiness(device.Peers.Count(p => p.Link == PeerLink.Up), device.Peers.Length),
        state.Errors);
}

/// <param name="Address">That was called last; null: none yet.</param>
/// <param name="State"><c>connected</c>, <c>disconnected</c>, or <c>refused</c>: a matter of tokens or names.</param>
/// <param name="LastError">Why the newest call failed; null: it did not.</param>
internal sealed record OperatorReadiness(string? Address, string State, string? LastError);

/// <param name="Up">With a live session, and a peer that answers.</param>
/// <param name="Total">Peers of this node.</param>
internal sealed record LinkReadiness(int Up, int Total);

[JsonSerializable(typeof(Readiness))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
internal sealed partial class ReadinessJson : JsonSerializerContext;
