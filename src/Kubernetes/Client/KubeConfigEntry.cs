using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>A mapping of a kubeconfig file, read with errors that name the file, the line and the field, and no values that may be secrets.</summary>
internal sealed class KubeConfigEntry(Manifest file, JsonObject content, string path)
{
    /// <summary>File, line and field.</summary>
    public string At(string field) => $"{file.SourceOf(content[field] ?? content)}: {Join(field)}";

    public KubeConfigException Error(string field, string problem) => new($"{At(field)} {problem}.");

    public bool Has(string field) => content[field] is not (null or JsonArray { Count: 0 } or JsonObject { Count: 0 }) && Text(field, strict: false) != "";

    public string? Text(string field) => Text(field, strict: true);

    public string RequiredText(string field) => Text(field) is { Length: > 0 } text ? text : throw Error(field, "is missing");

    public bool Flag(string field) => content[field] switch
    {
        null => false,
        JsonValue value when value.TryGetValue<bool>(out var flag) => flag,
        _ => throw Error(field, "must be true or false"),
    };

    /// <summary>The path of a file, absolute or made so; null: not there.</summary>
    public string? Path(string field) =>
        Text(field) is { Length: > 0 } text
            ? System.IO.Path.GetFullPath(text, System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(file.Source.File))!)
            : null;

    public string ReadFile(string field, string name)
    {
        try
        {
            return File.ReadAllText(name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"{At(field)} names a file that cannot be read: {e.Message}", e);
        }
    }

    public IReadOnlyList<string> Texts(string field) =>
    [
        .. List(field).Select(item => item is JsonValue value && value.TryGetValue<string>(out var text)
            ? text
            : throw Error(field, "must be a list of texts")),
    ];

    public KubeConfigEntry? Child(string field) => content[field] switch
    {
        null => null,
        JsonObject child => new KubeConfigEntry(file, child, Join(field)),
        _ => throw Error(field, "must be a mapping"),
    };

    public KubeConfigEntry Empty(string field) => new(file, [], Join(field));

    public IEnumerable<KubeConfigEntry> Children(string field) => List(field).Select((item, index) => item is JsonObject child
        ? new KubeConfigEntry(file, child, $"{Join(field)}[{index}]")
        : throw Error(field, "must be a list of mappings"));

    public JsonNode? Copy(string field) => content[field]?.DeepClone();

    private JsonArray List(string field) => content[field] switch
    {
        null => [],
        JsonArray list => list,
        _ => throw Error(field, "must be a list"),
    };

    private string? Text(string field, bool strict) => content[field] switch
    {
        null => null,
        JsonValue value when value.TryGetValue<string>(out var text) => text,
        _ => strict ? throw Error(field, "must be a text; a number or true needs quotes") : null,
    };

    private string Join(string field) => path.Length == 0 ? field : $"{path}.{field}";
}
