using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>Makes the schema of a C# type from what its JSON serializer knows of it and from its attributes.</summary>
internal static class SchemaBuilder
{
    /// <summary>Fields of ObjectMeta that manifests may carry and nothing here reads.</summary>
    private static readonly string[] UnreadMetadata = ["generateName", "managedFields", "selfLink", "deletionGracePeriodSeconds"];

    /// <summary>The schema of a kind.</summary>
    /// <param name="type">Metadata of the kind's C# class.</param>
    public static FieldSchema Build(JsonTypeInfo type)
    {
        var root = BuildObject(type);
        root.Description = type.Type.GetCustomAttribute<DescriptionAttribute>()?.Description;
        foreach (var always in (string[])["apiVersion", "kind", "metadata"])
        {
            root.Properties[always].Default = null;
            if (!root.Required.Contains(always))
                root.Required.Add(always);
        }

        root.Properties["metadata"].Description = "It holds the name of the object.";
        return root;
    }

    private static FieldSchema BuildObject(JsonTypeInfo type)
    {
        var schema = new FieldSchema
        {
            Type = FieldType.Object,
            Ignored = type.Type == typeof(ObjectMeta) ? UnreadMetadata : [],
            IsAtomic = type.Type.IsDefined(typeof(AtomicAttribute), inherit: false),
            Rules = [.. type.Type.GetCustomAttributes<FieldsRuleAttribute>()],
        };
        var initial = type.CreateObject!();
        foreach (var property in type.Properties)
        {
            if (property.IsExtensionData)
                continue; // it holds what no field is for
            var field = BuildField(property.PropertyType, type.Options);
            ReadAttributes(field, property.AttributeProvider!);
            if (property.AttributeProvider!.IsDefined(typeof(RequiredAttribute), inherit: false))
                schema.Required.Add(property.Name);
            else
                SetDefault(field, property.Get!(initial), type.Options);

            schema.Properties.Add(property.Name, field);
        }

        return schema;
    }

    private static FieldSchema BuildField(Type declared, JsonSerializerOptions options)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type == typeof(string))
            return new FieldSchema { Type = FieldType.String };
        if (type == typeof(bool))
            return new FieldSchema { Type = FieldType.Boolean };
        if (type == typeof(int))
            return new FieldSchema { Type = FieldType.Integer, Format = "int32" };
        if (type == typeof(long))
            return new FieldSchema { Type = FieldType.Integer, Format = "int64" };
        if (type == typeof(DateTimeOffset))
            return new FieldSchema { Type = FieldType.String, Format = "date-time" };
        if (type == typeof(byte[]))
            return new FieldSchema { Type = FieldType.String, Format = "byte" };
        if (type.IsEnum)
            return new FieldSchema { Type = FieldType.String, Enum = Enum.GetNames(type) };

        var info = options.GetTypeInfo(type);
        return info.Kind switch
        {
            JsonTypeInfoKind.Object => BuildObject(info),
            JsonTypeInfoKind.Enumerable => new FieldSchema { Type = FieldType.Array, Items = BuildField(info.ElementType!, options) },
            JsonTypeInfoKind.Dictionary => new FieldSchema { Type = FieldType.Map, Items = BuildField(info.ElementType!, options) },
            _ => throw new NotSupportedException($"A field cannot be of type {type}."),
        };
    }

    private static void ReadAttributes(FieldSchema field, ICustomAttributeProvider attributes)
    {
        foreach (var attribute in attributes.GetCustomAttributes(inherit: false))
        {
            switch (attribute)
            {
                case DescriptionAttribute description:
                    field.Description = description.Description;
                    break;
                case RangeAttribute range:
                    var bounded = field.Items ?? field; // of a list, its items
                    (bounded.Minimum, bounded.Maximum) = ((int)range.Minimum, (int)range.Maximum);
                    break;
                case MaxLengthAttribute length:
                    field.MaxLength = length.Length;
                    break;
                case LengthAttribute length:
                    (field.MinLength, field.MaxLength) = (length.MinimumLength, length.MaximumLength);
                    break;
                case AllowedValuesAttribute allowed:
                    field.Enum = [.. allowed.Values.Cast<string>()];
                    break;
                case TextRuleAttribute rule:
                    (field.Items ?? field).TextRule = rule;
                    break;
                case LabelsAttribute:
                    (field.KeyRule, field.Items!.TextRule) = (LabelsAttribute.Keys, LabelsAttribute.Values);
                    break;
                case ListMapKeyAttribute key:
                    field.ListMapKey = key.Key;
                    break;
            }
        }
    }

    /// <summary>An optional field's default is what a new instance holds: the C# initializer is the one place that says it.</summary>
    private static void SetDefault(FieldSchema field, object? initial, JsonSerializerOptions options)
    {
        if (initial is null or "" or ICollection { Count: 0 })
            return;

        field.Default = field.Type == FieldType.Object
            ? field.Required.Count == 0 ? new System.Text.Json.Nodes.JsonObject() : null // the fields within have their own
            : JsonSerializer.SerializeToNode(initial, options.GetTypeInfo(initial.GetType()));
    }
}
