using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WgMesh.Kubernetes;

/// <summary>Writes JSON as block-style YAML that kubectl and <see cref="ManifestFile"/> read back as the same JSON.</summary>
public static class YamlWriter
{
    /// <summary>One document, without a document marker.</summary>
    public static string Write(JsonNode? node)
    {
        var writer = new StringWriter { NewLine = "\n" };
        var emitter = new Emitter(writer, new EmitterSettings(2, int.MaxValue, false, 1024, skipAnchorName: false, indentSequences: false));
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        Write(emitter, node);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return writer.ToString();
    }

    private static void Write(Emitter emitter, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject mapping:
                emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, true, mapping.Count == 0 ? MappingStyle.Flow : MappingStyle.Block));
                foreach (var (key, value) in mapping)
                {
                    WriteString(emitter, key);
                    Write(emitter, value);
                }

                emitter.Emit(new MappingEnd());
                break;
            case JsonArray array:
                emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, true, array.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
                foreach (var item in array)
                    Write(emitter, item);
                emitter.Emit(new SequenceEnd());
                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                WriteString(emitter, value.GetValue<string>());
                break;
            default:
                emitter.Emit(new Scalar(node?.ToJsonString() ?? "null"));
                break;
        }
    }

    private static void WriteString(Emitter emitter, string text)
    {
        text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)); // half a surrogate pair, which no YAML can hold, becomes U+FFFD
        // Only what cannot be mistaken stands without quotes: the emitter's own choice loses line breaks, tabs and byte-order
        // marks, and leaves texts bare (such as "6Y?TQK *,<rf&" before a list) that then read as something else.
        var plain = YamlScalar.IsPlainString(text) && text.All(c => char.IsAsciiLetterOrDigit(c) || " ._/-,;()=".Contains(c, StringComparison.Ordinal));
        emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, text, plain ? ScalarStyle.Any : ScalarStyle.DoubleQuoted, true, true));
    }
}
