using System.Text.Json.Nodes;

namespace WgMesh.Crds;

/// <summary>The JSON types of a schema.</summary>
internal enum FieldType
{
    Object,
    Map,
    Array,
    String,
    Integer,
    Boolean,
}

/// <summary>
/// What may stand in one place of an object. Made from the C# types by <see cref="SchemaBuilder"/>; manifests are checked by it and the
/// OpenAPI schema is written from it, so that the two cannot differ.
/// </summary>
internal sealed class FieldSchema
{
    public required FieldType Type { get; init; }

    public string? Description { get; set; }

    /// <summary>The fields of an <see cref="FieldType.Object"/> by JSON name, in the order of the C# properties.</summary>
    public OrderedDictionary<string, FieldSchema> Properties { get; } = [];

    /// <summary>Names among <see cref="Properties"/> that must be there.</summary>
    public List<string> Required { get; } = [];

    /// <summary>Fields that are known but not read.</summary>
    public IReadOnlyCollection<string> Ignored { get; init; } = [];

    /// <summary>The items of an <see cref="FieldType.Array"/> or the values of a <see cref="FieldType.Map"/>.</summary>
    public FieldSchema? Items { get; init; }

    /// <summary>As OpenAPI has it: int32, int64, date-time, byte.</summary>
    public string? Format { get; init; }

    /// <summary>What is taken for an absent field.</summary>
    public JsonNode? Default { get; set; }

    /// <summary>Bounds of an <see cref="FieldType.Integer"/>.</summary>
    public long? Minimum { get; set; }

    /// <inheritdoc cref="Minimum"/>
    public long? Maximum { get; set; }

    /// <summary>Bounds of the number of items or entries, or of characters.</summary>
    public int? MinLength { get; set; }

    /// <inheritdoc cref="MinLength"/>
    public int? MaxLength { get; set; }

    /// <summary>All values that a string may have; empty: any.</summary>
    public IReadOnlyList<string> Enum { get; set; } = [];

    /// <summary>What a string must look like.</summary>
    public TextRuleAttribute? TextRule { get; set; }

    /// <summary>What every key of a <see cref="FieldType.Map"/> must look like; a schema of the API server cannot hold it.</summary>
    public TextRuleAttribute? KeyRule { get; set; }

    /// <summary>What holds between fields of an <see cref="FieldType.Object"/>.</summary>
    public IReadOnlyList<FieldsRuleAttribute> Rules { get; init; } = [];

    /// <summary>Whether an <see cref="FieldType.Object"/> has one owner as a whole.</summary>
    public bool IsAtomic { get; init; }

    /// <summary>The field of the items that tells them apart.</summary>
    public string? ListMapKey { get; set; }
}
