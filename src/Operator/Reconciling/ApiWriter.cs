using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>What the leader writes, counted. Each of its parts owns the fields that it writes, and no others.</summary>
/// <param name="isLeader">Asked right before each write: a process that was suspended may have lost the lease and not heard of it yet.</param>
internal sealed class ApiWriter(KubernetesClient client, Func<bool> isLeader, OperatorMetrics metrics)
{
    /// <summary>Owns what the spec of a node's peer says.</summary>
    public const string NodesManager = "wgmesh-nodes";

    /// <summary>Owns <c>status.allocatedAddresses</c>.</summary>
    public const string AddressesManager = "wgmesh-addresses";

    /// <summary>Owns <c>status.gateway</c>.</summary>
    public const string GatewaysManager = "wgmesh-gateways";

    /// <summary>Owns the rest of every status, and makes the mesh's settings.</summary>
    public const string StatusManager = "wgmesh-operator";

    /// <summary>Owns what of the mesh's settings was installed with the operator.</summary>
    public const string SettingsManager = "wgmesh-settings";

    /// <summary>The settings, all of them at their defaults, unless there are some.</summary>
    public Task CreateMeshAsync(CancellationToken cancellationToken) => CountAsync("mesh", () => client.ApplyAsync(
        CustomResources.StoredMeshes,
        new JsonObject { ["metadata"] = new JsonObject { ["name"] = WireGuardMesh.DefaultName }, ["spec"] = new JsonObject() },
        StatusManager, force: false, cancellationToken));

    /// <summary>
    /// The settings that were installed, whatever others wrote into these fields; those that were installed before and are not now get their
    /// defaults.
    /// </summary>
    public Task ApplyMeshAsync(JsonObject spec, CancellationToken cancellationToken) => CountAsync("mesh", () => client.ApplyAsync(
        CustomResources.StoredMeshes,
        new JsonObject { ["metadata"] = new JsonObject { ["name"] = WireGuardMesh.DefaultName }, ["spec"] = spec.DeepClone() },
        SettingsManager, force: true, cancellationToken));

    /// <summary>A peer for a node. Not by applying it: that would make people's peer of this name ours.</summary>
    /// <exception cref="ApiException">409: there is one of this name.</exception>
    public Task<StoredResource> CreateNodePeerAsync(Node node, CancellationToken cancellationToken) => CountAsync("node_peer", () =>
        client.CreateAsync(CustomResources.StoredPeers, new StoredResource
        {
            Kind = CustomResources.StoredPeers.Kind,
            Metadata =
            {
                Name = node.Metadata.Name,
                Labels = { [StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy },
                OwnerReferences =
                {
                    new OwnerReference
                    {
                        ApiVersion = "v1",
                        Kind = "Node",
                        Name = node.Metadata.Name,
                        Uid = node.Metadata.Uid ?? "",
                        Controller = true,
                        BlockOwnerDeletion = false,
                    },
                },
            },
            Spec = new JsonObject { ["nodeName"] = node.Metadata.Name },
        }, cancellationToken));

    /// <summary>What a node's agent announced.</summary>
    public Task<StoredResource> ApplyNodePeerAsync(ObjectMeta peer, JsonObject spec, CancellationToken cancellationToken) =>
        CountAsync("node_peer", () => client.ApplyAsync(
            CustomResources.StoredPeers, new JsonObject { ["metadata"] = Identity(peer), ["spec"] = spec }, NodesManager, force: true,
            cancellationToken));

    /// <summary>Deletes a node's peer, and not one that was made in its place.</summary>
    public async Task DeleteNodePeerAsync(StoredPeer peer, CancellationToken cancellationToken)
    {
        try
        {
            await CountAsync("node_peer", async () =>
            {
                await client.DeleteAsync(CustomResources.StoredPeers, peer.Name, null, peer.Uid, cancellationToken);
                return peer;
            });
        }
        catch (ApiException e) when (e.StatusCode is 404 or 409)
        {
            // gone already
        }
    }

    /// <summary>A part of a status, all that <paramref name="manager"/> owns of it.</summary>
    public Task<StoredResource> ApplyStatusAsync(
        ResourceType<StoredResource> type, ObjectMeta item, JsonObject status, string manager, CancellationToken cancellationToken) =>
        CountAsync(manager switch
        {
            AddressesManager => "addresses",
            GatewaysManager => "gateway",
            _ => type == CustomResources.StoredMeshes ? "mesh_status" : "peer_status",
        }, () => client.ApplyStatusAsync(type, new JsonObject { ["metadata"] = Identity(item), ["status"] = status }, manager, cancellationToken));

    /// <summary>A node as the API server has it now, whatever the informers have seen; null: there is none.</summary>
    public async Task<Node?> FindNodeAsync(string name, CancellationToken cancellationToken)
    {
        // a list, for the operator has no other right on nodes
        var page = await client.ListAsync(ResourceTypes.Nodes, new ListOptions { FieldSelector = $"metadata.name={name}" }, cancellationToken);
        return page.Items.FirstOrDefault() ?? (page.Unreadable.FirstOrDefault() is { } unreadable ? new Node { Metadata = unreadable.Metadata } : null);
    }

    /// <summary>A ConfigMap; null: there is none.</summary>
    public Task<ConfigMap?> FindConfigMapAsync(string space, string name, CancellationToken cancellationToken) =>
        client.FindAsync(ResourceTypes.ConfigMaps, name, space, cancellationToken);

    /// <summary>Makes a ConfigMap.</summary>
    public Task<ConfigMap> CreateConfigMapAsync(ConfigMap map, CancellationToken cancellationToken) =>
        CountAsync("address_claims", () => client.CreateAsync(ResourceTypes.ConfigMaps, map, cancellationToken));

    /// <summary>Writes a ConfigMap, if nobody else wrote it since it was read.</summary>
    public Task<ConfigMap> ReplaceConfigMapAsync(ConfigMap map, CancellationToken cancellationToken) =>
        CountAsync("address_claims", () => client.ReplaceAsync(ResourceTypes.ConfigMaps, map, cancellationToken));

    // with the uid, so that no namesake that was made meanwhile is meant
    private static JsonObject Identity(ObjectMeta item) => new() { ["name"] = item.Name, ["uid"] = item.Uid };

    private async Task<T> CountAsync<T>(string kind, Func<Task<T>> write)
    {
        if (!isLeader())
            throw new OperationCanceledException("the lease is over");

        var outcome = "failed";
        try
        {
            var written = await write();
            outcome = "ok";
            return written;
        }
        catch (ApiException e) when (e.StatusCode is >= 400 and < 500)
        {
            outcome = e.StatusCode == 409 ? "conflict" : "refused";
            throw;
        }
        finally
        {
            metrics.Written(kind, outcome);
        }
    }
}
