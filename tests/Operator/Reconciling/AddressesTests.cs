using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Tests.Reconciling;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class AddressesTests(KubernetesServer server) : IAsyncLifetime
{
    public Task InitializeAsync() => server.ResetAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Two_operators_that_both_think_they_lead_never_give_an_address_twice_nor_change_one()
    {
        const int Count = 60;
        await using var history = await AddressHistory.FollowAsync(server);
        await using var one = LeadingReplica.Lead(server.Admin);
        await using var other = LeadingReplica.Lead(server.Admin);
        for (var i = 0; i < Count; i++)
        {
            await server.CreatePeerAsync($"peer-{i}", 100 + i);
            if (i % 3 == 0)
                await server.CreateNodeAsync($"node-{i}");
            if (i % 20 == 10)
            {
                // each goes and comes, as leases are lost and taken
                await one.LoseLeadAsync();
                one.TakeLead();
            }
            else if (i % 20 == 19)
            {
                await other.LoseLeadAsync();
                other.TakeLead();
            }
        }

        for (var i = 0; i < Count; i++)
        {
            await server.WaitForPeerAsync($"peer-{i}", peer => peer.Allocated().Length == 2);
            if (i % 3 == 0)
                await server.WaitForPeerAsync($"node-{i}", peer => peer.Allocated().Length == 2);
        }

        // what is given last is seen last
        await server.CreatePeerAsync("last", 99);
        await history.WaitForOwnersAsync(Count + 20 + 1);
        Assert.Empty(history.Violations());
    }

    [Fact]
    public async Task A_new_leader_keeps_what_the_one_before_gave_and_what_it_was_about_to_give()
    {
        await server.CreatePeerAsync("kept", 1);
        string[] kept;
        await using (LeadingReplica.Lead(server.Admin))
            kept = (await server.WaitForPeerAsync("kept", peer => peer.Allocated().Length == 2)).Allocated();

        // the one before claimed an address, and was gone before it stored it
        var claimed = await server.CreatePeerAsync("claimed", 2);
        await server.PatchAsync($"/api/v1/namespaces/{KubernetesObjects.Namespace}/configmaps/{AddressClaims.Name}", new JsonObject
        {
            ["data"] = new JsonObject { ["claimed"] = $"{claimed.Uid()} 10.90.0.2/32 fd90:90::2/128" },
        });
        await server.CreatePeerAsync("later", 3);

        await using var second = LeadingReplica.Lead(server.Admin);
        var later = await server.WaitForPeerAsync("later", peer => peer.Allocated().Length == 2);
        Assert.Equal(kept, (await server.PeerAsync("kept"))!.Allocated());
        Assert.Equal(["10.90.0.2/32", "fd90:90::2/128"], (await server.WaitForPeerAsync("claimed", peer => peer.Allocated().Length == 2)).Allocated());
        Assert.Equal(["10.90.0.3/32", "fd90:90::3/128"], later.Allocated());
    }

    [Fact]
    public async Task An_object_that_cannot_be_used_keeps_its_address()
    {
        var peer = await server.CreatePeerAsync("broken", 1);
        await using (LeadingReplica.Lead(server.Admin))
            await server.WaitForPeerAsync("broken", peer => peer.Allocated().Length == 2);

        // the schema grew stricter since it was stored
        await server.InstallAsync(KubernetesObjects.Definitions().Select(KubernetesObjects.WithoutSpecSchema));
        await server.PatchAsync($"{KubernetesObjects.Peers}/broken", new JsonObject { ["spec"] = new JsonObject { ["allowedIPs"] = 7 } });
        await server.InstallAsync(KubernetesObjects.Definitions());

        await using var second = LeadingReplica.Lead(server.Admin);
        await server.CreatePeerAsync("other", 2);
        var other = await server.WaitForPeerAsync("other", peer => peer.Allocated().Length == 2);
        Assert.Equal(["10.90.0.2/32", "fd90:90::2/128"], other.Allocated());
        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], (await server.PeerAsync("broken"))!.Allocated());
        Assert.Equal(peer.Uid(), (await server.PeerAsync("broken"))!.Uid());
    }
}

/// <summary>Every address that any peer ever had, by every version of it that the API server stored, in order.</summary>
internal sealed class AddressHistory : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopped = new();
    private readonly KubernetesClient _client;
    private readonly Dictionary<string, (string Name, string[] Addresses)> _byUid = [];
    private readonly List<string> _violations = [];
    private readonly Lock _lock = new();
    private Task _following = Task.CompletedTask;

    private AddressHistory(KubernetesServer server) => _client = new KubernetesClient(server.Admin);

    /// <summary>Begins with what is there now.</summary>
    public static async Task<AddressHistory> FollowAsync(KubernetesServer server)
    {
        var history = new AddressHistory(server);
        var list = await history._client.ListAsync(CustomResources.StoredPeers, new ListOptions(), CancellationToken.None);
        foreach (var peer in list.Items)
            history.Note(peer);
        history._following = history.WatchAsync(list.ResourceVersion, history._stopped.Token);
        return history;
    }

    /// <summary>Waits until so many of the peers were seen with addresses.</summary>
    public Task WaitForOwnersAsync(int count)
    {
        var owners = 0;
        return KubernetesObjects.WaitAsync(
            () =>
            {
                lock (_lock)
                    owners = _byUid.Count(one => one.Value.Addresses.Length > 0);
                return Task.FromResult(owners == count);
            },
            () => $"{owners} of {count} peers were seen with addresses; the watch is {_following.Status}: {_following.Exception?.GetBaseException().Message}");
    }

    public ImmutableArray<string> Violations()
    {
        lock (_lock)
            return [.. _violations];
    }

    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
    }

    // not an informer, which shows only the last of several versions that come together
    private async Task WatchAsync(string version, CancellationToken cancellationToken)
    {
        while (true)
        {
            var options = new WatchOptions { ResourceVersion = version, Timeout = TimeSpan.FromMinutes(5) };
            await foreach (var change in _client.WatchAsync(CustomResources.StoredPeers, options, cancellationToken))
            {
                version = change.ResourceVersion;
                if (change is { Type: WatchEventType.Deleted, Item: { } gone })
                    Forget(gone);
                else if (change.Item is { } peer)
                    Note(peer);
            }
        }
    }

    private void Forget(StoredResource peer)
    {
        lock (_lock)
            _byUid.Remove(peer.Metadata.Uid!);
    }

    private void Note(StoredResource peer)
    {
        lock (_lock)
        {
            var (name, uid) = (peer.Metadata.Name, peer.Metadata.Uid!);
            string[] addresses = peer.Status?["allocatedAddresses"]?.AsArray().Select(text => text!.GetValue<string>()).ToArray() ?? [];
            if (_byUid.TryGetValue(uid, out var known) && known.Addresses.Except(addresses).Any())
                _violations.Add($"{name} had {string.Join(' ', known.Addresses)} and has {string.Join(' ', addresses)}");
            foreach (var (other, (otherName, theirs)) in _byUid)
            {
                if (other != uid && theirs.Intersect(addresses).Any())
                    _violations.Add($"{name} and {otherName} both have {string.Join(' ', theirs.Intersect(addresses))}");
            }

            _byUid[uid] = (name, addresses);
        }
    }
}
