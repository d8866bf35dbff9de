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

        Assert.Empty(history.Violations());
        Assert.Equal(Count + 20, history.Owners);
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

/// <summary>Every address that any peer ever had, in the order in which the API server stored them.</summary>
internal sealed class AddressHistory : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopped = new();
    private readonly KubernetesClient _client;
    private readonly Dictionary<string, (string Name, string[] Addresses)> _byUid = [];
    private readonly List<string> _violations = [];
    private readonly Lock _lock = new();
    private Task _following = Task.CompletedTask;

    private AddressHistory(KubernetesServer server) => _client = new KubernetesClient(server.Admin);

    public int Owners
    {
        get
        {
            lock (_lock)
                return _byUid.Count(one => one.Value.Addresses.Length > 0);
        }
    }

    public static async Task<AddressHistory> FollowAsync(KubernetesServer server)
    {
        var history = new AddressHistory(server);
        var informer = new Informer<StoredResource>(
            history._client, CustomResources.StoredPeers, new InformerOptions(), TimeProvider.System, new RecentLog<AddressHistory>());
        informer.Changed += change =>
        {
            foreach (var name in change.Changed)
                history.Note(name, change.After.Items.GetValueOrDefault(name), change.Before.Items.GetValueOrDefault(name));
        };
        history._following = informer.RunAsync(history._stopped.Token);
        await informer.WaitForSyncAsync(CancellationToken.None);
        return history;
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

    private void Note(string name, StoredResource? peer, StoredResource? before)
    {
        lock (_lock)
        {
            if (before is not null && peer?.Metadata.Uid != before.Metadata.Uid)
                _byUid.Remove(before.Metadata.Uid!);
            if (peer is null)
                return;

            var uid = peer.Metadata.Uid!;
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
