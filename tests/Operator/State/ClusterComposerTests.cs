using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.State;

public sealed class ClusterComposerTests
{
    private readonly ClusterComposer _composer = new("wgmesh");
    private InformerStore<Node> _nodes = Empty<Node>();
    private InformerStore<StoredResource> _peers = Empty<StoredResource>();
    private InformerStore<StoredResource> _meshes = Empty<StoredResource>();
    private PresharedKeySet _keys = PresharedKeySet.Empty;

    [Fact]
    public void A_nodes_own_peer_is_its_announcement_as_old_as_the_peer_and_no_declared_peer()
    {
        PutNode("a", "uid-a");
        PutOwnPeer("a", "uid-a", """{"nodeName":"a","publicKey":"KEY1","endpoint":{"host":"2001:db8::1","port":5000},"protocolVersions":[1,2]}""");
        var state = Update().State;
        var announcement = state.Announcements["a"];
        Assert.Equal((Key(1), Day, "1, 2"), (announcement.PublicKey, announcement.Since, announcement.Versions.ToString()));
        Assert.Equal("[2001:db8::1]:5000", Assert.Single(announcement.Endpoints));
        Assert.Empty(state.Peers);
        Assert.Empty(state.Unusable);
    }

    [Fact]
    public void A_peer_of_a_node_that_was_there_before_counts_for_nothing()
    {
        PutNode("a", "uid-a");
        PutOwnPeer("a", "uid-a", """{"nodeName":"a","publicKey":"KEY1"}""", """["10.90.0.1/32"]""");
        Assert.Single(Update().State.Announcements);

        PutNode("a", "uid-new");
        var state = Update().State;
        Assert.Empty(state.Announcements);
        Assert.Empty(state.Addresses.Nodes);
        Assert.Empty(state.Peers);
    }

    [Fact]
    public void A_peer_that_carries_the_label_alone_or_another_name_is_no_announcement()
    {
        PutNode("a", "uid-a");
        PutPeer("labelled", """{"publicKey":"KEY1"}""", item => item.Metadata.Labels[StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy);
        PutOwnPeer("b", "uid-a", """{"nodeName":"a","publicKey":"KEY2"}""", owner: "a");
        var state = Update().State;
        Assert.Empty(state.Announcements);
        Assert.Equal(["b", "labelled"], state.Peers.Select(peer => peer.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("windows")]
    [InlineData("")]
    public void A_node_whose_label_says_that_it_does_not_run_Linux_is_outside_for_as_long_as_it_says_so(string system)
    {
        PutNode("a", "uid-a", Linux);
        PutNode("b", "uid-b", node => node.Spec.PodCidrs = ["10.244.2.0/24"]);
        PutOwnPeer("b", "uid-b", """{"nodeName":"b","publicKey":"KEY2"}""", """["10.90.0.2/32"]""");
        Assert.Equal(["a", "b"], Update().Nodes.Keys.Order(StringComparer.Ordinal));

        PutNode("b", "uid-b", node => (node.Spec.PodCidrs, node.Metadata.Labels["kubernetes.io/os"]) = (["10.244.2.0/24"], system));
        var view = Update();
        Assert.Equal("a", Assert.Single(view.Nodes).Key);
        Assert.Equal("a", Assert.Single(view.State.Nodes).Name);
        var outside = Assert.Single(view.State.Outside);
        Assert.Equal(("b", "10.244.2.0/24"), (outside.Name, Assert.Single(outside.PodCidrs).ToString()));
        Assert.Empty(view.State.Announcements);
        Assert.Empty(view.State.Addresses.Nodes);

        PutNode("b", "uid-b", Linux);
        view = Update();
        Assert.Equal(["a", "b"], view.State.Nodes.Select(node => node.Name).Order(StringComparer.Ordinal));
        Assert.Empty(view.State.Outside);
        Assert.Equal(["10.90.0.2/32"], Texts(view.State.Addresses.Nodes["b"]));

        static void Linux(Node node) => node.Metadata.Labels["kubernetes.io/os"] = "linux";
    }

    [Fact]
    public void A_nodes_addresses_are_with_its_own_peer_then_with_the_one_that_pins_its_key()
    {
        PutNode("a", "uid-a");
        PutOwnPeer("a", "uid-a", """{"nodeName":"a"}""", """["10.90.0.1/32"]""");
        PutPeer("pin", """{"nodeName":"a","publicKey":"KEY1"}""");
        var before = Update().State;
        Assert.Equal(["10.90.0.1/32"], Texts(before.Addresses.Nodes["a"]));

        PutPeer("pin", """{"nodeName":"a","publicKey":"KEY1"}""", allocated: """["10.90.0.1/32"]""");
        RemovePeer("a");
        var after = Update().State;
        Assert.Equal(["10.90.0.1/32"], Texts(after.Addresses.Nodes["a"]));
        Assert.Empty(after.Addresses.Peers);
        Assert.Equal("a", after.Peers.Single().NodeName);

        RemovePeer("pin");
        Assert.Empty(Update().State.Addresses.Nodes);
    }

    [Fact]
    public void Addresses_of_what_cannot_be_used_are_still_given()
    {
        PutPeer("bad", """{"publicKey":7}""", allocated: """["10.90.0.1/32","nonsense",5,"fd90:90::1/128","10.0.0.0/8"]""");
        PutPeer("pin-of-nobody", """{"nodeName":"gone","publicKey":"KEY1"}""", allocated: """["10.90.0.2/32"]""");
        var state = Update().State;
        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], Texts(state.Addresses.Peers["bad"]));
        Assert.Equal(["10.90.0.2/32"], Texts(state.Addresses.Peers["pin-of-nobody"]));
        var unusable = Assert.Single(state.Unusable);
        Assert.Equal("bad", unusable.Name);
        Assert.Contains(unusable.Problems, problem => problem.StartsWith("spec.publicKey: is a number", StringComparison.Ordinal));
    }

    [Fact]
    public void Fields_of_the_wrong_type_and_nulls_stop_nobody()
    {
        PutPeer("nulls", """{"publicKey":"KEY1","allowedIPs":null,"protocolVersions":null,"endpoint":null}""");
        PutPeer("text", "\"spec\"");
        PutPeer("none", "null");
        PutPeer("unknown", """{"publicKey":"KEY2","colour":"red"}""");
        var state = Update().State;
        Assert.Equal(["nulls", "unknown"], state.Peers.Select(peer => peer.Name).Order());
        Assert.Equal(["none", "text"], state.Unusable.Select(peer => peer.Name).Order());
    }

    [Fact]
    public void A_gateway_is_the_stored_one_of_peers_that_have_gateways()
    {
        PutPeer("office", """{"publicKey":"KEY1","gateways":{"nodeSelector":{"edge":"yes"}}}""", item => item.Status!["gateway"] = "b");
        PutPeer("laptop", """{"publicKey":"KEY2"}""", item => item.Status!["gateway"] = "b");
        Assert.Equal([KeyValuePair.Create("office", "b")], Update().State.Gateways);
    }

    [Fact]
    public void A_setting_that_cannot_be_used_stays_as_it_was_and_the_others_take_effect()
    {
        PutMesh("""{"listenPort":5000,"mtu":1300}""");
        Assert.Equal(5000, Update().State.Mesh.ListenPort);
        PutMesh("""{"listenPort":"many","mtu":1400,"addressPools":["10.1.2.3/8"]}""");
        var view = Update();
        Assert.Equal(5000, view.State.Mesh.ListenPort);
        Assert.Equal(1400, view.State.Mesh.Mtu);
        Assert.Equal(["10.90.0.0/16", "fd90:90::/64"], Texts(view.State.Mesh.AddressPools));
        Assert.Equal(2, view.MeshProblems.Length);
        Assert.Equal(2, view.State.Problems.Length);

        PutMesh("""{"mtu":1400}""");
        Assert.Equal(51820, Update().State.Mesh.ListenPort);
        Assert.Empty(_composer.Current.State.Problems);
    }

    [Fact]
    public void A_node_is_there_without_what_of_it_cannot_be_used()
    {
        PutNode("a", "uid-a", node =>
        {
            node.Spec.PodCidrs = ["10.244.1.0/24", "pods"];
            node.Status.Addresses =
            [
                new NodeAddress { Type = "Hostname", Address = "a" }, new NodeAddress { Type = "ExternalIP", Address = "198.51.100.1" },
                new NodeAddress { Type = "InternalIP", Address = "a.example.org" }, new NodeAddress { Type = "InternalIP", Address = "192.0.2.1" },
                new NodeAddress { Type = "InternalIP", Address = "2001:db8::1" },
            ];
            node.Metadata.Labels["edge"] = "yes";
        });
        PutNode("b", "uid-b", node => node.Spec.PodCidr = "10.244.2.0/24");
        _nodes = _nodes with { Unreadable = _nodes.Unreadable.Add("c", new UnreadableObject(new ObjectMeta { Name = "c", Uid = "uid-c" }, "is broken")) };
        _changedNodes.Add("c");
        var view = Update();
        var a = view.State.Nodes.Single(node => node.Name == "a");
        Assert.Equal(["10.244.1.0/24"], Texts(a.PodCidrs));
        Assert.Equal("192.0.2.1", a.Address);
        Assert.Equal(["192.0.2.1/32", "198.51.100.1/32", "2001:db8::1/128"], Texts(a.HostAddresses).Order(StringComparer.Ordinal));
        Assert.Equal("yes", a.Labels["edge"]);
        Assert.Equal(["10.244.2.0/24"], Texts(view.State.Nodes.Single(node => node.Name == "b").PodCidrs));
        Assert.True(view.Nodes.ContainsKey("c") && view.State.Nodes.Any(node => node.Name == "c"));
        Assert.Equal(3, view.State.Problems.Length);
    }

    [Fact]
    public void What_changes_nothing_leaves_the_same_state()
    {
        PutNode("a", "uid-a", node => node.Metadata.Labels["edge"] = "yes");
        PutOwnPeer("a", "uid-a", """{"nodeName":"a","publicKey":"KEY1"}""", """["10.90.0.1/32"]""");
        PutPeer("laptop", """{"publicKey":"KEY2"}""", allocated: """["10.90.0.2/32"]""");
        PutMesh("{}");
        var before = Update().State;

        // a heartbeat, and status
        PutNode("a", "uid-a", node => (node.Metadata.Labels["edge"], node.Metadata.ResourceVersion) = ("yes", "2"));
        PutOwnPeer("a", "uid-a", """{"nodeName":"a","publicKey":"KEY1"}""", """["10.90.0.1/32"]""");
        PutPeer("laptop", """{"publicKey":"KEY2"}""", item => item.Status!["endpoint"] = "192.0.2.9:5000", """["10.90.0.2/32"]""");
        PutMesh("{}");
        Assert.Same(before, Update().State);
    }

    [Fact]
    public void A_change_shares_all_that_it_does_not_touch()
    {
        PutNode("a", "uid-a");
        PutPeer("one", """{"publicKey":"KEY1"}""");
        PutPeer("two", """{"publicKey":"KEY2"}""");
        var before = Update().State;
        PutPeer("two", """{"publicKey":"KEY3"}""", item => item.Metadata.Generation = 2);
        var after = Update().State;
        Assert.NotSame(before, after);
        Assert.Same(before.Peers.Single(peer => peer.Name == "one"), after.Peers.Single(peer => peer.Name == "one"));
        Assert.Equal((Key(3), 2), (after.Peers.Single(peer => peer.Name == "two").PublicKey, after.Peers.Single(peer => peer.Name == "two").Generation));
        Assert.True(before.Nodes == after.Nodes && before.Announcements == after.Announcements && ReferenceEquals(before.Mesh, after.Mesh));
    }

    [Fact]
    public void Secrets_are_looked_for_in_the_operators_namespace_unless_another_is_named()
    {
        PutPeer("one", """{"publicKey":"KEY1","presharedKeySecretRef":{"name":"psk"}}""");
        PutPeer("two", """{"publicKey":"KEY2","presharedKeySecretRef":{"name":"psk","namespace":"other","key":"k"}}""");
        var peers = Update().State.Peers;
        Assert.Equal(
            [new SecretReference("wgmesh", "psk", "presharedKey"), new SecretReference("other", "psk", "k")],
            peers.OrderBy(peer => peer.Name).Select(peer => peer.PresharedKey!.Value));

        _keys = new PresharedKeySet(_keys.Values.Add(new("wgmesh", "psk", "presharedKey"), new SecretKey(new byte[32])), ["a problem"]);
        Assert.Single(Update().State.PresharedKeys);
        Assert.Equal("a problem", Assert.Single(_composer.Current.State.Problems));
        _keys = _keys with { Problems = [] };
        Assert.Empty(Update().State.Problems);
    }

    private readonly HashSet<string> _changedNodes = [], _changedPeers = [];

    private ClusterView Update()
    {
        var view = _composer.Update(_nodes, _peers, _meshes, _keys, [.. _changedNodes], [.. _changedPeers]);
        _changedNodes.Clear();
        _changedPeers.Clear();
        return view;
    }

    private void PutNode(string name, string uid, Action<Node>? change = null)
    {
        var node = new Node { Metadata = { Name = name, Uid = uid, CreationTimestamp = Day } };
        change?.Invoke(node);
        _nodes = _nodes with { Items = _nodes.Items.SetItem(name, node) };
        _changedNodes.Add(name);
    }

    private void PutOwnPeer(string name, string uid, string spec, string? allocated = null, string? owner = null) => PutPeer(name, spec, item =>
    {
        item.Metadata.Labels[StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy;
        item.Metadata.OwnerReferences.Add(new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = owner ?? name, Uid = uid });
    }, allocated);

    private void PutPeer(string name, string spec, Action<StoredResource>? change = null, string? allocated = null)
    {
        for (var key = 1; key < 4; key++)
            spec = spec.Replace($"KEY{key}", Key(key).ToString(), StringComparison.Ordinal);
        var item = new StoredResource
        {
            Kind = "WireGuardPeer",
            Metadata = { Name = name, Uid = "uid-of-" + name, CreationTimestamp = Day, Generation = 1 },
            Spec = JsonNode.Parse(spec),
            Status = new JsonObject { ["allocatedAddresses"] = allocated is null ? null : JsonNode.Parse(allocated) },
        };
        change?.Invoke(item);
        _peers = _peers with { Items = _peers.Items.SetItem(name, item) };
        _changedPeers.Add(name);
    }

    private void RemovePeer(string name)
    {
        _peers = _peers with { Items = _peers.Items.Remove(name) };
        _changedPeers.Add(name);
    }

    private void PutMesh(string spec) => _meshes = _meshes with
    {
        Items = _meshes.Items.SetItem("default", new StoredResource { Kind = "WireGuardMesh", Metadata = { Name = "default" }, Spec = JsonNode.Parse(spec) }),
    };

    private static InformerStore<T> Empty<T>() where T : class, IKubernetesObject =>
        new(ImmutableDictionary<string, T>.Empty, ImmutableDictionary<string, UnreadableObject>.Empty);

    private static IEnumerable<string> Texts(ImmutableArray<WgMesh.Engine.Routing.Prefix> prefixes) => prefixes.Select(prefix => prefix.ToString());
}
