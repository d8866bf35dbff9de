using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;
using Endpoint = WgMesh.Engine.Endpoint;

namespace WgMesh.Operator.State;

/// <summary>
/// What the standalone operator keeps itself, where a cluster has the API server: a WireGuardPeer for each node whose agent announced
/// a key (<c>peers/NODE.yaml</c>), and for every object since when it is there and which addresses it has (<c>objects.json</c>).
/// Every write is whole or not at all, so that a restart comes to the same end. Not thread-safe.
/// </summary>
internal sealed class StateFolder
{
    private const UnixFileMode PrivateFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _path;
    private KeptObjects _objects = new();

    /// <summary>Opens the folder, or makes it.</summary>
    /// <exception cref="InvalidDataException">What is in it cannot be read; going on without would renumber the mesh.</exception>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    public StateFolder(string path)
    {
        _path = path;
        Directory.CreateDirectory(path, PrivateFolder);
        Directory.CreateDirectory(PeersPath, PrivateFolder);
        Load();
    }

    /// <summary>What the agents announced.</summary>
    public ImmutableSortedDictionary<string, Announcement> Announcements { get; private set; } = ClusterState.Empty.Announcements;

    /// <summary>The addresses given.</summary>
    public AddressBook Addresses { get; private set; } = AddressBook.Empty;

    /// <summary>The settings of the mesh as they were seen last; null: never.</summary>
    public KeptMesh? Mesh => _objects.Mesh;

    /// <summary>Where the last good state of the manifests is kept.</summary>
    public string LastGoodPath => Path.Combine(_path, "last-good");

    private string ObjectsPath => Path.Combine(_path, "objects.json");

    private string PeersPath => Path.Combine(_path, "peers");

    /// <summary>Since when a node is there, as far as it is known.</summary>
    public DateTimeOffset? NodeSince(string name) => _objects.Nodes.GetValueOrDefault(name)?.Since;

    /// <summary>Since when a declared peer is there, as far as it is known.</summary>
    public DateTimeOffset? PeerSince(string name) => _objects.Peers.GetValueOrDefault(name)?.Since;

    /// <summary>Keeps what an agent announced, until its node is gone.</summary>
    /// <exception cref="IOException">It could not be written; nothing changed.</exception>
    public void Announce(string node, Announcement announcement)
    {
        WriteNodePeer(node, announcement, Addresses.Nodes.GetValueOrDefault(node, []));
        Announcements = Announcements.SetItem(node, announcement);
    }

    /// <summary>Keeps the age and the addresses of these objects, and the settings of the mesh, and forgets all others.</summary>
    /// <exception cref="IOException">It could not be written; what was kept before is there still.</exception>
    public void Keep(
        IEnumerable<(string Name, DateTimeOffset Since)> nodes,
        IEnumerable<(string Name, DateTimeOffset Since)> peers,
        AddressBook addresses,
        KeptMesh? mesh)
    {
        var objects = new KeptObjects
        {
            Nodes = Kept(nodes, addresses.Nodes),
            Peers = Kept(peers, addresses.Peers),
            Mesh = mesh,
        };
        var content = JsonSerializer.SerializeToUtf8Bytes(objects, StateJson.Default.KeptObjects);
        if (!content.AsSpan().SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(_objects, StateJson.Default.KeptObjects)))
            AtomicFile.Write(ObjectsPath, content);

        foreach (var node in Announcements.Keys.Where(node => !objects.Nodes.ContainsKey(node)).ToList())
        {
            AtomicFile.Delete(NodePeerPath(node));
            Announcements = Announcements.Remove(node);
        }

        foreach (var (node, announcement) in Announcements)
        {
            var given = addresses.Nodes.GetValueOrDefault(node, []);
            if (!given.SequenceEqual(Addresses.Nodes.GetValueOrDefault(node, [])))
                WriteNodePeer(node, announcement, given);
        }

        (_objects, Addresses) = (objects, addresses);
    }

    private static SortedDictionary<string, KeptObject> Kept(
        IEnumerable<(string Name, DateTimeOffset Since)> objects, ImmutableSortedDictionary<string, ImmutableArray<Prefix>> addresses)
    {
        var kept = new SortedDictionary<string, KeptObject>(StringComparer.Ordinal);
        foreach (var (name, since) in objects)
        {
            var given = addresses.GetValueOrDefault(name, []);
            kept[name] = new KeptObject { Since = since, Addresses = [.. given.Select(address => address.ToString())] };
        }

        return kept;
    }

    private void WriteNodePeer(string node, Announcement announcement, ImmutableArray<Prefix> addresses)
    {
        var peer = new WireGuardPeer
        {
            Metadata = new ObjectMeta
            {
                Name = node,
                CreationTimestamp = announcement.Since,
                Labels = { ["app.kubernetes.io/managed-by"] = "wgmesh-operator" },
            },
            Spec = new WireGuardPeerSpec
            {
                PublicKey = announcement.PublicKey.ToString(),
                NodeName = node,
                ProtocolVersions = [.. announcement.Versions.Numbers.Select(number => (int)number)],
            },
            Status = new WireGuardPeerStatus { Addresses = [.. addresses.Select(address => address.ToString())] },
        };
        if (announcement.Endpoints is [var best, ..] && Endpoint.TryParse(best, out var endpoint))
            peer.Spec.Endpoint = new PeerEndpoint { Host = endpoint.ToIPAddress().ToString(), Port = endpoint.Port };

        var yaml = YamlWriter.Write(JsonSerializer.SerializeToNode(peer, CrdsJson.Default.WireGuardPeer));
        AtomicFile.Write(NodePeerPath(node), Encoding.UTF8.GetBytes(yaml), AtomicFile.Public);
    }

    // names are DNS subdomains: no slash, no leading dot
    private string NodePeerPath(string node) => Path.Combine(PeersPath, node + ".yaml");

    private void Load()
    {
        if (File.Exists(ObjectsPath))
        {
            try
            {
                _objects = JsonSerializer.Deserialize(File.ReadAllBytes(ObjectsPath), StateJson.Default.KeptObjects)
                    ?? throw new JsonException("it is empty");
                Addresses = new AddressBook(Book(_objects.Nodes), Book(_objects.Peers));
            }
            catch (Exception e) when (e is JsonException or FormatException)
            {
                throw new InvalidDataException(
                    $"{ObjectsPath} cannot be read: {e.Message} Restore it; without it every address would be given anew.", e);
            }
        }

        var set = ManifestReader.Read(ManifestFile.FindIn(PeersPath).Select(file => WithoutBadEndpoint(ManifestFile.Read(file))));
        if (set.Problems.Count > 0)
        {
            throw new InvalidDataException(
                $"{set.Problems[0]}. Restore the file, or delete it to let the node's agent announce its key anew.");
        }

        Announcements = set.Peers.ToImmutableSortedDictionary(
            peer => peer.Metadata.Name,
            peer => new Announcement(
                PublicKey.TryParseBase64(peer.Spec.PublicKey ?? "", out var key) ? key : default,
                peer.Spec.Endpoint is { } endpoint ? [endpoint.ToString()] : [],
                peer.Metadata.CreationTimestamp ?? DateTimeOffset.UnixEpoch) { Versions = VersionSet.Of(peer.Spec.ProtocolVersions) },
            StringComparer.Ordinal);

        // the agent announces its endpoint anew when it connects: that is worth no start
        static ManifestFile WithoutBadEndpoint(ManifestFile file)
        {
            var problems = ManifestReader.Read([file]).Problems;
            if (problems.Count == 0 || !problems.All(problem => problem.Field?.StartsWith("spec.endpoint", StringComparison.Ordinal) is true))
                return file;

            return ManifestFile.Parse(file.Path, string.Concat(file.Manifests.Select(manifest =>
            {
                var content = manifest.Content.DeepClone();
                content["spec"]!.AsObject().Remove("endpoint");
                return "---\n" + YamlWriter.Write(content);
            })));
        }

        static ImmutableSortedDictionary<string, ImmutableArray<Prefix>> Book(SortedDictionary<string, KeptObject> objects) =>
            objects.Where(entry => entry.Value.Addresses.Count > 0)
                .ToImmutableSortedDictionary(entry => entry.Key, entry => Parsing.Prefixes(entry.Value.Addresses), StringComparer.Ordinal);
    }
}

/// <summary>The content of <c>objects.json</c>.</summary>
internal sealed class KeptObjects
{
    public SortedDictionary<string, KeptObject> Nodes { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Declared ones: a node's own peer is in its node's entry.</summary>
    public SortedDictionary<string, KeptObject> Peers { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Null: no settings were seen.</summary>
    public KeptMesh? Mesh { get; set; }
}

/// <summary>The settings of the mesh, and which they are.</summary>
internal sealed class KeptMesh
{
    public long Generation { get; set; }

    /// <summary>As they were, and not a digest: a field that a later operator adds is then no change.</summary>
    public WireGuardMeshSpec Spec { get; set; } = new();

    /// <summary>Whether these are the settings.</summary>
    public bool IsOf(WireGuardMeshSpec spec) =>
        JsonSerializer.SerializeToUtf8Bytes(Spec, StateJson.Default.WireGuardMeshSpec).AsSpan()
            .SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(spec, StateJson.Default.WireGuardMeshSpec));
}

/// <summary>What an API server would know about an object.</summary>
internal sealed class KeptObject
{
    public DateTimeOffset Since { get; set; }

    public List<string> Addresses { get; set; } = [];
}

/// <summary>Reads and writes the state folder's JSON without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KeptObjects))]
internal sealed partial class StateJson : JsonSerializerContext;
