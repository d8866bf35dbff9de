using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WgMesh.Kubernetes;

/// <summary>
/// Builds one YAML document as JSON, with the line of every node. Reads the parser's events instead of YamlDotNet's representation
/// model: that recurses without a bound, and one bad document would lose the good ones before it.
/// </summary>
internal sealed class YamlDocument
{
    /// <summary>The deepest nesting; Kubernetes' own kinds stay far below.</summary>
    public const int MaxDepth = 100;

    /// <summary>Nodes that aliases may add to a document: stops the "billion laughs".</summary>
    public const int MaxAliasedNodes = 100_000;

    private readonly IParser _parser;
    private readonly int _lineOffset;
    private readonly Dictionary<string, JsonNode?> _anchors = [];
    private readonly Dictionary<JsonNode, int> _lines = new(ReferenceEqualityComparer.Instance);
    private int _aliasedNodes;

    private YamlDocument(IParser parser, int lineOffset)
    {
        _parser = parser;
        _lineOffset = lineOffset;
    }

    /// <summary>Reads the document that the parser is at, to its end.</summary>
    /// <param name="parser">At a node, after the start of the document; afterwards at the end of the document.</param>
    /// <param name="lineOffset">Lines of the file before the parser's first.</param>
    /// <param name="lines">The line of every node but nulls, by reference.</param>
    /// <returns>The root; null if the document is empty.</returns>
    /// <exception cref="YamlException">The document is not YAML, not expressible as JSON, or over a limit.</exception>
    public static JsonNode? Read(IParser parser, int lineOffset, out IReadOnlyDictionary<JsonNode, int> lines)
    {
        var document = new YamlDocument(parser, lineOffset);
        lines = document._lines;
        return document.ReadNode(1);
    }

    private JsonNode? ReadNode(int depth)
    {
        var at = _parser.Consume<ParsingEvent>();
        if (at is AnchorAlias alias)
        {
            return _anchors.TryGetValue(alias.Value.Value, out var aliased)
                ? Copy(aliased, depth, alias)
                : throw Error(alias, $"the alias *{MessageText.Printable(alias.Value.Value)} has no anchor before it");
        }

        CheckDepth(depth, at);
        var node = at switch
        {
            Scalar scalar => YamlScalar.ToJson(scalar),
            SequenceStart => ReadSequence(depth),
            MappingStart => ReadMapping(depth),
            _ => throw Error(at, "a value is missing"),
        };
        if (node is not null)
            _lines[node] = Line(at);
        if (at is NodeEvent { Anchor.IsEmpty: false } anchored)
            _anchors[anchored.Anchor.Value] = node;
        return node;
    }

    private JsonArray ReadSequence(int depth)
    {
        var array = new JsonArray();
        while (!_parser.TryConsume<SequenceEnd>(out _))
            array.Add(ReadNode(depth + 1));
        return array;
    }

    private JsonObject ReadMapping(int depth)
    {
        var mapping = new JsonObject();
        var merged = new List<JsonObject>();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var at = _parser.Current!;
            if (at is Scalar { Value: "<<", Style: ScalarStyle.Plain, Tag.IsEmpty: true })
            {
                _parser.MoveNext();
                merged.AddRange(ReadMerge(depth, at));
                continue;
            }

            var key = ReadKey(depth);
            if (mapping.ContainsKey(key))
                throw Error(at, $"the key {MessageText.Quote(key)} is there twice");
            mapping.Add(key, ReadNode(depth + 1));
        }

        foreach (var source in merged)
        {
            foreach (var (key, value) in source.ToArray())
            {
                source.Remove(key);
                mapping.TryAdd(key, value); // the mapping's own keys win, then the earlier source
            }
        }

        return mapping;
    }

    private string ReadKey(int depth)
    {
        var at = _parser.Current!;
        return ReadNode(depth + 1) switch
        {
            JsonValue value => value.TryGetValue<string>(out var text) ? text : value.ToJsonString(),
            null => throw Error(at, "a key is empty"),
            _ => throw Error(at, "a key is a list or a mapping; it must be a string"),
        };
    }

    private IEnumerable<JsonObject> ReadMerge(int depth, ParsingEvent at) => ReadNode(depth + 1) switch
    {
        JsonObject one => [one],
        JsonArray many when many.All(item => item is JsonObject) => many.Cast<JsonObject>(),
        _ => throw Error(at, "\"<<\" takes a mapping or a list of mappings"),
    };

    private JsonNode? Copy(JsonNode? node, int depth, ParsingEvent alias)
    {
        CheckDepth(depth, alias);
        if (++_aliasedNodes > MaxAliasedNodes)
            throw Error(alias, $"the aliases of the document expand to more than {MaxAliasedNodes} values");

        JsonNode? copy = node switch
        {
            null => null,
            JsonObject mapping => new JsonObject(mapping.Select(item => KeyValuePair.Create(item.Key, Copy(item.Value, depth + 1, alias)))),
            JsonArray array => new JsonArray(array.Select(item => Copy(item, depth + 1, alias)).ToArray()),
            _ => node.DeepClone(),
        };
        if (copy is not null)
            _lines[copy] = _lines[node!];
        return copy;
    }

    private int Line(ParsingEvent at) => _lineOffset + (int)at.Start.Line;

    private static void CheckDepth(int depth, ParsingEvent at)
    {
        if (depth > MaxDepth)
            throw Error(at, $"the document is nested more than {MaxDepth} levels deep");
    }

    private static YamlException Error(ParsingEvent at, string reason) => new(at.Start, at.End, reason);
}
