using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using Endpoint = WgMesh.Engine.Endpoint;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// Keeps a WireGuardPeer for every node, with what its agent announced: made with the node, gone with it, made anew with a node that was made
/// anew. A node whose key people pin has their peer instead.
/// </summary>
internal sealed class NodePeers(
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    AgentRegistry agents,
    ApiWriter api,
    EventRecorder events,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    private const int Workers = 4;

    /// <summary>Agents and objects come in crowds.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly WorkQueue<string> _queue = new(time);
    private readonly ConcurrentDictionary<string, string> _remade = new(StringComparer.Ordinal); // the uid of what could not be used, by name
    private readonly ConcurrentDictionary<string, string> _kept = new(StringComparer.Ordinal);   // endpoints that people wrote, by name
    private readonly ConcurrentDictionary<string, string> _pinned = new(StringComparer.Ordinal); // by whom nodes are known to be pinned

    /// <summary>Works until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => Together.RunAsync(
        cancellationToken,
        FollowObjectsAsync,
        FollowPinsAsync,
        FollowAgentsAsync,
        ended => _queue.RunAsync(Workers, ReconcileAsync, Failed, ended));

    private async Task FollowObjectsAsync(CancellationToken cancellationToken)
    {
        for (var (before, view) = (ClusterView.Empty, cluster.View.Value); ;
             (before, view) = (view, await cluster.View.NextAsync(view, cancellationToken)))
        {
            AddDifferences(before.Nodes, view.Nodes, _ => null);
            AddDifferences(before.Peers, view.Peers, peer => peer.Record?.NodeName); // a pin is about another name
            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    private async Task FollowPinsAsync(CancellationToken cancellationToken)
    {
        var none = ImmutableSortedDictionary.Create<string, NodePlan>(StringComparer.Ordinal);
        for (var (before, published) = (none, plans.Value); ;
             (before, published) = (published.Plan.Nodes, await plans.NextAsync(published, cancellationToken)))
        {
            foreach (var (name, node) in published.Plan.Nodes)
            {
                if (before.GetValueOrDefault(name)?.PinnedBy != node.PinnedBy)
                    _queue.Add(name);
            }

            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    private async Task FollowAgentsAsync(CancellationToken cancellationToken)
    {
        var none = ImmutableDictionary.Create<string, AgentStatus>(StringComparer.Ordinal);
        for (var (before, now) = (none, agents.Agents.Value); ;
             (before, now) = (now, await agents.Agents.NextAsync(now, cancellationToken)))
        {
            foreach (var (name, agent) in now)
            {
                if (agent.IsConnected
                    && !(before.TryGetValue(name, out var known) && known.IsConnected && ReferenceEquals(known.Hello, agent.Hello)))
                    _queue.Add(name);
            }

            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    private void AddDifferences<T>(
        ImmutableDictionary<string, T> before, ImmutableDictionary<string, T> after, Func<T, string?> about) where T : class
    {
        if (ReferenceEquals(before, after))
            return;

        foreach (var (name, item) in after)
        {
            if (!ReferenceEquals(before.GetValueOrDefault(name), item))
                Add(name, item);
        }

        foreach (var (name, item) in before)
        {
            if (!after.ContainsKey(name))
                Add(name, item);
        }

        void Add(string name, T item)
        {
            _queue.Add(name);
            if (about(item) is { } other)
                _queue.Add(other);
        }
    }

    private async Task ReconcileAsync(string name, CancellationToken cancellationToken)
    {
        var view = cluster.View.Value;
        var (node, peer) = (view.Nodes.GetValueOrDefault(name), view.Peers.GetValueOrDefault(name));
        if (peer is { Owner: not null, Object.Metadata.DeletionTimestamp: not null })
            return; // when it is gone, its name comes again

        // a peer that the schema of today does not take could not be written either: its node's agent tells it all anew; once, for it may not help
        if (peer is { Owner: not null } && (node is null || !peer.IsOf(node) || (peer.Spec is null && _remade.TryAdd(name, peer.Uid))))
        {
            // the informers do not keep step; when that of the nodes has caught up, the name comes again
            if ((node is null || !peer.IsOf(node)) && await api.FindNodeAsync(name, cancellationToken) is { } found && peer.IsOf(found)
                && !found.IsOutside())
                return;

            await api.DeleteNodePeerAsync(peer, cancellationToken);
            Log.NodePeerDeleted(logger, name, node is null ? "its node is gone, or does not run Linux" : peer.IsOf(node) ? "it cannot be used" : "its node was made anew");
            return;
        }

        if (node is null)
        {
            _kept.TryRemove(name, out _);
            _pinned.TryRemove(name, out _);
            return;
        }

        if (IsPinned(name, view, out var pin))
        {
            if (pin is not null)
                TellOfPin(node, pin);
            if (peer is { Owner: not null } && pin is not null && HasAddressesOf(pin, peer))
            {
                await api.DeleteNodePeerAsync(peer, cancellationToken);
                Log.NodePeerDeleted(logger, name, $"WireGuardPeer {pin.Name} pins the node's key");
            }

            return;
        }

        _pinned.TryRemove(name, out _);
        if (peer is null)
            await CreateAsync(node, cancellationToken);
        else if (peer is { Owner: not null, Spec: not null })
            await ApplyAsync(peer, cancellationToken);
        else if (peer is { Owner: null, Record: { HasKey: false } record } && record.NodeName == name)
            events.Record(node, isWarning: true, PeerReason.Invalid,
                $"WireGuardPeer {name} takes the place of this node's and has no spec.publicKey: write one, or delete it, so that the node can join the mesh");
        else if (peer.Owner is null && peer.Record?.NodeName != name)
            events.Record(node, isWarning: true, PeerReason.NameTaken,
                $"WireGuardPeer {name} is not this node's, and takes its name: give it another name, so that the node can join the mesh");
    }

    /// <summary>Whether people's peer stands for the node, or may: it is the planner who decides, and it may not have yet.</summary>
    private bool IsPinned(string node, ClusterView view, out StoredPeer? pin)
    {
        pin = null;
        if (!plans.Value.Plan.Nodes.TryGetValue(node, out var plan))
            return view.State.Peers.Any(peer => peer.NodeName == node && peer.HasKey);
        if (plan.PinnedBy is not { } name)
            return false;

        pin = view.Peers.GetValueOrDefault(name) is { Record: { } record } found && record.NodeName == node ? found : null;
        return true;
    }

    // who pins a node gets what the others send to it: whoever looks at the node is to see that. Once, and not with each of its heartbeats
    private void TellOfPin(Node node, StoredPeer pin)
    {
        var key = pin.Record!.PublicKey.ToString();
        var told = $"{pin.Uid} {key}";
        if (_pinned.TryGetValue(node.Metadata.Name, out var before) && before == told)
            return;
        _pinned[node.Metadata.Name] = told;
        events.Record(node, isWarning: false, "KeyPinned",
            $"WireGuardPeer {pin.Name} pins this node's key to {key}: the mesh takes no other from the node's agent, and sends to who holds it");
    }

    // nothing renumbers: the addresses are moved first
    private static bool HasAddressesOf(StoredPeer pin, StoredPeer own) => own.Allocated.All(pin.Allocated.Contains);

    private async Task CreateAsync(Node node, CancellationToken cancellationToken)
    {
        var created = await api.CreateNodePeerAsync(node, cancellationToken);
        Log.NodePeerCreated(logger, node.Metadata.Name);
        if (AnnouncedBy(node.Metadata.Name) is { } hello)
            await api.ApplyNodePeerAsync(created.Metadata, SpecOf(hello), cancellationToken);
    }

    private async Task ApplyAsync(StoredPeer peer, CancellationToken cancellationToken)
    {
        // what nobody says now was said by an agent that is away
        if (AnnouncedBy(peer.Name) is not { } hello)
            return;

        var key = hello.PublicKey.ToString();
        var spec = peer.Spec!;
        var endpoint = EndpointOf(hello)?.ToString();
        var stored = spec.Endpoint?.ToString();
        if (spec.PublicKey == key && (stored == endpoint || (endpoint is null && _kept.TryGetValue(peer.Name, out var kept) && kept == stored))
            && spec.ProtocolVersions.SequenceEqual(hello.Versions.Numbers.Select(version => (int)version)))
            return;

        var written = await api.ApplyNodePeerAsync(peer.Object.Metadata, SpecOf(hello), cancellationToken);
        // what is still there is somebody else's field: their endpoint holds for as long as the agent announces none
        if (endpoint is null && written.ReadPeer((_, _) => { })?.Endpoint?.ToString() is { } theirs)
            _kept[peer.Name] = theirs;
        else
            _kept.TryRemove(peer.Name, out _);
        if (spec.PublicKey is not { } before || before == key)
            return;
        events.Record(peer.Object, isWarning: false, "KeyChanged", $"The agent of node {peer.Name} has a new public key: {key}");
        Log.NodeKeyChanged(logger, peer.Name);
    }

    // a word from an agent that left may be older than what another replica heard of it
    private CheckedHello? AnnouncedBy(string node) =>
        agents.Agents.Value.TryGetValue(node, out var agent) && agent.IsConnected ? agent.Hello : null;

    private static JsonObject SpecOf(CheckedHello hello)
    {
        var spec = new JsonObject
        {
            ["nodeName"] = hello.Node,
            ["publicKey"] = hello.PublicKey.ToString(),
            ["protocolVersions"] = new JsonArray([.. hello.Versions.Numbers.Select(version => (JsonNode)(int)version)]),
        };
        if (EndpointOf(hello) is { } endpoint)
            spec["endpoint"] = new JsonObject { ["host"] = endpoint.ToIPAddress().ToString(), ["port"] = (int)endpoint.Port };
        return spec;
    }

    private static Endpoint? EndpointOf(CheckedHello hello) =>
        hello.Endpoints is [var best, ..] && Endpoint.TryParse(best, out var endpoint) ? endpoint : null;

    private void Failed(string name, Exception e)
    {
        metrics.ReconcileFailed("node_peers");
        // the informer is a moment behind
        if (e is not ApiException { StatusCode: 409 })
            Log.ReconcileFailed(logger, $"the peer of node {name}", e.Message);
    }
}
