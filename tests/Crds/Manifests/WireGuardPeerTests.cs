using System.Text.Json;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using static WgMesh.Crds.Tests.Reading;

namespace WgMesh.Crds.Tests;

public class WireGuardPeerTests
{
    [Fact]
    public void A_whole_peer_is_read()
    {
        var peer = ReadPeer("""
            apiVersion: wgmesh.io/v1alpha1
            kind: WireGuardPeer
            metadata: {name: worker-1, labels: {a: b}}
            spec:
              publicKey: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=
              endpoint: {host: "2001:db8::1", port: 51820}
              allowedIPs: [10.1.2.0/24, "fd00:1::/64"]
              persistentKeepalive: 25
              presharedKeySecretRef: {name: psk, namespace: wgmesh, key: worker-1}
              nodeName: worker-1
            status:
              conditions: [{type: Ready, status: "True", reason: Connected, lastTransitionTime: "2026-03-01T10:20:30Z", observedGeneration: 2}]
              observedGeneration: 2
              addresses: [10.90.0.1/32]
              endpoint: 192.0.2.1:51820
              lastHandshakeTime: 2026-03-01T10:20:30Z
              connectedNodes: 2/3
            """);

        Assert.Equal("worker-1", peer.Metadata.Name);
        Assert.Equal(Key, peer.Spec.PublicKey);
        Assert.Equal("[2001:db8::1]:51820", peer.Spec.Endpoint!.ToString());
        Assert.Equal(["10.1.2.0/24", "fd00:1::/64"], peer.Spec.AllowedIPs);
        Assert.Equal(25, peer.Spec.PersistentKeepalive);
        Assert.Equal(("psk", "wgmesh", "worker-1"), (peer.Spec.PresharedKeySecretRef!.Name, peer.Spec.PresharedKeySecretRef.Namespace, peer.Spec.PresharedKeySecretRef.Key));
        Assert.Equal("worker-1", peer.Spec.NodeName);
        Assert.Equal("True", Assert.Single(peer.Status!.Conditions).Status);
        Assert.Equal("2/3", peer.Status.ConnectedNodes);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 10, 20, 30, TimeSpan.Zero), peer.Status.LastHandshakeTime);
    }

    [Fact]
    public void A_public_key_is_all_that_a_peer_needs_and_the_rest_has_defaults()
    {
        var peer = ReadPeer(Peer($"{{publicKey: {Key}, presharedKeySecretRef: {{name: psk}}}}"));

        Assert.Empty(peer.Spec.AllowedIPs);
        Assert.Null(peer.Spec.Endpoint);
        Assert.Null(peer.Spec.PersistentKeepalive);
        Assert.Null(peer.Spec.NodeName);
        Assert.Equal([1], peer.Spec.ProtocolVersions);
        Assert.Null(peer.Status);
        Assert.Equal("presharedKey", peer.Spec.PresharedKeySecretRef!.Key);
        Assert.Null(peer.Spec.PresharedKeySecretRef.Namespace);
    }

    [Fact]
    public void A_null_stands_for_an_absent_field()
    {
        var peer = ReadPeer(Peer($"{{publicKey: {Key}, endpoint: ~, allowedIPs: , persistentKeepalive: null, presharedKeySecretRef: {{name: psk, key: ~}}}}",
            "{name: laptop, labels: ~, finalizers: null}"));

        Assert.Empty(peer.Spec.AllowedIPs);
        Assert.Empty(peer.Metadata.Labels);
        Assert.Empty(peer.Metadata.Finalizers);
        Assert.Equal("presharedKey", peer.Spec.PresharedKeySecretRef!.Key);
        Assert.Equal("spec.publicKey", ProblemOf(Peer("{publicKey: ~}")).Field);
    }

    [Fact]
    public void A_peer_reads_back_as_it_was_written()
    {
        var peer = new WireGuardPeer
        {
            Metadata = new ObjectMeta { Name = "laptop", Uid = "u", Generation = 3, CreationTimestamp = DateTimeOffset.UnixEpoch, Labels = { ["a/b"] = "c" } },
            Spec = new WireGuardPeerSpec
            {
                PublicKey = Key,
                Endpoint = new PeerEndpoint { Host = "gate.example.org", Port = 1 },
                AllowedIPs = ["10.1.2.0/24"],
                PersistentKeepalive = 0,
                PresharedKeySecretRef = new SecretKeyReference { Name = "psk" },
            },
            Status = new WireGuardPeerStatus { Conditions = [new Condition { Type = "Ready", Status = "False" }], Addresses = ["10.90.0.7/32"] },
        };
        var text = JsonSerializer.Serialize(peer, CrdsJson.Default.WireGuardPeer);

        Assert.Equal(text, JsonSerializer.Serialize(ReadPeer(text), CrdsJson.Default.WireGuardPeer));
        Assert.Equal(text, JsonSerializer.Serialize(ReadPeer(YamlWriter.Write(JsonNode.Parse(text))), CrdsJson.Default.WireGuardPeer));
        Assert.Contains("\"allowedIPs\":[\"10.1.2.0/24\"]", text, StringComparison.Ordinal);
    }

    [Fact]
    public void All_problems_of_an_object_are_reported_with_their_lines()
    {
        var set = Read("""
            apiVersion: wgmesh.io/v1alpha1
            kind: WireGuardPeer
            metadata:
              name: Laptop
            spec:
              alowedIPs: []
              endpoint:
                host: gate.example.org
                port: 0
              allowedIPs:
              - 10.0.0.0/8
              - 10.1.2.3/24
            """);

        Assert.Empty(set.Peers);
        Assert.Equal(
            [
                "t.yaml:6: WireGuardPeer/Laptop: spec.alowedIPs: is not a known field; did you mean allowedIPs?",
                "t.yaml:9: WireGuardPeer/Laptop: spec.endpoint.port: is 0; must be from 1 to 65535",
                "t.yaml:12: WireGuardPeer/Laptop: spec.allowedIPs[1]: 10.1.2.3/24 has host bits; did you mean 10.1.2.0/24 or 10.1.2.3/32?",
                "t.yaml:6: WireGuardPeer/Laptop: spec.publicKey: is missing; write what `wg pubkey` prints on the device. Only the peer of a node, which has a nodeName, may be without",
                "t.yaml:4: WireGuardPeer/Laptop: metadata.name: \"Laptop\" is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part; did you mean \"laptop\"?",
            ],
            set.Problems.Select(problem => problem.ToString()));
    }

    [Theory]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw==", "is 31 bytes in base64, a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh", "is 33 bytes in base64, a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("''", "is 0 bytes in base64, a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA", "is not base64; a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy_=", "is not base64; a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB=", "is not base64; a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA= '", "contains white space; a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "is all zeros, which nobody holds the private key of; use the key that `wg pubkey` prints")]
    [InlineData("12", "is a number; a string is wanted; put it in quotes")]
    [InlineData("[a]", "is a list; a string is wanted")]
    public void A_public_key_that_is_none_is_refused(string key, string message) => Refused(Peer($"{{publicKey: {key}}}"), "spec.publicKey", message);

    [Theory]
    [InlineData("10.1.2.3/24", "10.1.2.3/24 has host bits; did you mean 10.1.2.0/24 or 10.1.2.3/32?")]
    [InlineData("fd00::1/64", "fd00::1/64 has host bits; did you mean fd00::/64 or fd00::1/128?")]
    [InlineData("10.1.2.3/0", "10.1.2.3/0 has host bits; did you mean 0.0.0.0/0 or 10.1.2.3/32?")]
    [InlineData("10.1.2.3", "\"10.1.2.3\" has no prefix length; did you mean 10.1.2.3/32?")]
    [InlineData("10.0.0.0/33", "\"10.0.0.0/33\" is not a CIDR: the prefix length of an IPv4 address is a number from 0 to 32")]
    [InlineData("10.0.0.0/08", "\"10.0.0.0/08\" is not a CIDR: the prefix length of an IPv4 address is a number from 0 to 32")]
    [InlineData("10.0.0.0/-1", "\"10.0.0.0/-1\" is not a CIDR: the prefix length of an IPv4 address is a number from 0 to 32")]
    [InlineData("fd00::/129", "\"fd00::/129\" is not a CIDR: the prefix length of an IPv6 address is a number from 0 to 128")]
    [InlineData("10.0/8", "\"10.0/8\" is not a CIDR: \"10.0\" is neither an IPv4 nor an IPv6 address")]
    [InlineData("010.0.0.0/8", "\"010.0.0.0/8\" is not a CIDR: \"010.0.0.0\" is neither an IPv4 nor an IPv6 address")]
    [InlineData("fe80::%eth0/64", "\"fe80::%eth0/64\" is not a CIDR: \"fe80::%eth0\" is neither an IPv4 nor an IPv6 address")]
    [InlineData("::ffff:10.0.0.1/128", "::ffff:10.0.0.1/128 is an IPv4 address written as IPv6; write it as IPv4, such as 10.0.0.1/32")]
    [InlineData("laptop", "\"laptop\" is not a CIDR, which is an address, a slash and a prefix length, such as 10.1.2.0/24 or fd00:1::/64")]
    public void An_allowed_IP_that_is_no_CIDR_without_host_bits_is_refused(string cidr, string message) =>
        Refused(PeerWith($"allowedIPs: [10.0.0.0/8, \"{cidr}\"]"), "spec.allowedIPs[1]", message);

    [Theory]
    [InlineData("10.1.2.0/24")]
    [InlineData("0.0.0.0/0")]
    [InlineData("10.1.2.3/32")]
    [InlineData("::/0")]
    [InlineData("FD00:0:0::/48")]
    [InlineData("fd00::1/128")]
    public void Every_CIDR_without_host_bits_is_accepted(string cidr) => Assert.Equal([cidr], ReadPeer(PeerWith($"allowedIPs: [\"{cidr}\"]")).Spec.AllowedIPs);

    [Fact]
    public void A_list_of_allowed_IPs_must_be_a_list_without_gaps_and_not_endless()
    {
        Refused(PeerWith("allowedIPs: 10.0.0.0/8"), "spec.allowedIPs", "is a string; a list is wanted; write it as an entry: [\"...\"]");
        Refused(PeerWith("allowedIPs: [10.0.0.0/8, ~]"), "spec.allowedIPs[1]", "is empty; remove it from the list");
        Refused(PeerWith($"allowedIPs: [{string.Join(",", Enumerable.Repeat("10.0.0.0/8", 257))}]"), "spec.allowedIPs", "has 257 entries; at most 256 are allowed");
    }

    [Theory]
    [InlineData("gate_1.example.org", "\"gate_1.example.org\" is not a host name; a host is a DNS name, an IPv4 address or an IPv6 address")]
    [InlineData("-gate", "\"-gate\" is not a host name; a host is a DNS name, an IPv4 address or an IPv6 address")]
    [InlineData("", "\"\" is not a host name; a host is a DNS name, an IPv4 address or an IPv6 address")]
    [InlineData("192.0.2.256", "\"192.0.2.256\" is not an IPv4 address, which is four numbers from 0 to 255 without leading zeros")]
    [InlineData("192.0.2", "\"192.0.2\" is not an IPv4 address, which is four numbers from 0 to 255 without leading zeros")]
    [InlineData("192.0.02.1", "\"192.0.02.1\" is not an IPv4 address, which is four numbers from 0 to 255 without leading zeros")]
    [InlineData("192.0.2.1:51820", "\"192.0.2.1:51820\" contains a port; the port goes into the field beside it")]
    [InlineData("[2001:db8::1]:51820", "\"[2001:db8::1]:51820\" contains a port; the port goes into the field beside it")]
    [InlineData("[2001:db8::1]", "\"[2001:db8::1]\" is in brackets; write 2001:db8::1")]
    [InlineData("2001:db8::1::", "\"2001:db8::1::\" is not an IPv6 address; a host is a DNS name, an IPv4 address or an IPv6 address")]
    [InlineData("fe80::1%eth0", "\"fe80::1%eth0\" is not an IPv6 address; a host is a DNS name, an IPv4 address or an IPv6 address")]
    [InlineData("https://gate", "\"https://gate\" is not an IPv6 address; a host is a DNS name, an IPv4 address or an IPv6 address")]
    public void A_host_that_is_neither_name_nor_address_is_refused(string host, string message) =>
        Refused(PeerWith($"endpoint: {{host: \"{host}\", port: 1}}"), "spec.endpoint.host", message);

    [Theory]
    [InlineData("gate")]
    [InlineData("Gate-1.Example.ORG")]
    [InlineData("4gate.example.org")]
    [InlineData("192.0.2.1")]
    [InlineData("2001:db8::1")]
    [InlineData("::ffff:192.0.2.1")]
    public void Names_and_addresses_are_hosts(string host) => Assert.Equal(host, ReadPeer(PeerWith($"endpoint: {{host: \"{host}\", port: 1}}")).Spec.Endpoint!.Host);

    [Theory]
    [InlineData("0", "is 0; must be from 1 to 65535")]
    [InlineData("65536", "is 65536; must be from 1 to 65535")]
    [InlineData("18446744073709551615", "is 18446744073709551615; must be from 1 to 65535")]
    [InlineData("1.5", "is 1.5; a whole number is wanted")]
    [InlineData("\"51820\"", "is a string; a number is wanted; without quotes")]
    [InlineData("yes", "is a boolean (true or false); a number is wanted")]
    [InlineData("{}", "is a mapping; a number is wanted")]
    public void A_port_out_of_range_or_of_another_type_is_refused(string port, string message) =>
        Refused(PeerWith($"endpoint: {{host: gate, port: {port}}}"), "spec.endpoint.port", message);

    [Fact]
    public void An_endpoint_has_a_host_and_a_port()
    {
        Refused(PeerWith("endpoint: {host: gate}"), "spec.endpoint.port", "is missing. The UDP port.");
        Refused(PeerWith("endpoint: {port: 1}"), "spec.endpoint.host", "is missing. A DNS name, an IPv4 address or an IPv6 address (without brackets).");
        Refused(PeerWith("endpoint: gate:51820"), "spec.endpoint", "is a string; a mapping is wanted");
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("65536")]
    public void A_keepalive_out_of_range_is_refused(string seconds) =>
        Refused(PeerWith($"persistentKeepalive: {seconds}"), "spec.persistentKeepalive", $"is {seconds}; must be from 0 to 65535");

    [Theory]
    [InlineData("protocolVersions: []", "spec.protocolVersions", "has 0 entries; at least 1 must be there, or leave the field out for its default")]
    [InlineData("protocolVersions: [1, 0]", "spec.protocolVersions[1]", "is 0; must be from 1 to 63")]
    [InlineData("protocolVersions: [64]", "spec.protocolVersions[0]", "is 64; must be from 1 to 63")]
    [InlineData("protocolVersions: 2", "spec.protocolVersions", "is a number; a list is wanted")]
    public void Protocol_versions_are_a_list_of_numbers_in_range(string field, string path, string message) => Refused(PeerWith(field), path, message);

    [Fact]
    public void Gateways_are_chosen_by_the_labels_of_nodes()
    {
        var peer = ReadPeer(PeerWith("gateways: {nodeSelector: {topology.kubernetes.io/zone: a, role: ''}}"));
        Assert.Equal([new("topology.kubernetes.io/zone", "a"), new("role", "")], peer.Spec.Gateways!.NodeSelector);
    }

    [Theory]
    [InlineData("{}", "spec.gateways.nodeSelector", "is missing. Labels that a node must have to be a gateway for this device, all of them.")]
    [InlineData("{nodeSelector: {}}", "spec.gateways.nodeSelector", "has 0 entries; at least 1 must be there, or leave the field out")]
    [InlineData("{nodeSelector: {/zone: a}}", "spec.gateways.nodeSelector", "has the key \"/zone\", which no label can have; a key is such as zone or topology.kubernetes.io/zone")]
    [InlineData("{nodeSelector: {Example.org/zone: a}}", "spec.gateways.nodeSelector", "has the key \"Example.org/zone\", which no label can have; a key is such as zone or topology.kubernetes.io/zone")]
    [InlineData("{nodeSelector: {zone: a b}}", "spec.gateways.nodeSelector.zone", "\"a b\" is not the value of a label: at most 63 letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends")]
    [InlineData("{nodeSelector: {zone: 1}}", "spec.gateways.nodeSelector.zone", "is a number; a string is wanted; put it in quotes")]
    public void A_selector_that_no_node_can_match_is_refused(string gateways, string field, string message) => Refused(PeerWith($"gateways: {gateways}"), field, message);

    [Fact]
    public void A_selector_has_no_more_than_16_labels() =>
        Refused(PeerWith($"gateways: {{nodeSelector: {{{string.Join(", ", Enumerable.Range(0, 17).Select(i => $"l{i}: a"))}}}}}"), "spec.gateways.nodeSelector", "has 17 entries; at most 16 are allowed");

    [Fact]
    public void A_node_has_no_gateways() =>
        Refused(PeerWith("nodeName: n1, gateways: {nodeSelector: {zone: a}}"), "spec.gateways", "is for external devices; remove it from the peer of a node, or remove nodeName");

    [Fact]
    public void A_manifest_that_pins_a_nodes_key_has_one() =>
        Refused(Peer("{nodeName: n1}"), "spec.publicKey", "is missing; write the key that node n1 is to have, or remove the object: the operator makes the peers of nodes itself");

    [Theory]
    [InlineData("persistentkeepalive: 1", "spec.persistentkeepalive", "is not a known field; did you mean persistentKeepalive?")]
    [InlineData("endpoint: {host: gate, port: 1, prot: 2}", "spec.endpoint.prot", "is not a known field; did you mean port?")]
    [InlineData("colour: red", "spec.colour", "is not a known field; known here: publicKey, endpoint, allowedIPs, persistentKeepalive, presharedKeySecretRef, nodeName, gateways, protocolVersions")]
    [InlineData("\"a b\": ~", "spec[\"a b\"]", "is not a known field; known here: publicKey, endpoint, allowedIPs, persistentKeepalive, presharedKeySecretRef, nodeName, gateways, protocolVersions")]
    public void An_unknown_field_is_refused_and_the_nearest_known_one_suggested(string field, string path, string message) => Refused(PeerWith(field), path, message);

    [Fact]
    public void An_unknown_field_is_refused_in_metadata_and_beside_spec_too()
    {
        Refused(Peer($"{{publicKey: {Key}}}", "{name: a, lables: {}}"), "metadata.lables", "is not a known field; did you mean labels?");
        Refused(Peer($"{{publicKey: {Key}}}") + "stats: {}\n", "stats", "is not a known field; did you mean status?");
        ReadPeer(Peer($"{{publicKey: {Key}}}", "{name: a, managedFields: [{manager: x}], selfLink: /x, generateName: a-}"));
    }

    [Fact]
    public void A_misspelt_required_field_is_both_unknown_and_missing() =>
        Assert.Equal(["spec.publickey", "spec.publicKey"], Read(Peer($"{{publickey: {Key}}}")).Problems.Select(problem => problem.Field!));

    [Theory]
    [InlineData("{}", "is missing; every object needs a name")]
    [InlineData("{name: ~}", "is missing; every object needs a name")]
    [InlineData("{name: ''}", "\"\" is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part")]
    [InlineData("{name: My Laptop}", "\"My Laptop\" is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part; did you mean \"my-laptop\"?")]
    [InlineData("{name: a..b}", "\"a..b\" is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part; did you mean \"a.b\"?")]
    [InlineData("{name: -a}", "\"-a\" is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part; did you mean \"a\"?")]
    [InlineData("{name: 12}", "is a number; a string is wanted; put it in quotes")]
    public void A_name_that_is_missing_or_not_DNS_1123_is_refused(string metadata, string message) =>
        Refused(Peer($"{{publicKey: {Key}}}", metadata), "metadata.name", message);

    [Fact]
    public void A_name_has_at_most_253_characters()
    {
        ReadPeer(Peer($"{{publicKey: {Key}}}", $"{{name: {new string('a', 253)}}}"));
        Refused(Peer($"{{publicKey: {Key}}}", $"{{name: {new string('a', 254)}}}"), "metadata.name", "has 254 characters; a name has at most 253");
    }

    [Fact]
    public void Metadata_and_spec_must_be_there()
    {
        Refused($"apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardPeer\nspec: {{publicKey: {Key}}}\n", "metadata", "is missing. It holds the name of the object.");
        Refused("apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardPeer\nmetadata: {name: a}\n", "spec", "is missing. What is wanted of the peer.");
        Refused(Peer("[]"), "spec", "is a list; a mapping is wanted");
    }

    [Fact]
    public void A_peer_belongs_to_no_namespace() =>
        Refused(Peer($"{{publicKey: {Key}}}", "{name: a, namespace: b}"), "metadata.namespace", "is set, but a WireGuardPeer belongs to no namespace; remove it");

    [Theory]
    [InlineData("{}", "spec.presharedKeySecretRef.name", "is missing. The name of the Secret.")]
    [InlineData("{name: a, namespace: a.b}", "spec.presharedKeySecretRef.namespace", "\"a.b\" is not a namespace: at most 63 lower-case letters, digits and \"-\", with a letter or digit at both ends")]
    [InlineData("{name: a, key: a b}", "spec.presharedKeySecretRef.key", "\"a b\" is not a key of a Secret: at most 253 letters, digits, \"-\", \"_\" and \".\"")]
    public void A_reference_to_a_secret_must_be_able_to_name_one(string reference, string field, string message) =>
        Refused(PeerWith($"presharedKeySecretRef: {reference}"), field, message);

    [Fact]
    public void A_node_name_must_be_able_to_name_a_node() => Assert.Equal("spec.nodeName", ProblemOf(PeerWith("nodeName: Worker_1")).Field);

    [Theory]
    [InlineData("{conditions: [{type: Ready, status: true}]}", "status.conditions[0].status", "is a boolean (true or false); a string is wanted; put it in quotes")]
    [InlineData("{conditions: [{type: Ready, status: Yes please}]}", "status.conditions[0].status", "is \"Yes please\"; must be True or False or Unknown")]
    [InlineData("{conditions: [{type: A, status: 'True'}, {type: A, status: 'True'}]}", "status.conditions[1]", "has the same type as an entry before it; every type may be there once")]
    [InlineData("{conditions: [{status: 'True'}]}", "status.conditions[0].type", "is missing. The aspect of the object that this condition is about, in CamelCase.")]
    [InlineData("{lastHandshakeTime: yesterday}", "status.lastHandshakeTime", "is not a time such as 2026-01-31T12:00:00Z")]
    [InlineData("{observedGeneration: 99999999999999999999}", "status.observedGeneration", "is 1E+20; a whole number is wanted")]
    public void A_status_is_held_to_its_types_too(string status, string field, string message) =>
        Refused(Peer($"{{publicKey: {Key}}}") + $"status: {status}\n", field, message);
}
