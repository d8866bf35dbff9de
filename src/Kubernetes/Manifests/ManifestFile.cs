using System.Text;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WgMesh.Kubernetes;

/// <summary>A file of YAML or JSON documents as <c>kubectl apply -f</c> takes it, read as far as it can be read.</summary>
public sealed class ManifestFile
{
    /// <summary>The largest file that is read, in bytes.</summary>
    public const int MaxBytes = 16 << 20;

    /// <summary>After so many errors the rest of a file is not read: it is hardly a manifest.</summary>
    public const int MaxErrors = 100;

    private static readonly string[] Extensions = [".yaml", ".yml", ".json"];
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly List<Manifest> _manifests = [];
    private readonly List<ManifestParseError> _errors = [];

    private ManifestFile(string path) => Path = path;

    /// <summary>As it was given.</summary>
    public string Path { get; }

    /// <summary>The objects in the order of the file: lists expanded, empty documents and documents with errors left out.</summary>
    public IReadOnlyList<Manifest> Manifests => _manifests;

    /// <summary>What could not be parsed. Every other document of the file is in <see cref="Manifests"/>.</summary>
    public IReadOnlyList<ManifestParseError> Errors => _errors;

    /// <summary>The manifest files of a folder: .yaml, .yml and .json, not hidden, without subfolders, ordered by name.</summary>
    /// <exception cref="IOException">The folder cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder must not be listed.</exception>
    public static IReadOnlyList<string> FindIn(string folder) =>
    [
        .. Directory.EnumerateFiles(folder)
            .Where(path => Extensions.Contains(System.IO.Path.GetExtension(path)) && !System.IO.Path.GetFileName(path).StartsWith('.'))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Reads a file. Never throws: what is wrong with the file is in <see cref="Errors"/>.</summary>
    public static ManifestFile Read(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var bytes = new MemoryStream();
            var buffer = new byte[81920];
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                bytes.Write(buffer, 0, read); // counted here: the length of a special file says nothing
                if (bytes.Length > MaxBytes)
                    return Failed(path, $"the file is larger than {MaxBytes >> 20} MiB");
            }

            return Parse(path, StrictUtf8.GetString(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        }
        catch (DecoderFallbackException)
        {
            return Failed(path, "the file is not UTF-8");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Failed(path, $"the file cannot be read: {e.Message}");
        }
    }

    /// <summary>Parses the text of a file. Never throws: what is wrong with the text is in <see cref="Errors"/>.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="text">The text, with or without a byte-order mark.</param>
    public static ManifestFile Parse(string path, string text)
    {
        if (text.Length > MaxBytes)
            return Failed(path, $"the file is larger than {MaxBytes >> 20} MiB");

        var file = new ManifestFile(path);
        text = text.TrimStart('\uFEFF').Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n'); // as YAML does, so that lines are counted one way
        // the parser takes a NUL for the end of the text, and what follows would be lost without a word
        var control = text.AsSpan().IndexOfAny(ControlCharacters);
        if (control >= 0)
        {
            var line = text.AsSpan(0, control).Count('\n');
            file._errors.Add(new ManifestParseError(path, line + 1, control - text.AsSpan(0, control).LastIndexOf('\n'),
                $"the control character U+{(int)text[control]:X4} is not allowed"));
            return file;
        }

        // After an error the parser cannot go on: start anew at the next document.
        for (int? lineOffset = 0; lineOffset is { } offset;)
        {
            var rest = SkipLines(text, offset);
            lineOffset = file.ReadDocuments(rest, offset) is { } error ? NextDocument(rest, error) + offset : null;
            if (file._errors.Count >= MaxErrors && lineOffset is { } unread)
            {
                file._errors.Add(new ManifestParseError(path, unread + 1, 1, $"there are {MaxErrors} errors before this line; the rest of the file is not read"));
                break;
            }
        }

        return file;
    }

    private static readonly System.Buffers.SearchValues<char> ControlCharacters = System.Buffers.SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Where(c => c is not ('\t' or '\n' or '\r')).Append(0x7F).Select(c => (char)c)]);

    private static ManifestFile Failed(string path, string reason)
    {
        var file = new ManifestFile(path);
        file._errors.Add(new ManifestParseError(path, 0, 0, reason));
        return file;
    }

    /// <summary>Reads documents up to the end or the first error.</summary>
    /// <returns>First line of the document with the error and line of the error, both counted from 1 within <paramref name="text"/>; null if there was none.</returns>
    private (int Document, int Error)? ReadDocuments(string text, int lineOffset)
    {
        var documentLine = 1;
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            while (!parser.TryConsume<StreamEnd>(out _))
            {
                documentLine = (int)parser.Consume<DocumentStart>().Start.Line;
                var rootStart = parser.Current!.Start;
                var root = YamlDocument.Read(parser, lineOffset, out var lines);
                parser.Consume<DocumentEnd>();
                if (root is JsonObject content)
                    AddObject(content, lines);
                else if (root is not null)
                    AddError(rootStart, lineOffset, "the document is not an object with apiVersion, kind and metadata");
            }

            return null;
        }
        catch (YamlException e)
        {
            AddError(e.Start, lineOffset, e.Message);
            return (documentLine, (int)e.Start.Line);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException) // so the parser reports some malformed texts, without saying where
        {
            var last = parser.Current?.End ?? Mark.Empty;
            AddError(last, lineOffset, "the text from here on is not YAML");
            return (documentLine, (int)last.Line);
        }
    }

    private void AddError(Mark at, int lineOffset, string reason) =>
        _errors.Add(new ManifestParseError(Path, lineOffset + (int)at.Line, (int)at.Column, reason.TrimEnd('.')));

    private void AddObject(JsonObject content, IReadOnlyDictionary<JsonNode, int> lines)
    {
        if (!IsList(content, out var itemKind))
        {
            _manifests.Add(new Manifest(Path, content, lines));
            return;
        }

        if (content["items"] is not JsonArray items)
        {
            if (content["items"] is { } other)
                _errors.Add(new ManifestParseError(Path, lines[other], 1, "the items of a list must be a list of objects"));
            return;
        }

        foreach (var item in items)
        {
            if (item is not JsonObject itemContent)
            {
                _errors.Add(new ManifestParseError(Path, lines[item ?? items], 1, "an item of a list must be an object"));
                continue;
            }

            // the items of, say, a NodeList say neither: the list says it for them
            if (itemKind.Length > 0 && !itemContent.ContainsKey("kind") && !itemContent.ContainsKey("apiVersion"))
            {
                itemContent["kind"] = itemKind;
                itemContent["apiVersion"] = content["apiVersion"]?.DeepClone();
            }

            AddObject(itemContent, lines);
        }
    }

    /// <summary>Whether this is a <c>List</c>, or, say, a <c>NodeList</c>, whose items are of one kind.</summary>
    private static bool IsList(JsonObject content, out string itemKind)
    {
        var kind = content["kind"] is JsonValue value && value.TryGetValue<string>(out var text) ? text : "";
        var isList = kind.EndsWith("List", StringComparison.Ordinal) && (kind == "List" || content.ContainsKey("items"));
        itemKind = isList ? kind[..^"List".Length] : "";
        return isList;
    }

    private static string SkipLines(string text, int count)
    {
        var position = 0;
        for (; count > 0; count--)
            position = text.IndexOf('\n', position) + 1;
        return text[position..];
    }

    /// <summary>Lines before the first document marker that follows the one with the error; null if there is none.</summary>
    private static int? NextDocument(string text, (int Document, int Error) at)
    {
        var number = 0;
        foreach (var range in text.AsSpan().Split('\n'))
        {
            number++;
            var line = text.AsSpan(range);
            var isMarker = line.StartsWith("---") && (line.Length == 3 || line[3] is ' ' or '\t');
            if (isMarker && number > at.Document && number >= at.Error)
                return number - 1;
        }

        return null;
    }
}
