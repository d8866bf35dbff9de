using System.Collections;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace WgMesh.Kubernetes;

/// <summary>Reads and writes the Kubernetes kinds used here as JSON, without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Node))]
[JsonSerializable(typeof(Secret))]
[JsonSerializable(typeof(ConfigMap))]
[JsonSerializable(typeof(Pod))]
[JsonSerializable(typeof(Event))]
[JsonSerializable(typeof(Lease))]
[JsonSerializable(typeof(TokenReview))]
[JsonSerializable(typeof(SubjectAccessReview))]
public sealed partial class KubernetesJson : JsonSerializerContext
{
    /// <summary>
    /// The same, as it goes to an API server and comes from it: an empty list or map is left out, so that what is made is clean, and null stands for
    /// nothing said, as it does in Go, also where the C# field takes no null.
    /// </summary>
    internal static JsonTypeInfo<T> OnTheWire<T>(JsonTypeInfo<T> type) => (JsonTypeInfo<T>)new JsonSerializerOptions(type.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // it is no HTML
        TypeInfoResolver = type.Options.TypeInfoResolver!.WithAddedModifier(Adapt),
    }.GetTypeInfo(typeof(T));

    private static void Adapt(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object || type.CreateObject is null)
            return;

        var initial = type.CreateObject();
        foreach (var property in type.Properties)
        {
            if (property.IsExtensionData)
                continue;
            if (typeof(ICollection).IsAssignableFrom(property.PropertyType))
                property.ShouldSerialize = (_, value) => value is ICollection { Count: > 0 };
            if (property.Get?.Invoke(initial) is not null && property.Set is { } set && !property.PropertyType.IsValueType)
            {
                property.Set = (item, value) =>
                {
                    if (value is not null)
                        set(item, value);
                };
            }
        }
    }
}
