using System.Collections.Immutable;
using System.Globalization;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Reconciling;

/// <summary>Everything that the status of all objects is made from.</summary>
internal sealed record StatusInputs
{
    public required MeshPlan Plan { get; init; }

    public required ClusterView View { get; init; }

    /// <summary>By node name.</summary>
    public required ImmutableDictionary<string, AgentStatus> Agents { get; init; }

    /// <summary>Nodes whose agents have only just connected and applied nothing yet.</summary>
    public required IReadOnlySet<string> Newcomers { get; init; }

    public required DateTimeOffset Now { get; init; }

    /// <summary>If not, an agent that is not connected may be about to come: what was known before stays.</summary>
    public required bool HaveAgentsHadTime { get; init; }

    /// <summary>The revision of the plan in which what became of a peer last changed.</summary>
    public required Func<PeerOutcome, ulong> ChangedIn { get; init; }

    /// <summary>The status of a peer that is stored, by its name; null: none.</summary>
    public required Func<string, WireGuardPeerStatus?> Stored { get; init; }

    /// <summary>That of the mesh.</summary>
    public required WireGuardMeshStatus? StoredMesh { get; init; }
}

/// <summary>The status that objects are to have, without what others than the status writer own of it.</summary>
/// <param name="Peers">By name.</param>
/// <param name="Mesh">Null: there is no object to have it.</param>
internal sealed record StatusSet(IReadOnlyDictionary<string, WireGuardPeerStatus> Peers, WireGuardMeshStatus? Mesh);

/// <summary>
/// Says how every peer and the mesh (StatusComposer.Mesh.cs) are: pure. A time of transition moves only with the status of its condition;
/// everything else is equal as long as it says the same.
/// </summary>
internal sealed partial class StatusComposer
{
    /// <summary>The reason why a node is not ready whose agent cannot do all that it should.</summary>
    public const string AgentFailed = "AgentFailed";

    /// <summary>So many are named; the others are a number.</summary>
    private const int MostNamed = 3;

    /// <summary>So many faults of a node are told, one after the other.</summary>
    private const int MostFaults = 8;

    private readonly StatusInputs _inputs;
    private readonly LinkTally _links;
    private readonly DateTimeOffset _latest; // what is later has not been
    private readonly List<(string Node, ulong Revision)> _lagging; // agents that have not applied all, the furthest behind first
    private readonly int _connected; // agents that the plan has something for
    private readonly ulong _newest; // that any agent has applied
    private readonly List<(string Node, string Reason)> _notReady = [];
    private int _nodes;

    private StatusComposer(StatusInputs inputs)
    {
        _inputs = inputs;
        _latest = inputs.Now + LinkTally.MostAhead;
        _links = LinkTally.Of(inputs.Plan, inputs.Agents, inputs.Now);
        // one whose key the plan does not have is sent nothing, for ever perhaps: that says nothing of anybody's peer
        // nor does one whose node has released: it applies nothing any more
        var connected = inputs.Agents.Where(agent => agent.Value is { IsConnected: true, Report: not { Released: true } }
            && !inputs.Newcomers.Contains(agent.Key)
            && inputs.Plan.Nodes.TryGetValue(agent.Key, out var node) && node.PublicKey == agent.Value.Hello.PublicKey).ToList();
        _connected = connected.Count;
        _newest = connected.Count == 0 ? 0 : connected.Max(agent => agent.Value.CurrentRevision);
        _lagging = [.. connected.Where(agent => agent.Value.CurrentRevision < _newest)
            .Select(agent => (agent.Key, agent.Value.CurrentRevision))
            .OrderBy(agent => agent.CurrentRevision).ThenBy(agent => agent.Key, StringComparer.Ordinal)];
    }

    /// <summary>The status of everything.</summary>
    public static StatusSet Compose(StatusInputs inputs)
    {
        var composer = new StatusComposer(inputs);
        var peers = new Dictionary<string, WireGuardPeerStatus>(StringComparer.Ordinal);
        foreach (var outcome in inputs.Plan.Outcomes)
        {
            if (outcome.Node is not null)
                composer._nodes++;
            if (inputs.View.Peers.TryGetValue(outcome.Name, out var peer) && composer.IsAbout(outcome, peer))
                peers[outcome.Name] = composer.PeerOf(outcome, peer);
            else if (outcome.Node is { } node)
                composer._notReady.Add((node, "it has no WireGuardPeer"));
        }

        return new StatusSet(peers, inputs.View.Mesh is null ? null : composer.Mesh());
    }

    /// <summary>
    /// Whether the object is what the outcome is about: the peer of a node is the one that the operator made, or the one that pins its key; another
    /// of people's may have its name.
    /// </summary>
    private bool IsAbout(PeerOutcome outcome, StoredPeer peer) =>
        outcome.Node is not { } node ? peer.Owner is null
        : peer.Owner is not null ? node == peer.Name
        : _inputs.Plan.Nodes[node].PinnedBy == peer.Name;

    private WireGuardPeerStatus PeerOf(PeerOutcome outcome, StoredPeer peer)
    {
        var stored = _inputs.Stored(outcome.Name);
        var before = stored?.Conditions ?? [];
        var generation = outcome.Generation > 0 ? outcome.Generation : peer.Generation;
        var tally = _links[outcome.Name];
        var accepted = Accepted(outcome);
        var programmed = Programmed(outcome);
        var ready = Ready(outcome, programmed, tally);
        if (outcome.Node is { } node && ready.Status != "True")
        {
            var faults = ready.Reason == AgentFailed ? _inputs.Agents[node].Report!.Errors : [];
            _notReady.Add((node, faults.Length > 1 ? $"its agent reports {Number(faults.Length)} errors; the first: {faults[0]}" : ready.Message!));
        }

        var isEarly = !_inputs.HaveAgentsHadTime && stored is not null;
        var handshake = tally.LastHandshake == 0 ? (DateTimeOffset?)null : DateTimeOffset.FromUnixTimeSeconds(tally.LastHandshake);
        return new WireGuardPeerStatus
        {
            Conditions =
            [
                Dated(accepted, generation, before),
                Dated(Unless(isEarly, programmed, generation, before), generation, before),
                Dated(Unless(isEarly && outcome.IsServed && !HasReported(outcome.Node), ready, generation, before), generation, before),
            ],
            ObservedGeneration = generation,
            Addresses = [.. outcome.Addresses.Take(256)],
            // agents forget theirs when they start
            LastHandshakeTime = stored?.LastHandshakeTime is { } known && known <= _latest && !(known < handshake) ? known : handshake,
            Endpoint = tally.Endpoint.Length > 0 ? tally.Endpoint : stored?.Endpoint,
            ConnectedNodes = !outcome.IsServed ? null
                : isEarly && tally.Up + tally.Down == 0 && stored!.ConnectedNodes is { } counted ? counted
                : $"{tally.Up}/{tally.Up + tally.Down}",
        };
    }

    private static Condition Accepted(PeerOutcome outcome) => outcome.Admission switch
    {
        PeerAdmission.Refused => New("Accepted", "False", outcome.Reason, Sentences(outcome.Messages)),
        PeerAdmission.Waiting => New("Accepted", "Unknown", outcome.Reason,
            Sentences(outcome.Messages.Insert(0, "the node's agent has not announced a key yet"))),
        PeerAdmission.PartlyAccepted => New("Accepted", "True", outcome.Reason, Sentences(outcome.Messages)),
        _ => New("Accepted", "True", outcome.Reason, "It is part of the mesh."),
    };

    private Condition Programmed(PeerOutcome outcome)
    {
        if (!outcome.IsServed)
            return New("Programmed", "False", NotServed(outcome), "No node has it: see the condition Accepted.");
        if (_connected == 0)
            return New("Programmed", "False", "NoAgents", "No agent is connected that has a configuration.");

        var wanted = _inputs.ChangedIn(outcome);
        var behind = wanted > _newest ? _connected : _lagging.FindLastIndex(agent => agent.Revision < wanted) + 1;
        if (behind == 0)
        {
            return New("Programmed", "True", "Programmed",
                $"{Of(_connected, _connected, "has", "have")} applied it{(HasNothing(outcome) ? "; no prefix is routed to it" : "")}.");
        }

        var message = $"{Of(_connected - behind, _connected, "has", "have")} applied it";
        if (wanted <= _newest)
            message += $"; waiting for {Named([.. _lagging.Take(Math.Min(behind, MostNamed)).Select(agent => agent.Node)], behind)}";
        return New("Programmed", "False", "Pending", message + ".");
    }

    private Condition Ready(PeerOutcome outcome, Condition programmed, PeerTally tally)
    {
        if (!outcome.IsServed)
        {
            return New("Ready", "False", NotServed(outcome), outcome.Admission == PeerAdmission.Waiting
                ? "The node's agent has not announced a key yet."
                : "It is not part of the mesh: see the condition Accepted.");
        }

        var sessions = Sessions(tally);
        if (outcome.Node is { } node)
        {
            if (!_inputs.Agents.TryGetValue(node, out var agent) || !agent.IsConnected)
                return New("Ready", "False", "AgentNotConnected", $"The node's agent is not connected to the operator. {sessions}");
            if (agent.Report is not { } report)
                return New("Ready", "False", "AgentStarting", "The node's agent is connected and has not reported yet.");
            if (!report.Errors.IsEmpty)
                return New("Ready", "False", AgentFailed, Faults(report.Errors));
            if (report.Released)
            {
                return New("Ready", "False", "Released", _inputs.Plan.Settings.Released
                    ? "Nothing of the mesh is left on the node."
                    : "Nothing of the mesh is left on the node, as was asked for before; it takes part again when its agent is started anew.");
            }
        }

        if (HasNothing(outcome))
            return New("Ready", "False", "NothingToReach", "No prefix is routed to it, for it got none: see the condition Accepted.");
        if (outcome.Node is null && programmed.Status != "True")
            return New("Ready", "False", "NotProgrammed", programmed.Message!);

        return (tally.Up, tally.Down) switch
        {
            (0, 0) => New("Ready", "True", "Idle", sessions),
            (0, _) => New("Ready", "False", "Unreachable", sessions),
            (_, 0) => New("Ready", "True", "Connected", sessions),
            _ => New("Ready", "True", "PartlyConnected", sessions),
        };
    }

    /// <summary>Whether it lost all that it asked for; one that asked for nothing is about to be given an address.</summary>
    private static bool HasNothing(PeerOutcome outcome) => outcome is { Admission: PeerAdmission.PartlyAccepted, AllowedIps.IsEmpty: true };

    private static string Faults(ImmutableArray<string> faults)
    {
        if (faults is [var only])
            return $"The node's agent reports: {only}";

        var told = string.Join("; ", faults.Take(MostFaults).Select(fault => fault.TrimEnd('.')));
        return $"The node's agent reports {Number(faults.Length)} errors: {told}{(faults.Length > MostFaults ? $"; and {Number(faults.Length - MostFaults)} more" : "")}.";
    }

    private static string NotServed(PeerOutcome outcome) => outcome.Admission == PeerAdmission.Waiting ? "Waiting" : "NotAccepted";

    /// <summary>"2 of 3 nodes have a live session; node3: no answer since 2026-11-01 14:02 UTC."</summary>
    private static string Sessions(PeerTally tally)
    {
        var wanted = tally.Up + tally.Down;
        if (wanted == 0)
            return "No node has or wants a session: there is no traffic.";

        var text = $"{Of(tally.Up, wanted, "has", "have")} a live session";
        var named = 0;
        foreach (var (node, lastHandshake) in tally.DownNodes)
        {
            named++;
            text += lastHandshake == 0
                ? $"; {node}: never an answer"
                : $"; {node}: no answer since {DateTimeOffset.FromUnixTimeSeconds(lastHandshake).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)} UTC";
        }

        return text + (tally.Down > named ? $"; and {Number(tally.Down - named)} more without an answer." : ".");
    }

    private bool HasReported(string? node) =>
        node is not null && _inputs.Agents.TryGetValue(node, out var agent) && agent is { IsConnected: true, Report: not null };

    /// <summary>A new leader knows less than the one before, for a while: what was true of the same spec is not false for that.</summary>
    private static Condition Unless(bool isEarly, Condition now, long generation, List<Condition> stored) =>
        isEarly && now.Status != "True"
        && stored.Find(condition => condition.Type == now.Type) is { Status: "True" } before && before.ObservedGeneration == generation
            ? before
            : now;

    private Condition Dated(Condition condition, long generation, List<Condition> stored)
    {
        var before = stored.Find(one => one.Type == condition.Type);
        return new Condition
        {
            Type = condition.Type,
            Status = condition.Status,
            Reason = condition.Reason,
            Message = condition.Message,
            ObservedGeneration = generation,
            LastTransitionTime = before?.Status == condition.Status && before.LastTransitionTime is { } since ? since : Seconds(_inputs.Now),
        };
    }

    private static Condition New(string type, string status, string reason, string message) =>
        new() { Type = type, Status = status, Reason = reason, Message = message.Length <= 32768 ? message : message[..32760] + "..." };

    private static string Sentences(ImmutableArray<string> messages) =>
        messages.IsEmpty ? "" : string.Join("; ", messages.Select(message => message.TrimEnd('.'))) + ".";

    private static string Named(IReadOnlyCollection<string> names, int all) =>
        string.Join(", ", names) + (all > names.Count ? $" and {Number(all - names.Count)} more" : "");

    /// <summary>"1 of 3 nodes has".</summary>
    private static string Of(int some, int all, string one, string several) =>
        $"{Number(some)} of {Number(all)} {(all == 1 ? "node" : "nodes")} {(some == 1 || all == 1 ? one : several)}";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    // as the API server has it
    private static DateTimeOffset Seconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
