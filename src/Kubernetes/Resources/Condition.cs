using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>One aspect of an object's state (meta/v1 Condition).</summary>
public sealed class Condition
{
    /// <summary>The aspect, e.g. <c>Ready</c>.</summary>
    [Description("The aspect of the object that this condition is about, in CamelCase.")]
    [Required, MaxLength(316)]
    public string Type { get; set; } = "";

    /// <summary><c>True</c>, <c>False</c> or <c>Unknown</c>.</summary>
    [Description("Whether the aspect holds: True, False or Unknown.")]
    [Required, AllowedValues("True", "False", "Unknown")]
    public string Status { get; set; } = "Unknown";

    /// <summary>Why, in one CamelCase word.</summary>
    [Description("Why the condition has its status, in one CamelCase word for programs.")]
    [MaxLength(1024)]
    public string? Reason { get; set; }

    /// <summary>Why, in a sentence.</summary>
    [Description("Why the condition has its status, in a sentence for people.")]
    [MaxLength(32768)]
    public string? Message { get; set; }

    /// <summary>When <see cref="Status"/> last changed.</summary>
    [Description("When the status last changed.")]
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastTransitionTime { get; set; }

    /// <summary>The generation of the spec that the condition speaks of.</summary>
    [Description("The metadata.generation that the condition was computed from.")]
    public long? ObservedGeneration { get; set; }
}
