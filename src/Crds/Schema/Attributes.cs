namespace WgMesh.Crds;

/// <summary>Makes a class a custom resource of the group <c>wgmesh.io</c>, cluster-scoped.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class CustomResourceAttribute(string kind, string plural, string shortName) : Attribute
{
    public const string Group = "wgmesh.io";
    public const string Version = "v1alpha1";
    public const string ApiVersion = $"{Group}/{Version}";
    public const string Category = "wgmesh";

    public string Kind { get; } = kind;
    public string Plural { get; } = plural;
    public string ShortName { get; } = shortName;

    /// <summary>Set if there may be only one object, of this name.</summary>
    public string? OnlyName { get; set; }
}

/// <summary>A column of <c>kubectl get</c>; columns appear in the order of the attributes.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
internal sealed class PrinterColumnAttribute(string name, string type, string jsonPath) : Attribute
{
    public string Name { get; } = name;
    public string Type { get; } = type;
    public string JsonPath { get; } = jsonPath;

    /// <summary>0: always shown; 1: with <c>-o wide</c>.</summary>
    public int Priority { get; set; }
}

/// <summary>Makes a map one of labels, as a selector holds them.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class LabelsAttribute : Attribute
{
    public static TextRuleAttribute Keys { get; } = new LabelKeyTextAttribute();
    public static TextRuleAttribute Values { get; } = new LabelValueTextAttribute();
}

/// <summary>
/// An object whose fields make sense only together: server-side apply gives it one owner as a whole. (Of one whose fields are owned singly, and
/// are all taken away, Kubernetes 1.20 leaves a null behind and then refuses it.)
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class AtomicAttribute : Attribute;

/// <summary>A list with one entry for each value of a field of its items; server-side apply merges by it.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ListMapKeyAttribute(string key) : Attribute
{
    public string Key { get; } = key;
}
