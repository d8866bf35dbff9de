using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>
/// Writes the CustomResourceDefinitions of <see cref="WireGuardPeer"/> and <see cref="WireGuardMesh"/> from the C# types, for an API
/// server of a certain version. Kubernetes 1.20 refuses fields that it does not know, so what is newer depends on the version.
/// </summary>
public static class CrdYaml
{
    /// <summary>Where the chart keeps what <see cref="ChartTemplate"/> returns, from the root of the repository.</summary>
    public const string ChartPath = "deploy/helm/wgmesh/templates/crds.yaml";

    /// <summary>Run at the root of the repository, puts what <see cref="ChartTemplate"/> returns into the chart.</summary>
    public const string RegenerateCommand = $"dotnet run --project src/Cli -- crds --chart-template > {ChartPath}";

    /// <summary>The oldest version of Kubernetes that there are definitions for.</summary>
    public static Version Oldest { get; } = new(1, 20);

    /// <summary>The first version of Kubernetes whose API server evaluates x-kubernetes-validations without being asked to.</summary>
    private static Version FirstWithCel { get; } = new(1, 25);

    private static JsonTypeInfo[] Types => [CrdsJson.Default.WireGuardPeer, CrdsJson.Default.WireGuardMesh];

    /// <summary>One YAML file with both definitions.</summary>
    /// <param name="server">The version of the API server, as major and minor; null: the newest.</param>
    public static string Generate(Version? server = null) =>
        string.Concat(Types.Select(type => $"---\n{YamlWriter.Write(Definition(type, server is null || server >= FirstWithCel ? Cel.With : Cel.Without))}"));

    /// <summary>
    /// The same as a template for Helm, which knows the version of the API server when it installs. The chart's values say whether it holds the
    /// definitions, and whether they stay when it is uninstalled, and so every object.
    /// </summary>
    public static string ChartTemplate() =>
        $"{{{{- /* Generated from the C# types in src/Crds; not to be edited. To write it anew: {RegenerateCommand} */ -}}}}\n"
        + "{{- if .Values.crds.install }}\n"
        + string.Concat(Types.Select(type =>
        {
            var definition = Gate(YamlWriter.Write(Definition(type, Cel.Gated)));
            return $"---\n{definition.Replace("\nspec:\n", $"\n{Keep}spec:\n", StringComparison.Ordinal)}";
        }))
        + "{{- end }}\n";

    /// <summary>The end of the metadata.</summary>
    private const string Keep = """
          {{- if .Values.crds.keep }}
          annotations:
            helm.sh/resource-policy: keep
          {{- end }}

        """;

    /// <summary>Whether definitions are to hold CEL.</summary>
    private enum Cel
    {
        Without,
        With,

        /// <summary>Both, one after the other, for <see cref="Gate"/>.</summary>
        Gated,
    }

    /// <summary>Puts each x-kubernetes-validations under the condition that the server knows it, and what stands in for it, if anything, under the opposite.</summary>
    private static string Gate(string yaml)
    {
        var gated = new StringBuilder();
        string? open = null; // the indentation of the block that is under a condition
        foreach (var line in yaml.TrimEnd('\n').Split('\n'))
        {
            var indentation = line[..^line.TrimStart(' ').Length];
            // the entries of a list stand as deep as its name
            if (open is not null && (indentation.Length < open.Length || (indentation.Length == open.Length && line[open.Length] != '-')))
            {
                var isInstead = line == $"{open}anyOf:";
                gated.Append(isInstead ? "{{- else }}\n" : "{{- end }}\n");
                open = isInstead ? open : null;
            }

            if (line.EndsWith(" x-kubernetes-validations:", StringComparison.Ordinal))
            {
                gated.Append($"{{{{- if semverCompare \">={FirstWithCel}-0\" .Capabilities.KubeVersion.Version }}}}\n");
                open = indentation;
            }

            gated.Append(line).Append('\n');
        }

        return gated.ToString();
    }

    private static JsonObject Definition(JsonTypeInfo type, Cel cel)
    {
        var resource = type.Type.GetCustomAttribute<CustomResourceAttribute>()!;
        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{resource.Plural}.{CustomResourceAttribute.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = CustomResourceAttribute.Group,
                ["scope"] = "Cluster",
                ["names"] = new JsonObject
                {
                    ["kind"] = resource.Kind,
                    ["listKind"] = $"{resource.Kind}List",
                    ["plural"] = resource.Plural,
#pragma warning disable CA1308 // a resource's name is in lower case
                    ["singular"] = resource.Kind.ToLowerInvariant(),
#pragma warning restore CA1308
                    ["shortNames"] = new JsonArray(resource.ShortName),
                    ["categories"] = new JsonArray(CustomResourceAttribute.Category),
                },
                ["versions"] = new JsonArray(new JsonObject
                {
                    ["name"] = CustomResourceAttribute.Version,
                    ["served"] = true,
                    ["storage"] = true,
                    ["subresources"] = new JsonObject { ["status"] = new JsonObject() },
                    ["additionalPrinterColumns"] = new JsonArray([.. type.Type.GetCustomAttributes<PrinterColumnAttribute>().Select(Column)]),
                    ["schema"] = new JsonObject { ["openAPIV3Schema"] = Root(type, resource, cel) },
                }),
            },
        };
    }

    private static JsonObject Column(PrinterColumnAttribute column)
    {
        var written = new JsonObject { ["name"] = column.Name, ["type"] = column.Type, ["jsonPath"] = column.JsonPath };
        if (column.Priority != 0)
            written["priority"] = column.Priority;
        return written;
    }

    private static JsonObject Root(JsonTypeInfo type, CustomResourceAttribute resource, Cel cel)
    {
        var schema = SchemaBuilder.Build(type);
        var written = Schema(schema, cel);

        // the server knows metadata; a schema may only narrow its name
        var metadata = new JsonObject { ["type"] = "object" };
        if (resource.OnlyName is { } name)
            metadata["properties"] = new JsonObject { ["name"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray(name) } };
        written["properties"]!["metadata"] = metadata;

        // and it wants these by itself
        var required = written["required"]!.AsArray();
        required.RemoveAll(field => field!.GetValue<string>() is "apiVersion" or "kind" or "metadata");
        if (required.Count == 0)
            written.Remove("required");
        return written;
    }

    private static JsonObject Schema(FieldSchema schema, Cel cel)
    {
        var written = new JsonObject();
        Put("description", schema.Description);
        Put("type", schema.Type switch
        {
            FieldType.Object or FieldType.Map => "object",
            FieldType.Array => "array",
            FieldType.String => "string",
            FieldType.Integer => "integer",
            _ => "boolean",
        });
        Put("format", schema.Format ?? schema.TextRule?.Format);
        Put("default", schema.Default?.DeepClone());
        Put("enum", schema.Enum.Count > 0 ? new JsonArray([.. schema.Enum.Select(value => (JsonNode)value)]) : null);
        Put("minimum", schema.Minimum);
        Put("maximum", schema.Maximum);
        Put("pattern", schema.TextRule?.Pattern);
        Put("minLength", schema.TextRule?.MinLength);
        Put("maxLength", schema.TextRule?.MaxLength);
        var (fewest, most) = schema.Type switch
        {
            FieldType.Array => ("minItems", "maxItems"),
            FieldType.Map => ("minProperties", "maxProperties"),
            _ => ("minLength", "maxLength"),
        };
        Put(fewest, schema.MinLength);
        Put(most, schema.MaxLength);
        if (schema.ListMapKey is { } key)
        {
            written["x-kubernetes-list-type"] = "map";
            written["x-kubernetes-list-map-keys"] = new JsonArray(key);
        }

        if (schema.IsAtomic)
            written["x-kubernetes-map-type"] = "atomic";

        if (schema.Type == FieldType.Object)
        {
            if (cel != Cel.Without && schema.Rules.Count > 0)
                written["x-kubernetes-validations"] = new JsonArray([.. schema.Rules.Select(Validation)]);
            foreach (var rule in cel == Cel.With ? [] : schema.Rules)
            {
                if (rule.WithoutCel is var (keyword, value))
                    written.Add(keyword, value);
            }

            if (schema.Required.Count > 0)
                written["required"] = new JsonArray([.. schema.Required.Select(field => (JsonNode)field)]);
            written["properties"] = new JsonObject(schema.Properties.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)Schema(field.Value, cel))));
        }

        if (schema.Items is { } items)
            written[schema.Type == FieldType.Array ? "items" : "additionalProperties"] = Schema(items, cel);
        return written;

        void Put(string name, JsonNode? value)
        {
            if (value is not null)
                written[name] = value;
        }
    }

    private static JsonObject Validation(FieldsRuleAttribute rule) => new() { ["rule"] = rule.Cel, ["message"] = $"{rule.Field} {rule.Problem}" };
}
