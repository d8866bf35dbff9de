using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests.State;

public class StoredPeerTests
{
    [Fact]
    public void A_peer_is_the_operators_if_it_has_its_label_and_the_name_of_the_node_that_owns_it()
    {
        var made = StoredPeer.Read(Owned("node1", "node1"), null, "wgmesh");
        Assert.Equal(("node1", Clusters.Key(7)), (made.Owner?.Name, made.Announcement?.PublicKey));
        Assert.Null(made.Record);

        var unlabelled = Owned("node1", "node1");
        unlabelled.Metadata.Labels.Clear();
        Assert.Null(StoredPeer.Read(unlabelled, null, "wgmesh").Owner);
    }

    [Fact]
    public void A_copy_that_people_made_of_a_nodes_peer_is_theirs()
    {
        var copy = StoredPeer.Read(Owned("laptop", "node1"), null, "wgmesh");
        Assert.Null(copy.Owner);
        Assert.Null(copy.Announcement);
        Assert.Equal("node1", copy.Record?.NodeName);
    }

    [Fact]
    public void A_peer_that_names_a_node_and_has_no_key_is_read_as_one_without()
    {
        var stored = Owned("x", "node1");
        stored.Spec!.AsObject().Remove("publicKey");
        Assert.False(StoredPeer.Read(stored, null, "wgmesh").Record?.HasKey);
    }

    private static StoredResource Owned(string name, string node) => new()
    {
        Kind = "WireGuardPeer",
        Metadata =
        {
            Name = name,
            Uid = $"uid of {name}",
            Generation = 1,
            Labels = { [StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy },
            OwnerReferences = { new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = node, Uid = $"uid of {node}" } },
        },
        Spec = new JsonObject { ["nodeName"] = "node1", ["publicKey"] = Clusters.Key(7).ToString() },
    };
}
