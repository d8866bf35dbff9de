using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Something that happened to an object, for people (core/v1 Event).</summary>
public sealed class Event : IKubernetesObject
{
    /// <inheritdoc/>
    public string ApiVersion { get; set; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; set; } = "Event";

    /// <inheritdoc/>
    public ObjectMeta Metadata { get; set; } = new();

    /// <summary>The object it happened to.</summary>
    public ObjectReference InvolvedObject { get; set; } = new();

    /// <summary>What, in one CamelCase word.</summary>
    public string? Reason { get; set; }

    /// <summary>What, in a sentence.</summary>
    public string? Message { get; set; }

    /// <summary><c>Normal</c> or <c>Warning</c>.</summary>
    public string? Type { get; set; }

    /// <summary>How often it happened.</summary>
    public int? Count { get; set; }

    /// <summary>When it happened first.</summary>
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? FirstTimestamp { get; set; }

    /// <summary>When it happened last.</summary>
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastTimestamp { get; set; }

    /// <summary>Who says it.</summary>
    public EventSource? Source { get; set; }

    /// <summary>The controller that says it, e.g. <c>wgmesh.io/operator</c>.</summary>
    public string? ReportingComponent { get; set; }

    /// <summary>Which of its processes.</summary>
    public string? ReportingInstance { get; set; }
}

/// <summary>Who reports an event.</summary>
public sealed class EventSource
{
    /// <summary>The component.</summary>
    public string? Component { get; set; }

    /// <summary>Its host.</summary>
    public string? Host { get; set; }
}

/// <summary>Points to an object.</summary>
public sealed class ObjectReference
{
    /// <summary>Group and version.</summary>
    public string? ApiVersion { get; set; }

    /// <summary>Kind.</summary>
    public string? Kind { get; set; }

    /// <summary>Name.</summary>
    public string? Name { get; set; }

    /// <summary>Null for cluster-scoped kinds.</summary>
    public string? Namespace { get; set; }

    /// <summary>Tells namesakes apart.</summary>
    public string? Uid { get; set; }

    /// <summary>The version of the object that is meant.</summary>
    public string? ResourceVersion { get; set; }
}
