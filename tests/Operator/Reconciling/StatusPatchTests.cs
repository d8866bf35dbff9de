using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Tests.Reconciling;

public class StatusPatchTests
{
    private static readonly DateTimeOffset Time = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Counters_times_and_words_differ_without_a_difference_in_essence()
    {
        foreach (var change in (Action<WireGuardPeerStatus>[])
        [
            status => status.LastHandshakeTime = Time.AddSeconds(1),
            status => status.Endpoint = "192.0.2.2:51820",
            status => status.ConnectedNodes = "2/3",
            status => status.Conditions[2].Message = "Otherwise.",
        ])
        {
            var wanted = Peer();
            change(wanted);
            Assert.False(StatusPatch.Same(Peer(), wanted));
            Assert.True(StatusPatch.SameInEssence(Peer(), wanted));
        }
    }

    [Fact]
    public void What_people_and_programs_wait_for_is_a_difference_in_essence()
    {
        foreach (var change in (Action<WireGuardPeerStatus>[])
        [
            status => status.Conditions[2].Status = "False",
            status => status.Conditions[0].Reason = "AllowedIPsConflict",
            status => status.Conditions[1].ObservedGeneration = 8,
            status => status.ObservedGeneration = 8,
            status => status.Addresses = ["10.90.0.8/32"],
            status => status.LastHandshakeTime = null,
            status => status.ConnectedNodes = null,
        ])
        {
            var wanted = Peer();
            change(wanted);
            Assert.False(StatusPatch.SameInEssence(Peer(), wanted));
            Assert.False(StatusPatch.Same(Peer(), wanted));
        }
    }

    [Fact]
    public void Why_a_peer_is_ready_is_no_essence_and_why_it_is_not_is()
    {
        var reasons = (string[])["Idle", "Connected", "PartlyConnected"];
        foreach (var (before, after) in reasons.SelectMany(_ => reasons, (before, after) => (before, after)))
        {
            Assert.True(StatusPatch.SameInEssence(Ready("True", before), Ready("True", after)));
            Assert.Equal(before == after, StatusPatch.Same(Ready("True", before), Ready("True", after)));
        }

        Assert.False(StatusPatch.SameInEssence(Ready("False", "Unreachable"), Ready("False", "AgentNotConnected")));
        Assert.False(StatusPatch.SameInEssence(Ready("True", "PartlyConnected"), Ready("False", "Unreachable")));
    }

    [Fact]
    public void Conditions_of_others_and_the_order_of_all_make_no_difference()
    {
        var stored = Peer();
        stored.Conditions.Insert(1, new Condition { Type = "Audited", Status = "True", Reason = "ByHand", LastTransitionTime = Time });
        stored.Conditions.Reverse();
        Assert.True(StatusPatch.Same(stored, Peer()));
        var mesh = Mesh();
        mesh.Conditions.Insert(0, new Condition { Type = "Audited", Status = "True", Reason = "ByHand", LastTransitionTime = Time });
        Assert.True(StatusPatch.Same(mesh, Mesh()));

        stored.Conditions.RemoveAll(condition => condition.Type == "Ready");
        Assert.False(StatusPatch.SameInEssence(stored, Peer()));
        Assert.False(StatusPatch.SameInEssence(new WireGuardPeerStatus { ObservedGeneration = 7, Addresses = Peer().Addresses }, Peer()));
    }

    [Fact]
    public void Links_are_counters_of_the_mesh_and_nodes_and_conflicts_its_essence()
    {
        var wanted = Mesh();
        (wanted.LinksUp, wanted.Mtu, wanted.AgentVersions) = (9, 1300, ["2.0"]);
        Assert.False(StatusPatch.Same(Mesh(), wanted));
        Assert.True(StatusPatch.SameInEssence(Mesh(), wanted));
        wanted.Conflicts = ["a and b"];
        Assert.False(StatusPatch.SameInEssence(Mesh(), wanted));
        wanted = Mesh();
        wanted.Nodes = 4;
        Assert.False(StatusPatch.SameInEssence(Mesh(), wanted));
        wanted = Mesh();
        wanted.ReleasedNodes = 0;
        Assert.False(StatusPatch.SameInEssence(Mesh(), wanted));
        Assert.Equal(0, StatusPatch.Write(wanted)["releasedNodes"]!.GetValue<int>());
        Assert.False(StatusPatch.Write(Mesh()).ContainsKey("releasedNodes"));
    }

    [Fact]
    public void What_is_written_is_what_the_status_writer_owns()
    {
        var status = Peer();
        (status.AllocatedAddresses, status.Gateway) = (["10.90.0.7/32"], "node1");
        var written = StatusPatch.Write(status);
        Assert.Equal(
            ["conditions", "observedGeneration", "addresses", "endpoint", "lastHandshakeTime", "connectedNodes"], written.Select(field => field.Key));
        Assert.Equal("2026-01-01T12:00:00Z", written["lastHandshakeTime"]!.GetValue<string>());
        status.LastHandshakeTime = null;
        Assert.False(StatusPatch.Write(status).ContainsKey("lastHandshakeTime"));
    }

    private static WireGuardPeerStatus Ready(string status, string reason)
    {
        var peer = Peer();
        (peer.Conditions[2].Status, peer.Conditions[2].Reason) = (status, reason);
        return peer;
    }

    private static WireGuardPeerStatus Peer() => new()
    {
        Conditions = [New("Accepted", "Accepted"), New("Programmed", "Programmed"), New("Ready", "Connected")],
        ObservedGeneration = 7,
        Addresses = ["10.90.0.7/32"],
        Endpoint = "192.0.2.1:51820",
        LastHandshakeTime = Time,
        ConnectedNodes = "3/3",
    };

    private static WireGuardMeshStatus Mesh() => new()
    {
        Conditions = [New("Accepted", "Accepted"), New("Ready", "Ready")],
        ObservedGeneration = 7,
        Nodes = 3,
        LinksUp = 3,
    };

    private static Condition New(string type, string reason) =>
        new() { Type = type, Status = "True", Reason = reason, Message = "So it is.", ObservedGeneration = 7, LastTransitionTime = Time };
}
