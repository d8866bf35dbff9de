using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// Gives addresses to those that have none, and stores them in the status of their peers, from where every replica plans with them. An address
/// is claimed before it is stored (<see cref="AddressClaims"/>), and stays with its owner until that is deleted.
/// </summary>
internal sealed class Addresses(
    KubernetesCluster cluster,
    Latest<PublishedPlan> plans,
    ApiWriter api,
    string space,
    OperatorMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    private const int Writers = 8;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>What was written and is not seen after so long is written again.</summary>
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(10);

    private readonly AddressClaims _claims = new(api, space);

    /// <summary>When what is not seen yet was written last, by the name of the peer.</summary>
    private readonly Dictionary<string, long> _written = new(StringComparer.Ordinal);

    /// <summary>By uid of the node: if people take away the peer that pins its key, its addresses were stored nowhere else.</summary>
    private readonly Dictionary<string, ImmutableArray<Prefix>> _nodes = new(StringComparer.Ordinal);

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var (view, settled) = (ClusterView.Empty, ClusterView.Empty);
        var hasRead = false;
        var delay = Pause;
        while (true)
        {
            try
            {
                if (!hasRead)
                {
                    // the claims first: what came of them is then in what is read after
                    await _claims.ReadAsync(cancellationToken);
                    view = await cluster.RefreshAsync(cancellationToken);
                    hasRead = true;
                }

                // a status that is written changes nothing here
                if (!ReferenceEquals(view.State, settled.State) || !HaveSameOwners(view, settled))
                    settled = await GiveAsync(view, cancellationToken) ? view : ClusterView.Empty;

                delay = Pause;
                await Task.Delay(Pause, time, cancellationToken);
                view = await NextAsync(view, settled == view ? null : Unseen, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // perhaps somebody else claimed something, perhaps it is written nevertheless
                hasRead = false;
                settled = ClusterView.Empty;
                if (e is not ApiException { StatusCode: 409 })
                {
                    metrics.ReconcileFailed("addresses");
                    Log.ReconcileFailed(logger, "the addresses", e.Message);
                }

                await Task.Delay(delay, time, cancellationToken);
                delay = delay < TimeSpan.FromSeconds(10) ? delay * 2 : delay;
            }
        }
    }

    /// <summary>Whether the same objects are there. A node's own peer may come, and have nothing in the state yet.</summary>
    internal static bool HaveSameOwners(ClusterView left, ClusterView right) =>
        ReferenceEquals(left.Peers, right.Peers)
        || (left.Peers.Count == right.Peers.Count
            && left.Peers.All(entry => right.Peers.TryGetValue(entry.Key, out var other)
                && (ReferenceEquals(entry.Value, other) || (entry.Value.Uid == other.Uid && entry.Value.Owner is null == other.Owner is null))));

    private async Task<ClusterView> NextAsync(ClusterView seen, TimeSpan? limit, CancellationToken cancellationToken)
    {
        if (limit is null)
            return await cluster.View.NextAsync(seen, cancellationToken);

        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var next = cluster.View.NextAsync(seen, waiting.Token);
        await Task.WhenAny(next, Task.Delay(limit.Value, time, waiting.Token));
        await waiting.CancelAsync();
        await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return cluster.View.Value;
    }

    /// <summary>Whether there is nothing to be given, and all that was given is seen.</summary>
    private async Task<bool> GiveAsync(ClusterView view, CancellationToken cancellationToken)
    {
        var open = _claims.Current;
        foreach (var (name, claim) in open)
        {
            if (!view.Peers.TryGetValue(name, out var peer) || peer.Uid != claim.Uid || peer.Allocated.SequenceEqual(claim.Addresses))
            {
                open = open.Remove(name);
                _written.Remove(name);
            }
        }

        var missing = Missing(view, open);
        if (missing.Count == 0)
            return true;

        var claims = open;
        foreach (var (peer, addresses) in missing)
        {
            if (claims.Count < AddressClaims.Most && !IsClaimed(claims, peer, addresses))
                claims = claims.SetItem(peer.Name, new AddressClaim(peer.Uid, addresses));
        }

        if (claims != open)
            await _claims.WriteAsync(claims, cancellationToken);

        var due = missing.Where(one => IsClaimed(claims, one.Peer, one.Addresses)
            && !(_written.TryGetValue(one.Peer.Name, out var at) && time.GetElapsedTime(at) < Unseen)).ToList();
        await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = Writers, CancellationToken = cancellationToken },
            async (one, cancellation) => await StoreAsync(one.Peer, one.Addresses, cancellation));
        foreach (var (peer, _) in due)
            _written[peer.Name] = time.GetTimestamp();
        return false;
    }

    private static bool IsClaimed(ImmutableDictionary<string, AddressClaim> claims, StoredPeer peer, ImmutableArray<Prefix> addresses) =>
        claims.TryGetValue(peer.Name, out var claim) && claim.Uid == peer.Uid && claim.Addresses.SequenceEqual(addresses);

    /// <summary>Whose addresses are not stored as they should be, in the order in which they are to be given.</summary>
    private List<(StoredPeer Peer, ImmutableArray<Prefix> Addresses)> Missing(
        ClusterView view, ImmutableDictionary<string, AddressClaim> claims)
    {
        var stored = view.State.Addresses;
        var (nodes, peers) = (stored.Nodes.ToBuilder(), stored.Peers.ToBuilder());
        foreach (var (name, claim) in claims)
        {
            if (OwnerOf(view, view.Peers[name]) is { } node)
                nodes.TryAdd(node, claim.Addresses);
            else
                peers.TryAdd(name, claim.Addresses);
        }

        Remember(view, nodes, peers);
        var book = AddressPlanner.Give(view.State with { Addresses = new AddressBook(nodes.ToImmutable(), peers.ToImmutable()) });
        var missing = new List<(StoredPeer, ImmutableArray<Prefix>)>();
        foreach (var (node, addresses) in book.Nodes)
            Compare(StoreOf(view, node), addresses);
        foreach (var (name, addresses) in book.Peers)
            Compare(view.Peers.GetValueOrDefault(name), addresses);
        return missing;

        void Compare(StoredPeer? peer, ImmutableArray<Prefix> addresses)
        {
            if (peer is { Object.Metadata.DeletionTimestamp: null } && !peer.Allocated.SequenceEqual(addresses))
                missing.Add((peer, addresses));
        }
    }

    private void Remember(
        ClusterView view,
        ImmutableSortedDictionary<string, ImmutableArray<Prefix>>.Builder nodes,
        ImmutableSortedDictionary<string, ImmutableArray<Prefix>>.Builder peers)
    {
        HashSet<Prefix>? given = null;
        foreach (var (name, node) in view.Nodes)
        {
            var uid = node.Metadata.Uid ?? "";
            if (nodes.TryGetValue(name, out var addresses))
            {
                _nodes[uid] = addresses;
            }
            else if (_nodes.TryGetValue(uid, out addresses))
            {
                given ??= [.. nodes.Values.Concat(peers.Values).SelectMany(prefixes => prefixes)];
                if (addresses.Any(given.Contains))
                    continue;
                nodes[name] = addresses;
                given.UnionWith(addresses);
            }
        }

        if (_nodes.Count > 2 * view.Nodes.Count)
        {
            var uids = view.Nodes.Values.Select(node => node.Metadata.Uid ?? "").ToHashSet(StringComparer.Ordinal);
            foreach (var uid in _nodes.Keys.Where(uid => !uids.Contains(uid)).ToList())
                _nodes.Remove(uid);
        }
    }

    /// <summary>The peer that has a node's addresses: the one that pins its key, else its own; null: there is none yet.</summary>
    private StoredPeer? StoreOf(ClusterView view, string node) =>
        plans.Value.Plan.Nodes.GetValueOrDefault(node)?.PinnedBy is { } pin && view.Peers.GetValueOrDefault(pin) is { Record: { } record } peer
            && record.NodeName == node
            ? peer
            : view.OwnPeerOf(node);

    /// <summary>The node that a peer has the addresses of; null: it has its own.</summary>
    private string? OwnerOf(ClusterView view, StoredPeer peer) =>
        (peer.Owner?.Name ?? peer.Record?.NodeName) is { } node && ReferenceEquals(StoreOf(view, node), peer) ? node : null;

    private async Task StoreAsync(StoredPeer peer, ImmutableArray<Prefix> addresses, CancellationToken cancellationToken)
    {
        try
        {
            var status = new JsonObject { ["allocatedAddresses"] = new JsonArray([.. addresses.Select(address => (JsonNode)address.ToString())]) };
            await api.ApplyStatusAsync(CustomResources.StoredPeers, peer.Object.Metadata, status, ApiWriter.AddressesManager, cancellationToken);
        }
        catch (ApiException e) when (e.StatusCode is 404 or 409)
        {
            // it is gone; if not, it is tried again
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            metrics.ReconcileFailed("addresses");
            Log.ReconcileFailed(logger, $"the addresses of WireGuardPeer {peer.Name}", e.Message);
        }
    }
}
