using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>
/// Writes the CustomResourceDefinitions of <see cref="WireGuardPeer"/> and <see cref="WireGuardMesh"/> from the C# types. Only what
/// apiextensions.k8s.io/v1 of Kubernetes 1.20 knows is written.
/// </summary>
public static class CrdYaml
{
    /// <summary>Where the chart keeps what <see cref="Generate"/> returns, from the root of the repository.</summary>
    public const string ChartPath = "deploy/helm/wgmesh/crds/wgmesh.io.yaml";

    /// <summary>Run at the root of the repository, puts what <see cref="Generate"/> returns into the chart.</summary>
    public const string RegenerateCommand = $"dotnet run --project src/Cli -- crds > {ChartPath}";

    /// <summary>One YAML file with both definitions.</summary>
    public static string Generate() =>
        $"# Generated from the C# types in src/Crds; not to be edited. To write it anew: {RegenerateCommand}\n"
        + string.Concat(new JsonTypeInfo[] { CrdsJson.Default.WireGuardPeer, CrdsJson.Default.WireGuardMesh }
            .Select(type => $"---\n{YamlWriter.Write(Definition(type))}"));

    private static JsonObject Definition(JsonTypeInfo type)
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
                    ["schema"] = new JsonObject { ["openAPIV3Schema"] = Root(type, resource) },
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

    private static JsonObject Root(JsonTypeInfo type, CustomResourceAttribute resource)
    {
        var schema = SchemaBuilder.Build(type);
        var written = Schema(schema);

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

    private static JsonObject Schema(FieldSchema schema)
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
        Put("format", schema.Format);
        Put("default", schema.Default?.DeepClone());
        Put("enum", schema.Enum.Count > 0 ? new JsonArray([.. schema.Enum.Select(value => (JsonNode)value)]) : null);
        Put("minimum", schema.Minimum);
        Put("maximum", schema.Maximum);
        Put("pattern", schema.TextRule?.Pattern);
        Put("minLength", schema.TextRule?.MinLength);
        Put("maxLength", schema.TextRule?.MaxLength);
        var (fewest, most) = schema.Type == FieldType.Array ? ("minItems", "maxItems") : ("minLength", "maxLength");
        Put(fewest, schema.MinLength);
        Put(most, schema.MaxLength);
        if (schema.ListMapKey is { } key)
        {
            written["x-kubernetes-list-type"] = "map";
            written["x-kubernetes-list-map-keys"] = new JsonArray(key);
        }

        if (schema.Type == FieldType.Object)
        {
            if (schema.Required.Count > 0)
                written["required"] = new JsonArray([.. schema.Required.Select(field => (JsonNode)field)]);
            written["properties"] = new JsonObject(schema.Properties.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)Schema(field.Value))));
        }

        if (schema.Items is { } items)
            written[schema.Type == FieldType.Array ? "items" : "additionalProperties"] = Schema(items);
        return written;

        void Put(string name, JsonNode? value)
        {
            if (value is not null)
                written[name] = value;
        }
    }
}
