using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.Reconciling;

/// <summary>Why the mesh is as it is, in one word for programs: reasons of its conditions.</summary>
internal static class MeshReason
{
    /// <summary>Ready is False: nodes were asked to release, and some that are connected have not yet.</summary>
    public const string Releasing = "Releasing";

    /// <summary>Ready is False: all nodes whose agents are connected have released; the others could not be asked.</summary>
    public const string PartlyReleased = "PartlyReleased";

    /// <summary>Ready is False: all nodes have released, as they were asked.</summary>
    public const string Released = "Released";

    /// <summary>FailClosed is True.</summary>
    public const string PolicyClosed = "PolicyClosed";

    /// <summary>FailClosed is False.</summary>
    public const string PolicyOpen = "PolicyOpen";
}

// How the mesh is.
internal sealed partial class StatusComposer
{
    /// <summary>What the schema has room for.</summary>
    private const int MostConflicts = 256, MostVersions = 64;

    /// <summary>So many nodes are named that have not released: somebody may have to go there.</summary>
    private const int MostReleasing = 100;

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
                Dated(plan.Settings.Released ? Released() : Unless(isEarly, MeshReady(), generation, before), generation, before),
                Dated(FailClosed(), generation, before),
            ],
            ObservedGeneration = generation,
            Nodes = _nodes,
            ReleasedNodes = plan.Settings.Released ? plan.Nodes.Keys.Count(HasReleased) : null,
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
        var faulty = _inputs.Agents.Count(agent => agent.Value.HasFaults && _inputs.Plan.Nodes.ContainsKey(agent.Key));
        if (faulty > 0)
            message += $"; the {(faulty == 1 ? "agent of 1 node reports" : $"agents of {Number(faulty)} nodes report")} errors";
        return New("Ready", "False", "NodesNotReady", message + ".");
    }

    /// <summary>How far nodes are with what an uninstall asks of them.</summary>
    private Condition Released()
    {
        var nodes = _inputs.Plan.Nodes.Keys;
        var waiting = nodes.Where(node => IsConnected(node) && !HasReleased(node)).ToList();
        var away = nodes.Where(node => !IsConnected(node)).ToList();
        var message = _nodes == 0 ? "The cluster has no nodes" : $"{Of(_nodes - waiting.Count - away.Count, _nodes, "has", "have")} released";
        if (waiting.Count > 0)
            message += $"; waiting for {Named([.. waiting.Take(MostReleasing)], waiting.Count)}";
        if (away.Count > 0)
            message += $"; no agent is connected of {Named([.. away.Take(MostReleasing)], away.Count)}";
        // those that are not connected may be about to come
        var reason = waiting.Count > 0 || (away.Count > 0 && !_inputs.HaveAgentsHadTime) ? MeshReason.Releasing
            : away.Count > 0 ? MeshReason.PartlyReleased
            : MeshReason.Released;
        return New("Ready", "False", reason, message + ".");
    }

    private Condition FailClosed() => _inputs.Plan.Settings.FailurePolicy == Rpc.FailurePolicy.Closed
        ? New("FailClosed", "True", MeshReason.PolicyClosed, "A packet for the mesh leaves a node encrypted or not at all.")
        : New("FailClosed", "False", MeshReason.PolicyOpen,
            "spec.failurePolicy is Open: while there is no tunnel for it, a packet for the mesh leaves its node unencrypted. Closed drops it.");

    private bool IsConnected(string node) => _inputs.Agents.TryGetValue(node, out var agent) && agent.IsConnected;

    private bool HasReleased(string node) => IsConnected(node) && _inputs.Agents[node].Report is { Released: true };
}
