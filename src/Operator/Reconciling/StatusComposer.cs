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
/// Says how every peer and the mesh are: pure. A time of transition moves only with the status of its condition; everything else is equal as long
/// as it says the same.
/// </summary>
internal sealed class StatusComposer
{
    /// <summary>So many are named; the others are a number.</summary>
    private const int MostNamed = 3;

    /// <summary>What the schema has room for.</summary>
    private const int MostConflicts = 256, MostVersions = 64;

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
        var connected = inputs.Agents.Where(agent => agent.Value.IsConnected && !inputs.Newcomers.Contains(agent.Key)
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
            if (inputs.View.Peers.TryGetValue(outcome.Name, out var peer) && IsAbout(outcome, peer))
                peers[outcome.Name] = composer.PeerOf(outcome, peer);
            else if (outcome.Node is { } node)
                composer._notReady.Add((node, "it has no WireGuardPeer"));
        }

        return new StatusSet(peers, inputs.View.Mesh is null ? null : composer.Mesh());
    }

    /// <summary>Whether the object is what the outcome is about: people's peer may have the name of a node.</summary>
    private static bool IsAbout(PeerOutcome outcome, StoredPeer peer) =>
        peer.Owner is not null ? outcome.Node == peer.Name
        : outcome.Node is null || peer.Record?.NodeName == outcome.Node;

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
            _notReady.Add((node, ready.Message!));

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
            return New("Programmed", "True", "Programmed", $"{Of(_connected, _connected, "has", "have")} applied it.");

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
            if (report.Errors is [var first, ..])
            {
                return New("Ready", "False", "AgentFailed", report.Errors.Length == 1
                    ? $"The node's agent reports: {first}"
                    : $"The node's agent reports {Number(report.Errors.Length)} errors; the first: {first}");
            }
        }
        else if (programmed.Status != "True")
        {
            return New("Ready", "False", "NotProgrammed", programmed.Message!);
        }

        return (tally.Up, tally.Down) switch
        {
            (0, 0) => New("Ready", "True", "Idle", sessions),
            (0, _) => New("Ready", "False", "Unreachable", sessions),
            (_, 0) => New("Ready", "True", "Connected", sessions),
            _ => New("Ready", "True", "PartlyConnected", sessions),
        };
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

    private WireGuardMeshStatus Mesh()
    {
        var (view, plan, stored) = (_inputs.View, _inputs.Plan, _inputs.StoredMesh);
        var generation = view.State.Mesh.Generation;
        var before = stored?.Conditions ?? [];
        var isEarly = !_inputs.HaveAgentsHadTime && stored is not null;
        var accepted = view.MeshProblems.IsEmpty
            ? New("Accepted", "True", "Accepted", "The settings are in effect.")
            : New("Accepted", "False", PeerReason.Invalid, Sentences(view.MeshProblems));
        var connected = _inputs.Agents.Where(agent => agent.Value.IsConnected && plan.Nodes.ContainsKey(agent.Key)).Select(agent => agent.Value).ToList();
        var knowsLess = isEarly && stored!.LinksUp + stored.LinksDown + stored.LinksIdle > _links.Up + _links.Down + _links.Idle;
        var mtus = connected.Select(agent => agent.Report?.Mtu ?? 0).Where(mtu => mtu > 0).ToList();
        var spoken = plan.Nodes.Values.Where(node => node.PublicKey is not null).Select(node => node.Versions).Where(versions => !versions.IsEmpty).ToList();
        var version = plan.Protocol?.Version ?? (spoken.Count > 0 ? spoken.Max(versions => versions.Newest) : 0);
        var status = new WireGuardMeshStatus
        {
            Conditions =
            [
                Dated(accepted, generation, before),
                Dated(Unless(isEarly, MeshReady(), generation, before), generation, before),
            ],
            ObservedGeneration = generation,
            Nodes = _nodes,
            LinksUp = knowsLess ? stored!.LinksUp : _links.Up,
            LinksDown = knowsLess ? stored!.LinksDown : _links.Down,
            LinksIdle = knowsLess ? stored!.LinksIdle : _links.Idle,
            Mtu = mtus.Count > 0 ? (int)mtus.Min() : stored?.Mtu,
            Protocol = version == 0 ? null : new ProtocolStatus
            {
                Version = (int)version,
                Nodes = spoken.Count,
                ReadyNodes = spoken.Count(versions => versions.Contains(version)),
            },
            AgentVersions = knowsLess ? stored!.AgentVersions
                : [.. connected.Select(agent => agent.Hello.Version).Distinct().Order(StringComparer.Ordinal).Take(MostVersions)],
            Conflicts = [.. plan.Conflicts.Take(MostConflicts)],
        };
        if (plan.Conflicts.Length > MostConflicts)
            status.Conflicts[^1] = $"... and {Number(plan.Conflicts.Length - MostConflicts + 1)} more";
        return status;
    }

    private Condition MeshReady()
    {
        if (_nodes == 0)
            return New("Ready", "Unknown", "NoNodes", "The cluster has no nodes.");
        if (_notReady.Count == 0)
            return New("Ready", "True", "Ready", _nodes == 1 ? "The node is ready." : $"All {Number(_nodes)} nodes are ready.");

        var ready = _nodes - _notReady.Count;
        var (node, why) = _notReady[0];
        var message = $"{Of(ready, _nodes, "is", "are")} ready; {node}: {why.TrimEnd('.')}";
        if (_notReady.Count > 1)
            message += $"; and {Named([.. _notReady.Skip(1).Take(MostNamed).Select(other => other.Node)], _notReady.Count - 1)}";
        return New("Ready", "False", "NodesNotReady", message + ".");
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
