using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Tests.Reconciling;

public class OwnersTests
{
    [Fact]
    public void One_peer_that_comes_while_another_goes_is_a_change_of_who_is_to_have_addresses()
    {
        var view = View(("a", "1"), ("b", "2"));
        Assert.True(Addresses.HaveSameOwners(view, View(("a", "1"), ("b", "2"))));
        Assert.False(Addresses.HaveSameOwners(view, View(("a", "1"), ("c", "3"))));
        Assert.False(Addresses.HaveSameOwners(view, View(("a", "1"), ("b", "3")))); // made anew
        Assert.False(Addresses.HaveSameOwners(view, View(("a", "1"))));
    }

    private static ClusterView View(params (string Name, string Uid)[] peers) => ClusterView.Empty with
    {
        Peers = peers.ToImmutableDictionary(peer => peer.Name, peer => StoredPeer.Read(
            new StoredResource { Kind = "WireGuardPeer", Metadata = { Name = peer.Name, Uid = peer.Uid } }, null, "wgmesh"), StringComparer.Ordinal),
    };
}
