using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>Reads nodes, secrets, peers and the mesh from manifests, with all that is wrong in them.</summary>
public static class ManifestReader
{
    /// <summary>Reads every manifest file of a folder (see <see cref="ManifestFile.FindIn"/>).</summary>
    /// <exception cref="IOException">The folder cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder must not be listed.</exception>
    public static ManifestSet ReadFolder(string folder) => Read(ManifestFile.FindIn(folder).Select(ManifestFile.Read));

    /// <summary>
    /// Reads files. Never throws for what is in them: an object with any problem is left out, and its problems are reported, all of them.
    /// </summary>
    public static ManifestSet Read(IEnumerable<ManifestFile> files)
    {
        var set = new ManifestSet();
        var sources = new Dictionary<string, ManifestSource>();
        foreach (var file in files)
        {
            foreach (var error in file.Errors)
            {
                var column = error.Column > 0 ? $"column {error.Column}: " : "";
                set.Add(new ManifestProblem(new ManifestSource(error.File, error.Line), null, null, column + error.Reason));
            }

            foreach (var manifest in file.Manifests)
                ReadObject(manifest, set, sources);
        }

        return set;
    }

    private static void ReadObject(Manifest manifest, ManifestSet set, Dictionary<string, ManifestSource> sources)
    {
        var identity = Identity(manifest.Content);
        if (Recognize(manifest, identity, set) is not { } kind)
            return;

        var problems = 0;
        kind.Check(manifest.Content, Report);
        CheckKeyOfNode(manifest.Content, Report);
        var metadata = manifest.Content["metadata"] as JsonObject;
        var key = kind.IsNamespaced && Text(metadata?["namespace"]) is null
            ? $"{kind.Kind}/{Secret.DefaultNamespace}/{Text(metadata?["name"])}"
            : identity;
        if (problems == 0 && !sources.TryAdd(key!, manifest.Source))
        {
            problems++;
            set.Add(new ManifestProblem(manifest.Source, identity, "metadata.name",
                $"is the name of another {kind.Kind} in {sources[key!]}, which is kept; remove one of the two or rename it"));
        }

        if (problems == 0)
            set.Add(kind.Deserialize(manifest.Content), manifest.Source);

        void Report(JsonNode? node, string field, string message)
        {
            problems++;
            set.Add(new ManifestProblem(manifest.SourceOf(node), identity, field, message));
        }
    }

    // The operator makes the peers of nodes; one that somebody writes is there to pin a node's key.
    private static void CheckKeyOfNode(JsonObject content, Action<JsonNode?, string, string> report)
    {
        if (Text(content["kind"]) == "WireGuardPeer" && content["spec"] is JsonObject spec && Text(spec["nodeName"]) is { } node && spec["publicKey"] is null)
            report(spec, "spec.publicKey", $"is missing; write the key that node {MessageText.Printable(node, 253)} is to have, or remove the object: the operator makes the peers of nodes itself");
    }

    /// <summary>The kind of an object; null if it is not one that is read here, which is noted in <paramref name="set"/>.</summary>
    private static ManifestKind? Recognize(Manifest manifest, string? identity, ManifestSet set)
    {
        var content = manifest.Content;
        if (Text(content["apiVersion"]) is not { } apiVersion)
        {
            Refuse("apiVersion", $"is missing; write apiVersion: {CustomResourceAttribute.ApiVersion} for a WireGuardPeer, v1 for a Node");
            return null;
        }

        if (Text(content["kind"]) is not { } kind)
        {
            Refuse("kind", "is missing; write, for example, kind: WireGuardPeer");
            return null;
        }

        if (ManifestKind.All.FirstOrDefault(known => known.ApiVersion == apiVersion && known.Kind == kind) is { } found)
            return found;

        var group = CustomResourceAttribute.Group;
        if (apiVersion != group && !apiVersion.StartsWith(group + "/", StringComparison.Ordinal))
        {
            set.Add(new IgnoredObject(manifest.Source, identity!, MessageText.Printable(apiVersion)));
            return null;
        }

        var ours = ManifestKind.All.Where(known => known.ApiVersion == CustomResourceAttribute.ApiVersion).Select(known => known.Kind).ToArray();
        if (apiVersion != CustomResourceAttribute.ApiVersion)
            Refuse("apiVersion", $"is {MessageText.Quote(apiVersion)}; the version served is {CustomResourceAttribute.ApiVersion}");
        else
            Refuse("kind", $"is {MessageText.Quote(kind)}; {group} has {string.Join(" and ", ours)}"
                + (NearestName.Find(kind, ours) is { } nearest ? $"; did you mean {nearest}?" : ""));
        return null;

        void Refuse(string field, string message) =>
            set.Add(new ManifestProblem(manifest.SourceOf(content[field]), identity, field, message));
    }

    /// <summary>Kind, namespace and name as far as they are there; null without a kind. Longer than any valid name before it is cut.</summary>
    private static string? Identity(JsonObject content)
    {
        if (Text(content["kind"]) is not { } kind)
            return null;

        var metadata = content["metadata"] as JsonObject;
        return string.Join('/', new[] { kind, Text(metadata?["namespace"]), Text(metadata?["name"]) }.OfType<string>().Select(part => MessageText.Printable(part, 253)));
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;
}
