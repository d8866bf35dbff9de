using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>
/// Holds a JSON tree against a schema and reports every difference. A null stands for an absent field, as in <c>kubectl apply</c>.
/// </summary>
/// <param name="refuseUnknown">Whether a field that the schema does not know is a problem.</param>
/// <param name="report">Takes the node (or the nearest that exists), the field's path and the message.</param>
internal sealed partial class SchemaWalk(bool refuseUnknown, Action<JsonNode?, string, string> report)
{
    /// <summary>Reports the problems of an object whose fields are <paramref name="schema"/>'s.</summary>
    /// <param name="schema">Of type object.</param>
    /// <param name="node">The object.</param>
    /// <param name="path">Of the object; empty at the root.</param>
    public void CheckFields(FieldSchema schema, JsonObject node, string path)
    {
        foreach (var (name, value) in node)
        {
            if (schema.Properties.TryGetValue(name, out var field))
            {
                if (value is not null)
                    Check(field, value, Join(path, name));
            }
            else if (refuseUnknown && !schema.Ignored.Contains(name))
            {
                report(value ?? node, Join(path, name), UnknownField(name, schema));
            }
        }

        foreach (var name in schema.Required)
        {
            if (node[name] is null)
                report(node, Join(path, name), schema.Properties[name].Description is { } description ? $"is missing. {description}" : "is missing");
        }

        foreach (var rule in schema.Rules)
        {
            if (!rule.Holds(node))
                report(node[rule.Field] ?? node, Join(path, rule.Field), rule.Problem);
        }
    }

    private void Check(FieldSchema schema, JsonNode node, string path)
    {
        if (TypeProblem(schema, node) is { } wrongType)
        {
            report(node, path, wrongType);
            return;
        }

        switch (schema.Type)
        {
            case FieldType.Object:
                CheckFields(schema, node.AsObject(), path);
                break;
            case FieldType.Map:
                CheckMap(schema, node.AsObject(), path);
                break;
            case FieldType.Array:
                CheckArray(schema, node.AsArray(), path);
                break;
            case FieldType.String:
                if (TextProblem(schema, node.GetValue<string>()) is { } text)
                    report(node, path, text);
                break;
            case FieldType.Integer:
                if (RangeProblem(schema, node.AsValue()) is { } range)
                    report(node, path, range);
                break;
        }
    }

    private void CheckMap(FieldSchema schema, JsonObject map, string path)
    {
        CheckCount(schema, map, map.Count, path);
        foreach (var (key, value) in map)
        {
            if (schema.KeyRule?.Problem(key) is { } problem)
                report(value ?? map, path, problem);
            if (value is not null)
                Check(schema.Items!, value, Join(path, key));
        }
    }

    private void CheckCount(FieldSchema schema, JsonNode node, int count, string path)
    {
        if (count > schema.MaxLength)
            report(node, path, $"has {count} entries; at most {schema.MaxLength} are allowed");
        else if (count < schema.MinLength)
            report(node, path, $"has {count} entries; at least {schema.MinLength} must be there, or leave the field out{(schema.Default is null ? "" : " for its default")}");
    }

    private void CheckArray(FieldSchema schema, JsonArray array, string path)
    {
        CheckCount(schema, array, array.Count, path);
        var seen = new HashSet<string>();
        for (var i = 0; i < array.Count; i++)
        {
            var itemPath = $"{path}[{i}]";
            if (array[i] is not { } item)
            {
                report(array, itemPath, "is empty; remove it from the list");
                continue;
            }

            Check(schema.Items!, item, itemPath);
            if (schema.ListMapKey is { } key && item is JsonObject entry && entry[key] is JsonValue value && !seen.Add(value.ToJsonString()))
                report(item, itemPath, $"has the same {key} as an entry before it; every {key} may be there once");
        }
    }

    private static string? TypeProblem(FieldSchema schema, JsonNode node)
    {
        var wanted = schema.Type switch
        {
            FieldType.Object or FieldType.Map => JsonValueKind.Object,
            FieldType.Array => JsonValueKind.Array,
            FieldType.String => JsonValueKind.String,
            FieldType.Boolean => JsonValueKind.True,
            _ => JsonValueKind.Number,
        };
        var found = node.GetValueKind() == JsonValueKind.False ? JsonValueKind.True : node.GetValueKind();
        if (found == wanted)
            return null;

        var hint = (wanted, found) switch
        {
            (JsonValueKind.String, JsonValueKind.Number or JsonValueKind.True) => "; put it in quotes",
            (JsonValueKind.Number or JsonValueKind.True, JsonValueKind.String) => "; without quotes",
            (JsonValueKind.Array, JsonValueKind.String) => "; write it as an entry: [\"...\"]",
            _ => "",
        };
        return $"is {Name(found)}; {Name(wanted)} is wanted{hint}";
    }

    private static string Name(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "a mapping",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        _ => "a boolean (true or false)",
    };

    private static string? TextProblem(FieldSchema schema, string text)
    {
        if (schema.TextRule is { } rule)
            return rule.Problem(text);
        if (text.Length > schema.MaxLength)
            return $"has {text.Length} characters; at most {schema.MaxLength} are allowed";
        if (schema.Enum.Count > 0 && !schema.Enum.Contains(text))
        {
            return $"is {MessageText.Quote(text)}; must be {string.Join(" or ", schema.Enum)}"
                + (NearestName.Find(text, schema.Enum) is { } nearest ? $"; did you mean {nearest}?" : "");
        }

        return schema.Format switch
        {
            // asked of the serializer's own parser, so that what passes here can be deserialized
            "date-time" => Element(text).TryGetDateTimeOffset(out _) ? null : "is not a time such as 2026-01-31T12:00:00Z",
            "byte" => Element(text).TryGetBytesFromBase64(out _) ? null : "is not base64; values in plain text go into stringData",
            _ => null,
        };
    }

    private static JsonElement Element(string text)
    {
        using var document = JsonDocument.Parse(JsonValue.Create(text).ToJsonString());
        return document.RootElement.Clone();
    }

    private static string? RangeProblem(FieldSchema schema, JsonValue value)
    {
        // a number that was parsed as JSON is a double too
        var isWhole = value.TryGetValue<JsonElement>(out var element)
            ? !element.GetRawText().AsSpan().ContainsAny(".eE")
            : !value.TryGetValue<double>(out _);
        if (!isWhole)
            return $"is {value.ToJsonString()}; a whole number is wanted";

        var minimum = schema.Minimum ?? (schema.Format == "int32" ? int.MinValue : long.MinValue);
        var maximum = schema.Maximum ?? (schema.Format == "int32" ? int.MaxValue : long.MaxValue);
        return value.TryGetValue<long>(out var number) && number >= minimum && number <= maximum
            ? null
            : $"is {value.ToJsonString()}; must be from {minimum} to {maximum}";
    }

    private static string UnknownField(string name, FieldSchema schema) =>
        NearestName.Find(name, schema.Properties.Keys) is { } nearest
            ? $"is not a known field; did you mean {nearest}?"
            : $"is not a known field; known here: {string.Join(", ", schema.Properties.Keys)}";

    /// <summary><c>spec.allowedIPs</c>; a key with other characters is put in brackets.</summary>
    private static string Join(string path, string name)
    {
        if (!Simple().IsMatch(name))
            return $"{path}[{MessageText.Quote(name)}]";
        return path.Length == 0 ? name : $"{path}.{name}";
    }

    [GeneratedRegex(@"^[-_A-Za-z0-9]{1,64}\z")]
    private static partial Regex Simple();
}
