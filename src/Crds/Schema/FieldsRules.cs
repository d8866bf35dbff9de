using System.Text.Json.Nodes;

namespace WgMesh.Crds;

/// <summary>
/// What holds between fields of one object: as CEL for API servers that know it, and as a check that explains. Both come from the one
/// rule, so that they cannot differ.
/// </summary>
/// <param name="field">The field that a message is about, by its JSON name.</param>
/// <param name="other">The other field.</param>
/// <param name="problem">What is wrong and what would be right, as the end of a sentence that begins with <paramref name="field"/>.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
internal abstract class FieldsRuleAttribute(string field, string other, string problem) : Attribute
{
    public string Field { get; } = field;

    public string Other { get; } = other;

    public string Problem { get; } = problem;

    /// <summary>True for an object that keeps the rule.</summary>
    public abstract string Cel { get; }

    /// <summary>Null stands for an absent field.</summary>
    public abstract bool Holds(JsonObject node);

    /// <summary>
    /// Keywords of a schema that say the same, for API servers without CEL; null if there are none that a person would understand the
    /// message of.
    /// </summary>
    public virtual KeyValuePair<string, JsonNode?>? WithoutCel => null;
}

/// <summary>One of two fields must be there, or both.</summary>
internal sealed class AnyOfAttribute(string field, string other, string problem) : FieldsRuleAttribute(field, other, problem)
{
    public override string Cel => $"has(self.{Field}) || has(self.{Other})";

    public override KeyValuePair<string, JsonNode?>? WithoutCel =>
        new("anyOf", new JsonArray([.. new[] { Field, Other }.Select(name => new JsonObject { ["required"] = new JsonArray(name) })]));

    public override bool Holds(JsonObject node) => node[Field] is not null || node[Other] is not null;
}

/// <summary>Of two fields only one may be there.</summary>
internal sealed class NotTogetherAttribute(string field, string other, string problem) : FieldsRuleAttribute(field, other, problem)
{
    public override string Cel => $"!has(self.{Field}) || !has(self.{Other})";

    public override bool Holds(JsonObject node) => node[Field] is null || node[Other] is null;
}
