using System.Text.Json.Serialization;

namespace WgMesh.Kubernetes;

/// <summary>Reads what comes around and instead of objects.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Status))]
[JsonSerializable(typeof(ListMeta))]
internal sealed partial class AnswerJson : JsonSerializerContext;

/// <summary>Why the API server refused something (meta/v1 Status), as far as it is used here.</summary>
internal sealed class Status
{
    public string? Kind { get; set; }

    public string? Message { get; set; }

    public string? Reason { get; set; }

    public int? Code { get; set; }

    public StatusDetails? Details { get; set; }

    /// <param name="request">Verb and path.</param>
    /// <param name="code">If the status says none.</param>
    public ApiException ToException(string request, int code, TimeSpan? retryAfter = null) =>
        new(Code is > 0 ? Code.Value : code, Reason ?? "", $"{request}: {(string.IsNullOrEmpty(Message) ? $"the server answered {code}" : Message)}")
        {
            RetryAfter = retryAfter ?? (Details?.RetryAfterSeconds is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null),
            IsObjectMissing = Reason == "NotFound" && !string.IsNullOrEmpty(Details?.Name),
        };
}

/// <summary>What a Status is about.</summary>
internal sealed class StatusDetails
{
    public string? Name { get; set; }

    public int? RetryAfterSeconds { get; set; }
}

/// <summary>The metadata of a list (meta/v1 ListMeta).</summary>
internal sealed class ListMeta
{
    public string? ResourceVersion { get; set; }

    public string? Continue { get; set; }
}
