using System.Collections.Immutable;
using System.Runtime.InteropServices;
using WgMesh.Engine;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

public class MeshPlannerTests
{
    [Fact]
    public void A_node_gets_all_peers_but_itself_with_their_pod_cidrs_and_addresses()
    {
        var config = Three.Plan().ForNode("a", 7)!;

        Assert.Equal(7u, config.Revision);
        Assert.Equal(["b", "c"], config.Peers.Select(peer => peer.Name));
        Assert.Equal(["10.90.0.2/32", "10.244.2.0/24", "fd00:244:2::/64", "fd90:90::2/128"], config.Peers[0].AllowedIps);
        Assert.Equal("192.0.2.2:51820", config.Peers[0].Endpoint);
        Assert.Equal(Key(2).ToArray(), config.Peers[0].PublicKey.ToByteArray());
        Assert.Equal(1u, config.Peers[0].ProtocolVersion);
        Assert.Equal("a", config.Settings.Node);
        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], config.Settings.Addresses);
        Assert.Equal(["10.244.1.0/24", "fd00:244:1::/64"], config.Settings.PodCidrs);
        Assert.Equal(51820u, config.Settings.ListenPort);
        Assert.Equal(0u, config.Settings.Mtu);
        Assert.Equal(FailurePolicy.Closed, config.Settings.FailurePolicy);
    }

    [Fact]
    public void What_nodes_have_in_common_is_serialized_once()
    {
        var plan = Three.Plan();
        Assert.Same(LastBytes("a"), LastBytes("b"));

        byte[] LastBytes(string node)
        {
            byte[] last = [];
            foreach (var part in plan.ConfigFor(node, 1)!.Bytes)
                last = MemoryMarshal.TryGetArray(part, out var segment) ? segment.Array! : [];
            return last;
        }
    }

    [Fact]
    public void A_node_that_is_not_known_has_no_config() => Assert.Null(Three.Plan().ForNode("x", 1));

    [Fact]
    public void The_mesh_cidrs_are_pods_nodes_and_pools_in_as_few_prefixes_as_possible()
    {
        var cluster = Three with
        {
            Mesh = MeshRecord.Default with { PodCidrs = Cidrs("10.244.0.0/17", "10.244.128.0/17"),
                AddressPools = Cidrs("10.90.0.0/17", "10.90.128.0/17") },
        };

        Assert.Equal(
            ["10.90.0.0/16", "10.244.0.0/16", "fd00:244:1::/64", "fd00:244:2::/64", "fd00:244:3::/64"],
            cluster.Plan().ForNode("a", 1)!.Settings.MeshCidrs);
    }

    [Fact]
    public void The_settings_of_the_mesh_reach_every_node()
    {
        var cluster = Three with
        {
            Mesh = MeshRecord.Default with { ListenPort = 7777, Mtu = 1400, PersistentKeepalive = 15,
                FailurePolicy = Crds.FailurePolicy.Open, ServiceCidrs = Cidrs("10.96.0.0/12", "fd00:96::/112") },
        };
        var config = cluster.Plan().ForNode("c", 1)!;

        Assert.Equal(["10.96.0.0/12", "fd00:96::/112"], config.Settings.ServiceCidrs);
        Assert.Equal((7777u, 1400u, FailurePolicy.Open), (config.Settings.ListenPort, config.Settings.Mtu, config.Settings.FailurePolicy));
        Assert.All(config.Peers, peer => Assert.Equal(15u, peer.PersistentKeepalive));
        Assert.Equal("192.0.2.1:7777", config.Peers[0].Endpoint);
    }

    [Fact]
    public void Service_CIDRs_that_changed_are_told_to_every_node()
    {
        var before = Three.Plan();
        var after = (Three with { Mesh = MeshRecord.Default with { ServiceCidrs = Cidrs("10.96.0.0/12") } }).Plan(before);
        Assert.Equal(["10.96.0.0/12"], after.DeltaFrom(before, 1, "a", 2)!.Settings.ServiceCidrs);
    }

    [Fact]
    public void Every_node_is_told_to_release_and_no_more_than_that_and_told_when_it_is_over()
    {
        var asked = Three with { Mesh = MeshRecord.Default with { Released = true } };
        var (before, during) = (Three.Plan(), asked.Plan());
        var after = Three.Plan(during);
        foreach (var node in (string[])["a", "b", "c"])
        {
            Assert.False(before.ForNode(node, 1)!.Settings.Released);
            Assert.True(during.ForNode(node, 2)!.Settings.Released);
            var delta = during.DeltaFrom(before, 1, node, 2)!;
            Assert.True(delta.Settings.Released);
            Assert.Empty(delta.Upserts);
            Assert.Empty(delta.Removed);
            Assert.False(after.DeltaFrom(during, 2, node, 3)!.Settings.Released);
        }

        Assert.False(before.SameAs(during));
        Assert.True(before.SameAs(after));
    }

    [Theory]
    [InlineData("192.0.2.1", "198.51.100.7:4000", "198.51.100.7:4000")]
    [InlineData("192.0.2.1", null, "192.0.2.1:51820")]
    [InlineData("2001:db8::1", "[2001:db8::9]:4000", "[2001:db8::9]:4000")]
    [InlineData("2001:db8::1", null, "[2001:db8::1]:51820")]
    [InlineData(null, "198.51.100.7:4000", "198.51.100.7:4000")]
    [InlineData(null, null, "")]
    public void A_nodes_endpoint_is_what_its_agent_announced_else_its_address_in_the_cluster(string? address, string? announced, string expected)
    {
        var plan = ClusterState.Empty.With(Node("a", 0, address)).Announcing("a", 1, 0, announced is null ? [] : [announced]).Plan();
        Assert.Equal(expected, plan.Peers.Single().Endpoint);
    }

    [Fact]
    public void A_node_without_a_key_waits_and_keeps_its_prefixes()
    {
        var plan = Three.With(Node("d", 0, null, "10.244.4.0/24")).With(Peer("laptop", 9, 99, "10.244.4.7/32")).Plan();

        Assert.Equal(PeerAdmission.Waiting, plan.Outcome("d").Admission);
        Assert.DoesNotContain(plan.Peers, peer => peer.Name == "d");
        Assert.Empty(plan.ForNode("d", 1)!.Peers);
        Assert.Empty(plan.AllowedIps("laptop"));
    }

    [Fact]
    public void An_external_peer_is_passed_on_as_declared()
    {
        var peer = Peer("gate", 9, 0, "192.168.7.0/24", "192.168.7.1/32")
            with { Endpoint = "gate.example.org:4500", PersistentKeepalive = 20 };
        var config = Three.With(peer).Plan().ForNode("b", 1)!.Peers.Single(p => p.Name == "gate");

        Assert.Equal(PeerKind.External, config.Kind);
        Assert.Equal("gate.example.org:4500", config.Endpoint);
        Assert.Equal(20u, config.PersistentKeepalive);
        Assert.Equal(["192.168.7.0/24", "192.168.7.1/32"], config.AllowedIps);
    }

    [Fact]
    public void A_peers_own_keepalive_of_zero_wins_over_the_meshs()
    {
        var cluster = Three.With(Peer("gate", 9) with { PersistentKeepalive = 0 })
            with { Mesh = MeshRecord.Default with { PersistentKeepalive = 25 } };
        Assert.Equal(0u, cluster.Plan().Peers.Single(peer => peer.Name == "gate").PersistentKeepalive);
    }

    [Theory]
    [InlineData("10.244.2.0/24", "a pod CIDR of Node b")]   // exactly a node's
    [InlineData("10.244.2.128/25", "a pod CIDR of Node b")] // within a node's
    [InlineData("10.0.0.0/8", "10.90.0.1/32, the mesh address of Node a")]
    [InlineData("0.0.0.0/0", "10.90.0.1/32, the mesh address of Node a")]
    [InlineData("10.90.0.1/32", "the mesh address of Node a")]
    [InlineData("fd90:90::2/127", "the mesh address of Node b")]
    [InlineData("10.245.9.0/24", "a pod CIDR of the mesh")] // no node's, but pods'
    [InlineData("10.96.0.10/32", "a service CIDR of the mesh")]
    public void What_is_the_clusters_is_never_given_to_an_external_peer(string prefix, string holder)
    {
        var mesh = MeshRecord.Default with { PodCidrs = Cidrs("10.244.0.0/15"), ServiceCidrs = Cidrs("10.96.0.0/12") };
        var plan = (Three.Settled().With(Peer("thief", 9, 99, prefix, "192.168.1.0/24")) with { Mesh = mesh }).Plan();

        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("thief"));
        Assert.Equal(PeerAdmission.PartlyAccepted, plan.Outcome("thief").Admission);
        Assert.Contains(holder, plan.Message("thief"), StringComparison.Ordinal);
        var conflict = Assert.Single(plan.Conflicts);
        Assert.Contains("WireGuardPeer thief", conflict, StringComparison.Ordinal);
        Assert.Contains(holder, conflict, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_two_external_peers_the_older_has_the_prefix_and_the_other_is_told()
    {
        var plan = Three.With(Peer("alice", 8, 1, "192.168.1.0/24", "192.168.2.0/24"), Peer("zoe", 9, 2, "192.168.1.0/24")).Plan();

        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("zoe"));
        Assert.Equal(["192.168.2.0/24"], plan.AllowedIps("alice"));
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("zoe").Admission);
        Assert.Equal("allowed IP 192.168.1.0/24 belongs to the older WireGuardPeer zoe", plan.Message("alice"));
        Assert.Equal("WireGuardPeer alice does not get allowed IP 192.168.1.0/24: it belongs to the older WireGuardPeer zoe.",
            Assert.Single(plan.Conflicts));
    }

    [Fact]
    public void Among_peers_of_one_age_the_name_decides()
    {
        var plan = Three.With(Peer("y", 8, 1, "192.168.1.0/24"), Peer("x", 9, 1, "192.168.1.0/24")).Plan();
        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("x"));
        Assert.Empty(plan.AllowedIps("y"));
    }

    [Fact]
    public void Prefixes_of_different_length_may_overlap_between_external_peers()
    {
        var plan = Three.With(Peer("wide", 8, 2, "192.168.32.0/24"), Peer("narrow", 9, 1, "192.168.32.19/32")).Plan();

        Assert.Equal(["192.168.32.0/24"], plan.AllowedIps("wide"));
        Assert.Equal(["192.168.32.19/32"], plan.AllowedIps("narrow"));
        Assert.Empty(plan.Conflicts);
    }

    [Fact]
    public void Of_two_peers_with_one_key_the_younger_is_refused_whole()
    {
        var plan = Three.With(Peer("zoe", 9, 2), Peer("alice", 9, 1, "192.168.1.0/24"), Peer("third", 10, 0, "192.168.1.0/24")).Plan();

        Assert.Equal(PeerAdmission.Refused, plan.Outcome("alice").Admission);
        Assert.DoesNotContain(plan.Peers, peer => peer.Name == "alice");
        Assert.Contains("belongs to WireGuardPeer zoe already, which is older", plan.Message("alice"), StringComparison.Ordinal);
        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("third")); // what is refused holds nothing
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("third").Admission);
    }

    [Fact]
    public void A_nodes_key_beats_an_older_external_peers()
    {
        var plan = Three.With(Peer("impostor", 1, 9999)).Plan();

        Assert.Equal(PeerAdmission.Refused, plan.Outcome("impostor").Admission);
        Assert.Contains(plan.Peers, peer => peer.Name == "a");
        Assert.Contains("Node a", Assert.Single(plan.Conflicts), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_two_nodes_with_one_key_the_first_to_announce_it_is_served()
    {
        var plan = Three.With(Node("twin", 99, null, "10.244.9.0/24")).Announcing("a", 1, 5).Announcing("twin", 1, 4).Plan();

        Assert.Equal(PeerAdmission.Refused, plan.Outcome("twin").Admission);
        Assert.Empty(plan.ForNode("twin", 1)!.Peers);
        Assert.NotEmpty(plan.ForNode("twin", 1)!.Settings.Addresses);
        Assert.DoesNotContain(plan.ForNode("b", 1)!.Peers, peer => peer.Name == "twin");
        Assert.Contains(plan.ForNode("b", 1)!.Peers, peer => peer.Name == "a");
    }

    [Fact]
    public void Of_two_nodes_whose_pod_cidrs_overlap_the_older_keeps_its_own()
    {
        var plan = Three.With(Node("d", 0, null, "10.244.0.0/16", "10.250.4.0/24")).Announcing("d", 4).Plan();

        Assert.DoesNotContain("10.244.0.0/16", plan.AllowedIps("d"));
        Assert.Contains("10.250.4.0/24", plan.AllowedIps("d"));
        Assert.Equal(["10.250.4.0/24"], plan.ForNode("d", 1)!.Settings.PodCidrs);
        Assert.Contains("10.244.1.0/24", plan.AllowedIps("a"));
        Assert.Equal(PeerAdmission.PartlyAccepted, plan.Outcome("d").Admission);
    }

    [Fact]
    public void A_pod_cidr_that_a_node_lost_costs_no_other_node_anything()
    {
        var plan = ClusterState.Empty
            .With(Node("a", 3, null, "10.1.1.0/24"), Node("b", 2, null, "10.1.0.0/16"), Node("c", 1, null, "10.1.2.0/24"))
            .With(Peer("laptop", 9, 99, "10.1.9.0/24"))
            .Announcing("a", 1).Announcing("b", 2).Announcing("c", 3).Plan();

        Assert.Equal(PeerAdmission.PartlyAccepted, plan.Outcome("b").Admission);
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("c").Admission);
        Assert.Empty(plan.AllowedIps("laptop")); // but its pods are there all the same
    }

    [Fact]
    public void A_declared_peer_pins_the_key_and_may_set_the_endpoint_of_its_node()
    {
        var pin = Peer("a", 77) with { NodeName = "a", Endpoint = "gate.example.org:4500", PersistentKeepalive = 5,
            AllowedIps = Cidrs("192.168.9.0/24", "10.244.1.0/24") };
        var plan = Three.With(pin).Plan();
        var config = plan.Peers.Single(peer => peer.Name == "a");

        Assert.Equal(Key(77).ToArray(), config.PublicKey.ToByteArray());
        Assert.Equal(("gate.example.org:4500", 5u, PeerKind.Node), (config.Endpoint, config.PersistentKeepalive, config.Kind));
        Assert.Contains("192.168.9.0/24", config.AllowedIps);
        Assert.Single(config.AllowedIps, "10.244.1.0/24");
        Assert.Equal(("a", Key(77)), (plan.Nodes["a"].PinnedBy, plan.Nodes["a"].PublicKey!.Value));
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("a").Admission);
    }

    [Fact]
    public void A_node_whose_peer_has_another_name_does_not_get_itself_as_a_peer()
    {
        var plan = Three.With(Peer("gate", 77) with { NodeName = "a" }).Plan();

        Assert.Equal(["b", "c"], plan.ForNode("a", 1)!.Peers.Select(peer => peer.Name));
        Assert.Equal(["c", "gate"], plan.ForNode("b", 1)!.Peers.Select(peer => peer.Name));
    }

    [Fact]
    public void A_peer_that_names_a_node_and_has_no_key_is_refused_and_the_node_keeps_its_own()
    {
        var plan = Three.With(
            Peer("empty", 0, 9) with { NodeName = "a" },
            Peer("pin", 70, 3) with { NodeName = "a" },
            Peer("b", 0, 2) with { NodeName = "b" }).Plan();

        Assert.Equal((PeerAdmission.Refused, PeerReason.Invalid), (plan.Outcome("empty").Admission, plan.Outcome("empty").Reason));
        Assert.StartsWith("spec.publicKey: is missing; write the key that Node a is to have", plan.Message("empty"), StringComparison.Ordinal);
        Assert.Equal(("pin", Key(70)), (plan.Nodes["a"].PinnedBy, plan.Nodes["a"].PublicKey!.Value));
        Assert.StartsWith("spec.publicKey: is missing", plan.Message("b", PeerKind.External), StringComparison.Ordinal);
        Assert.Equal((null, Key(2)), (plan.Nodes["b"].PinnedBy, plan.Nodes["b"].PublicKey!.Value));
        Assert.Equal(["b", "c", "pin"], plan.Peers.Select(peer => peer.Name));
    }

    [Fact]
    public void A_second_pin_a_pin_without_a_node_and_a_nodes_name_are_refused_with_the_reason()
    {
        var plan = Three.With(
            Peer("pin", 70, 3) with { NodeName = "a" },
            Peer("pin2", 71, 2) with { NodeName = "a" },
            Peer("lost", 72, 1) with { NodeName = "nowhere" },
            Peer("b", 73, 9999)).Plan();

        Assert.Equal("spec.nodeName: the key of Node a is pinned by WireGuardPeer pin already, which is older", plan.Message("pin2"));
        Assert.Equal("spec.nodeName: there is no Node nowhere", plan.Message("lost"));
        Assert.StartsWith("metadata.name: the peer of Node b has this name", plan.Message("b", PeerKind.External),
            StringComparison.Ordinal);
        Assert.Equal(["b", "c", "pin"], plan.Peers.Select(peer => peer.Name));
        Assert.Equal(Key(2).ToArray(), plan.Peers[0].PublicKey.ToByteArray());
    }

    [Fact]
    public void A_preshared_key_reaches_the_nodes_and_one_that_is_missing_refuses_the_peer()
    {
        var reference = new SecretReference("wgmesh", "laptop", "psk");
        var secret = new SecretKey(Enumerable.Repeat((byte)5, 32).ToArray());
        var cluster = Three.With(Peer("laptop", 9) with { PresharedKey = reference });
        var with = cluster with { PresharedKeys = ImmutableDictionary<SecretReference, SecretKey>.Empty.Add(reference, secret) };

        Assert.Equal(secret.Bytes.ToArray(), with.Plan().Peers.Single(peer => peer.Name == "laptop").PresharedKey.ToByteArray());
        Assert.Equal(PeerAdmission.Refused, cluster.Plan().Outcome("laptop").Admission);
        Assert.Contains("key \"psk\" of Secret wgmesh/laptop", cluster.Plan().Message("laptop"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_preshared_key_for_a_nodes_peer_is_refused()
    {
        var plan = Three.With(Peer("a", 77) with { NodeName = "a", PresharedKey = new SecretReference("x", "y", "z") }).Plan();
        Assert.Contains("presharedKeySecretRef", plan.Message("a", PeerKind.External), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("192.0.2.2/32")]
    [InlineData("192.0.2.0/24")]
    [InlineData("128.0.0.0/1")]
    [InlineData("2001:db8::/32")]
    public void An_allowed_ip_that_covers_a_machines_address_on_the_underlay_is_refused(string prefix)
    {
        var cluster = Three with
        {
            Nodes = [Three.Nodes[0], Three.Nodes[1] with { HostAddresses = Cidrs("192.0.2.2/32", "2001:db8::2/128") }, Three.Nodes[2]],
        };
        cluster = cluster with { Mesh = MeshRecord.Default with { AddressPools = Cidrs("240.0.0.0/8") } };
        var plan = cluster.With(Peer("site", 9, 99, prefix, "192.168.1.0/24"), Peer("pin", 10, 99, prefix) with { NodeName = "b" }).Plan();

        foreach (var peer in (string[])["site", "pin"])
        {
            Assert.DoesNotContain(prefix, plan.AllowedIps(peer));
            Assert.Equal((PeerAdmission.PartlyAccepted, PeerReason.AllowedIPsConflict), (plan.Outcome(peer).Admission, plan.Outcome(peer).Reason));
            Assert.Contains("an underlay address of Node b", plan.Message(peer), StringComparison.Ordinal);
        }

        Assert.Contains("192.168.1.0/24", plan.AllowedIps("site"));
    }

    [Fact]
    public void A_machines_word_on_its_addresses_takes_no_pods_from_a_node_and_is_told()
    {
        var liar = Three.Nodes[2] with { HostAddresses = Cidrs("10.244.1.7/32") };
        var plan = (Three with { Nodes = [.. Three.Nodes[..2], liar] }).Plan();

        Assert.Contains("10.244.1.0/24", plan.AllowedIps("a"));
        Assert.Equal("Node c has the underlay address 10.244.1.7/32, which lies in 10.244.1.0/24, a pod CIDR of Node a.", Assert.Single(plan.Conflicts));
    }

    [Fact]
    public void A_peer_that_cannot_be_used_is_refused_with_all_its_problems_and_holds_nothing()
    {
        var plan = (Three.With(Peer("laptop", 9, 0, "192.168.1.0/24")) with
        {
            Unusable = [new UnusablePeer("broken", Day.AddHours(-9), 4, ["spec.publicKey: is missing", "spec.endpoint.port: is 0"])],
        }).Plan();

        var outcome = plan.Outcome("broken");
        Assert.Equal((PeerAdmission.Refused, PeerReason.Invalid, 4L, PeerKind.External),
            (outcome.Admission, outcome.Reason, outcome.Generation, outcome.Kind));
        Assert.Equal("spec.publicKey: is missing; spec.endpoint.port: is 0", plan.Message("broken"));
        Assert.Equal("WireGuardPeer broken is refused: spec.publicKey: is missing; spec.endpoint.port: is 0.", Assert.Single(plan.Conflicts));
        Assert.False(plan.HasPeer("broken"));
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("laptop").Admission);
    }

    [Fact]
    public void Every_outcome_has_a_reason_and_the_generation_of_its_object()
    {
        var cluster = Three.With(Node("d")).With(
            Peer("twin", 1) with { Generation = 2 },
            Peer("b", 70) with { Generation = 3 },
            Peer("lost", 71) with { NodeName = "nowhere", Generation = 4 },
            Peer("pin", 72, 2) with { NodeName = "a", Generation = 5 },
            Peer("pin2", 73, 1) with { NodeName = "a", Generation = 6 },
            Peer("secret", 74) with { PresharedKey = new SecretReference("x", "y", "z"), Generation = 7 },
            Peer("thief", 75, 0, "10.244.2.0/24") with { Generation = 8 });
        cluster = cluster with { Announcements = cluster.Announcements.SetItem("c", cluster.Announcements["c"] with { Generation = 9 }) };
        var plan = cluster.Plan();

        Assert.Equal(
            [
                ("b", PeerReason.Accepted, 0L), ("b", PeerReason.NameTaken, 3), ("c", PeerReason.Accepted, 9), ("d", PeerReason.Waiting, 0),
                ("lost", PeerReason.UnknownNode, 4), ("pin", PeerReason.Accepted, 5), ("pin2", PeerReason.PinnedTwice, 6),
                ("secret", PeerReason.PresharedKeyMissing, 7), ("thief", PeerReason.AllowedIPsConflict, 8), ("twin", PeerReason.Accepted, 2),
            ],
            plan.Outcomes.Select(outcome => (outcome.Name, outcome.Reason, outcome.Generation)));
        Assert.Equal(PeerReason.DuplicatePublicKey, Three.With(Peer("twin", 1)).Plan().Outcome("twin").Reason);
        Assert.Equal(PeerReason.PodCIDRConflict,
            Three.With(Node("d", 0, null, "10.244.1.0/24")).Announcing("d", 4).Plan().Outcome("d").Reason);
        var full = (Three with { Mesh = MeshRecord.Default with { AddressPools = Cidrs("10.90.0.0/31") } }).Plan();
        Assert.Equal((PeerAdmission.PartlyAccepted, PeerReason.NoFreeAddress), (full.Outcome("c").Admission, full.Outcome("c").Reason));
    }

    [Fact]
    public void Ten_thousand_peers_in_one_state_are_planned_and_each_is_told_what_it_lost()
    {
        var peers = Enumerable.Range(0, 10_000)
            .Select(i => Peer($"p{i}", i % 3 == 0 ? 500 : 1000 + i, 0, i % 2 == 0 ? ["192.168.0.0/16", $"172.{16 + (i / 4096)}.{i / 16 % 256}.{i % 16 * 16}/28"] : [])
                with { Versions = VersionSet.Of([1u + (uint)(i % 63), 1u + (uint)(i / 63 % 63)]) })
            .ToArray();
        var plan = Three.With(peers).Plan();

        Assert.Equal(10_003, plan.Outcomes.Length);
        Assert.Equal(3333, plan.Outcomes.Count(outcome => outcome.Reason == PeerReason.DuplicatePublicKey));
        Assert.Single(plan.Peers, peer => peer.AllowedIps.Contains("192.168.0.0/16"));
        Assert.Equal(3 + 6667, plan.Peers.Length);
    }
}
