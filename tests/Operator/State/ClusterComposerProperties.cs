using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Tests.State;

/// <summary>The view is kept up to date by what changed: it must be the one that somebody comes to who sees the cluster for the first time.</summary>
public class ClusterComposerProperties
{
    [Fact]
    public void After_any_changes_the_view_is_the_one_that_is_composed_from_scratch()
    {
        for (var seed = 1; seed <= 400; seed++)
        {
            var world = new World(new Random(seed));
            var composer = new ClusterComposer("wgmesh");
            for (var step = 1; step <= 25; step++)
            {
                var (nodes, peers) = world.Change();
                var view = world.Update(composer, nodes, peers);
                var expected = Text(world.Compose());
                if (Text(view) is var text && text != expected)
                    Assert.Fail($"seed {seed}, step {step}: from scratch it is\n{expected}\nand it has become\n{text}");

                // nothing is planned anew for nothing, also if objects are written in which nothing changed
                Assert.Same(view.State, world.Update(composer, [], []).State);
                Assert.Same(view.State, world.Update(composer, world.ReadableNodes, world.ReadablePeers).State);
            }
        }
    }

    /// <summary>Everything that the view says, without the order of what has none.</summary>
    private static string Text(ClusterView view)
    {
        var (text, state) = (new StringBuilder(), view.State);
        Lines("mesh", [$"{state.Mesh.ListenPort} {state.Mesh.Generation} {List(state.Mesh.AddressPools)} {view.Mesh?.Metadata.Uid} {List(view.MeshProblems)}"]);
        Lines("node", state.Nodes.Select(OfNode));
        Lines("node outside", state.Outside.Select(OfNode));
        Lines("peer", state.Peers.Select(peer =>
            $"{peer.Name} {peer.Created:O} {peer.PublicKey} {peer.Endpoint} {List(peer.AllowedIps)} {peer.PresharedKey} {peer.Generation} {peer.NodeName} "
            + $"{peer.Versions} {(peer.GatewaySelector is { } selector ? List(selector) : "")}"));
        Lines("unusable", state.Unusable.Select(peer => $"{peer.Name} {peer.Created:O} {peer.Generation} {List(peer.Problems)}"));
        Lines("announcement", state.Announcements.Select(entry =>
            $"{entry.Key} {entry.Value.PublicKey} {List(entry.Value.Endpoints)} {entry.Value.Since:O} {entry.Value.Versions} {entry.Value.Generation}"));
        Lines("node's addresses", state.Addresses.Nodes.Select(entry => $"{entry.Key} {List(entry.Value)}"));
        Lines("peer's addresses", state.Addresses.Peers.Select(entry => $"{entry.Key} {List(entry.Value)}"));
        Lines("gateway", state.Gateways.Select(entry => $"{entry.Key} {entry.Value}"));
        Lines("key", state.PresharedKeys.Keys.Select(reference => $"{reference}"));
        Lines("problem", state.Problems);
        Lines("Node", view.Nodes.Select(entry => $"{entry.Key} {entry.Value.Metadata.Uid} {entry.Value.Metadata.ResourceVersion}"));
        Lines("WireGuardPeer", view.Peers.Select(entry =>
            $"{entry.Key} {entry.Value.Uid} {entry.Value.Object.Metadata.ResourceVersion} {entry.Value.Owner?.Uid} {entry.Value.Spec?.PublicKey} {List(entry.Value.Allocated)}"));
        return text.ToString();

        void Lines(string title, IEnumerable<string> lines)
        {
            foreach (var line in lines.Order(StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"{title}: {line}\n");
        }

        static string OfNode(NodeRecord node) =>
            $"{node.Name} {node.Created:O} {node.Address} {List(node.PodCidrs)} {List(node.HostAddresses)} {List(node.Labels)}";

        static string List<T>(IEnumerable<T> items) => $"[{string.Join(", ", items)}]";
    }

    /// <summary>What an API server has, and what may become of it.</summary>
    private sealed class World(Random random)
    {
        private static readonly string[] Names = ["a", "b", "c"];
        private static readonly string[] Devices = ["laptop", "phone", "pin"];
        private static readonly DateTimeOffset Day = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        private readonly Dictionary<string, Node> _nodes = new(StringComparer.Ordinal);
        private readonly Dictionary<string, StoredResource> _peers = new(StringComparer.Ordinal);
        private readonly HashSet<string> _unreadable = new(StringComparer.Ordinal); // kind and name
        private StoredResource? _mesh;
        private StoredResource? _goodMesh; // that was there after a change, and not only in the midst of one
        private bool _isMeshGood;
        private PresharedKeySet _keys = PresharedKeySet.Empty;
        private int _version;

        public IReadOnlyCollection<string> AllNodes => _nodes.Keys;

        public IReadOnlyCollection<string> AllPeers => _peers.Keys;

        public IReadOnlyCollection<string> ReadableNodes => [.. AllNodes.Where(name => !_unreadable.Contains($"Node/{name}"))];

        public IReadOnlyCollection<string> ReadablePeers => [.. AllPeers.Where(name => !_unreadable.Contains($"WireGuardPeer/{name}"))];

        /// <summary>Some changes, and the names that an informer tells of.</summary>
        public (HashSet<string> Nodes, HashSet<string> Peers) Change()
        {
            var (nodes, peers) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
            for (var count = random.Next(1, 5); count > 0; count--)
            {
                switch (random.Next(10))
                {
                    case < 3:
                        var node = Pick(Names);
                        ChangeNode(node);
                        nodes.Add(node);
                        break;
                    case < 8:
                        var peer = random.Next(2) == 0 ? Pick(Names) : Pick(Devices);
                        ChangePeer(peer);
                        peers.Add(peer);
                        break;
                    case 8:
                        ChangeMesh();
                        break;
                    default:
                        ChangeKeys();
                        break;
                }
            }

            if (_mesh is not null && _isMeshGood)
                _goodMesh = _mesh;
            return (nodes, peers);
        }

        public ClusterView Update(ClusterComposer composer, IReadOnlyCollection<string> nodes, IReadOnlyCollection<string> peers) =>
            composer.Update(Store("Node", _nodes), Store("WireGuardPeer", _peers), Meshes(_mesh), _keys, nodes, peers);

        public ClusterView Compose()
        {
            var composer = new ClusterComposer("wgmesh");
            if (_goodMesh is not null) // settings that cannot be used stay as they were: this much is not in the objects
                composer.Update(Store("Node", _nodes), Store("WireGuardPeer", _peers), Meshes(_goodMesh), _keys, [], []);
            return Update(composer, AllNodes, AllPeers);
        }

        private void ChangeNode(string name)
        {
            var known = _nodes.GetValueOrDefault(name);
            if (known is not null && random.Next(4) == 0)
            {
                _nodes.Remove(name);
                return;
            }

            _nodes[name] = new Node
            {
                Metadata = Metadata(name, random.Next(3) == 0 ? null : known?.Metadata),
                Spec = { PodCidrs = [Pick("10.244.1.0/24", "10.244.2.0/24", "nonsense")] },
                Status = { Addresses = [new NodeAddress { Type = "InternalIP", Address = Pick("192.0.2.1", "192.0.2.2", "nowhere") }] },
            };
            if (random.Next(3) == 0)
                _nodes[name].Metadata.Labels[Records.SystemLabel] = Pick("linux", "windows");
            Readable("Node", name);
        }

        private void ChangePeer(string name)
        {
            var known = _peers.GetValueOrDefault(name);
            if (known is not null && random.Next(4) == 0)
            {
                _peers.Remove(name);
                return;
            }

            var metadata = Metadata(name, random.Next(4) == 0 ? null : known?.Metadata);
            var isNew = metadata.Uid != known?.Metadata.Uid;
            var next = new StoredResource { Kind = "WireGuardPeer", Metadata = metadata, Spec = known?.Spec?.DeepClone(), Status = isNew ? null : known?.Status?.DeepClone() };
            if (isNew || random.Next(3) == 0)
            {
                next.Spec = Spec();
                metadata.Generation = isNew ? 1 : known!.Metadata.Generation + 1;
            }

            if (isNew || random.Next(3) == 0)
                Own(metadata);
            if (random.Next(2) == 0)
            {
                next.Status = new JsonObject
                {
                    ["allocatedAddresses"] = new JsonArray(Pick("10.99.0.1/32", "10.99.0.2/32", "no address")),
                    ["gateway"] = Pick(Names),
                };
            }

            _peers[name] = next;
            Readable("WireGuardPeer", name);
        }

        /// <summary>Makes it the operator's own of the node of its name, of one that was there before, or of people.</summary>
        private void Own(ObjectMeta metadata)
        {
            metadata.Labels.Clear();
            metadata.OwnerReferences.Clear();
            if (random.Next(2) == 0)
                return;
            metadata.Labels[StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy;
            var uid = random.Next(4) == 0 ? "gone" : _nodes.GetValueOrDefault(metadata.Name)?.Metadata.Uid ?? "gone";
            metadata.OwnerReferences.Add(new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = metadata.Name, Uid = uid });
        }

        private JsonObject Spec()
        {
            var spec = new JsonObject
            {
                ["publicKey"] = random.Next(8) == 0 ? "no key" : Convert.ToBase64String(Enumerable.Repeat((byte)random.Next(1, 6), 32).ToArray()),
            };
            if (random.Next(2) == 0)
                spec["nodeName"] = Pick(Names);
            else if (random.Next(2) == 0)
                spec["gateways"] = new JsonObject { ["nodeSelector"] = new JsonObject { ["role"] = Pick("x", "y") } };
            if (random.Next(2) == 0)
                spec["protocolVersions"] = new JsonArray(1, random.Next(2, 4));
            if (random.Next(3) == 0)
                spec["presharedKeySecretRef"] = new JsonObject { ["name"] = Pick("s", "t"), ["key"] = "k" };
            if (random.Next(3) == 0)
                spec["endpoint"] = new JsonObject { ["host"] = "192.0.2.9", ["port"] = random.Next(1, 3) };
            return Parsed(spec);
        }

        private void ChangeMesh()
        {
            if (_mesh is not null && random.Next(4) == 0)
            {
                _mesh = null;
                return;
            }

            var isGood = random.Next(3) != 0;
            var metadata = Metadata(WireGuardMesh.DefaultName, _mesh?.Metadata);
            metadata.Generation++;
            _mesh = new StoredResource
            {
                Kind = "WireGuardMesh",
                Metadata = metadata,
                Spec = Parsed(new JsonObject { ["listenPort"] = isGood ? random.Next(1, 4) : -1, ["addressPools"] = new JsonArray(Pick("10.99.0.0/16", "10.98.0.0/16")) }),
            };
            _isMeshGood = isGood;
        }

        private void ChangeKeys()
        {
            var key = SecretKey.ParseBase64(Convert.ToBase64String(Enumerable.Repeat((byte)random.Next(1, 3), 32).ToArray()))!;
            var reference = new SecretReference("wgmesh", Pick("s", "t"), "k");
            _keys = new PresharedKeySet(
                random.Next(3) == 0 ? _keys.Values.Remove(reference) : _keys.Values.SetItem(reference, key),
                random.Next(2) == 0 ? [] : ["Secret wgmesh/s: it cannot be read now"]);
        }

        // as it comes from a server
        private static JsonObject Parsed(JsonObject item) => JsonNode.Parse(item.ToJsonString())!.AsObject();

        private ObjectMeta Metadata(string name, ObjectMeta? known) => new()
        {
            Name = name,
            Uid = known?.Uid ?? $"{name}-{++_version}",
            ResourceVersion = $"{++_version}",
            Generation = known?.Generation ?? 1,
            CreationTimestamp = known?.CreationTimestamp ?? Day.AddMinutes(random.Next(3)),
            Labels = known is null ? [] : new(known.Labels),
            OwnerReferences = known is null ? [] : [.. known.OwnerReferences],
        };

        private void Readable(string kind, string name)
        {
            _unreadable.Remove($"{kind}/{name}");
            if (random.Next(10) == 0)
                _unreadable.Add($"{kind}/{name}");
        }

        private InformerStore<T> Store<T>(string kind, Dictionary<string, T> objects) where T : class, IKubernetesObject => new(
            objects.Where(entry => !_unreadable.Contains($"{kind}/{entry.Key}")).ToImmutableDictionary(StringComparer.Ordinal),
            objects.Where(entry => _unreadable.Contains($"{kind}/{entry.Key}"))
                .ToImmutableDictionary(entry => entry.Key, entry => new UnreadableObject(entry.Value.Metadata, "metadata.labels.x holds a number"), StringComparer.Ordinal));

        private static InformerStore<StoredResource> Meshes(StoredResource? mesh) => new(
            mesh is null ? ImmutableDictionary<string, StoredResource>.Empty : ImmutableDictionary<string, StoredResource>.Empty.Add(mesh.Metadata.Name, mesh),
            ImmutableDictionary<string, UnreadableObject>.Empty);

        private T Pick<T>(params T[] from) => from[random.Next(from.Length)];
    }
}
