using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>A place in a file.</summary>
/// <param name="File">Path as it was given.</param>
/// <param name="Line">From 1; 0 stands for the file as a whole.</param>
public readonly record struct ManifestSource(string File, int Line)
{
    /// <summary><c>peers.yaml:12</c>.</summary>
    public override string ToString() => Line == 0 ? File : $"{File}:{Line}";
}

/// <summary>Why a file or a document of it could not be parsed.</summary>
/// <param name="File">Path as it was given.</param>
/// <param name="Line">From 1; 0 if the file as a whole is meant.</param>
/// <param name="Column">From 1; 0 if the file as a whole is meant.</param>
/// <param name="Reason">A sentence without a full stop.</param>
public sealed record ManifestParseError(string File, int Line, int Column, string Reason)
{
    /// <summary><c>peers.yaml:12:5: the key "spec" is there twice</c>.</summary>
    public override string ToString() => Line == 0 ? $"{File}: {Reason}" : $"{File}:{Line}:{Column}: {Reason}";
}

/// <summary>One object of a manifest file, not yet looked into.</summary>
public sealed class Manifest
{
    private readonly IReadOnlyDictionary<JsonNode, int> _lines;

    internal Manifest(string file, JsonObject content, IReadOnlyDictionary<JsonNode, int> lines)
    {
        _lines = lines;
        Content = content;
        Source = new ManifestSource(file, lines[content]);
    }

    /// <summary>The object as JSON. Not to be changed.</summary>
    public JsonObject Content { get; }

    /// <summary>Where the object begins.</summary>
    public ManifestSource Source { get; }

    /// <summary>Where a node of <see cref="Content"/> begins; where the object begins if the node is null or of another manifest.</summary>
    public ManifestSource SourceOf(JsonNode? node) =>
        node is not null && _lines.TryGetValue(node, out var line) ? Source with { Line = line } : Source;
}
