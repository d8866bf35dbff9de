using System.Text.Json;

namespace WgMesh.Kubernetes;

/// <summary>Reads what the server sends, object by object, so that one that is not what its type says does not spoil the others.</summary>
internal static class ObjectReader
{
    /// <summary>One object.</summary>
    /// <param name="json">Complete and well-formed.</param>
    /// <returns>The object, or null and what is wrong with it.</returns>
    public static (T? Item, UnreadableObject? Unreadable) Read<T>(ResourceType<T> type, ReadOnlySpan<byte> json)
        where T : class, IKubernetesObject
    {
        try
        {
            return JsonSerializer.Deserialize(json, type.OnTheWire) is { } item
                ? (item, null)
                : (null, new UnreadableObject(new ObjectMeta(), "the object is null"));
        }
        catch (JsonException e)
        {
            // the exception's own message speaks of C# types
            var field = e.Path is null or "$" ? "the object" : e.Path.StartsWith("$.", StringComparison.Ordinal) ? e.Path[2..] : e.Path;
            return (null, new UnreadableObject(ReadMetadata(json), $"{MessageText.Printable(field, 200)} holds a value of another type than the field has"));
        }
    }

    /// <summary>A list of objects.</summary>
    /// <exception cref="JsonException">It is not a list.</exception>
    public static ListPage<T> ReadPage<T>(ResourceType<T> type, ReadOnlySpan<byte> json)
        where T : class, IKubernetesObject
    {
        var (items, unreadable) = (new List<T>(), new List<UnreadableObject>());
        ListMeta? metadata = null;
        var reader = new Utf8JsonReader(json);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("the answer is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("metadata"))
            {
                reader.Read();
                metadata = JsonSerializer.Deserialize(ref reader, AnswerJson.Default.ListMeta);
            }
            else if (reader.ValueTextEquals("items"))
            {
                reader.Read();
                if (reader.TokenType == JsonTokenType.Null)
                    continue;
                if (reader.TokenType != JsonTokenType.StartArray)
                    throw new JsonException("items is not a list");
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    var (item, problem) = Read(type, Slice(json, ref reader));
                    if (item is not null)
                        items.Add(item);
                    else
                        unreadable.Add(problem!);
                }
            }
            else
            {
                reader.Skip();
            }
        }

        if (metadata is null)
            throw new JsonException("the answer is not a list: it has no metadata");
        return new ListPage<T>(items, unreadable, metadata.ResourceVersion ?? "", string.IsNullOrEmpty(metadata.Continue) ? null : metadata.Continue);
    }

    /// <summary>A line of a watch.</summary>
    /// <returns>Null: of a type that is not known here.</returns>
    /// <exception cref="ApiException">It is an ERROR.</exception>
    /// <exception cref="JsonException">It is not an event.</exception>
    public static WatchEvent<T>? ReadEvent<T>(ResourceType<T> type, ReadOnlySpan<byte> json, string request)
        where T : class, IKubernetesObject
    {
        string? name = null;
        ReadOnlySpan<byte> body = default;
        var reader = new Utf8JsonReader(json);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("an event is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (isType, isObject) = (reader.ValueTextEquals("type"), reader.ValueTextEquals("object"));
            reader.Read();
            if (isType && reader.TokenType == JsonTokenType.String)
                name = reader.GetString();
            else if (isObject)
                body = Slice(json, ref reader);
            else
                reader.Skip();
        }

        switch (name)
        {
            case "ADDED":
                return ReadChange(type, WatchEventType.Added, body);
            case "MODIFIED":
                return ReadChange(type, WatchEventType.Modified, body);
            case "DELETED":
                return ReadChange(type, WatchEventType.Deleted, body);
            case "BOOKMARK":
                return new WatchEvent<T>(WatchEventType.Bookmark, null, Version(ReadMetadata(body)));
            case "ERROR":
                throw ReadStatus(body)?.ToException(request, 500) ?? new ApiException(500, "", $"{request}: the watch ended with an error that cannot be read");
            default:
                return null;
        }
    }

    /// <summary>What the server says of a refusal; null: it is not a Status.</summary>
    public static Status? ReadStatus(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, AnswerJson.Default.Status) is { Kind: "Status" } status ? status : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static WatchEvent<T> ReadChange<T>(ResourceType<T> type, WatchEventType change, ReadOnlySpan<byte> json)
        where T : class, IKubernetesObject
    {
        var (item, unreadable) = Read(type, json);
        return new WatchEvent<T>(change, item, Version(item?.Metadata ?? unreadable!.Metadata), unreadable);
    }

    private static string Version(ObjectMeta metadata) => metadata.ResourceVersion ?? throw new JsonException("an event has no resourceVersion");

    /// <summary>The value that the reader is at, which is skipped.</summary>
    private static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> json, scoped ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return json[start..(int)reader.BytesConsumed];
    }

    /// <summary>What identifies an object, whatever else is wrong with it.</summary>
    private static ObjectMeta ReadMetadata(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        using var document = JsonDocument.ParseValue(ref reader);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("metadata", out var metadata)
            || metadata.ValueKind != JsonValueKind.Object)
        {
            return new ObjectMeta();
        }

        return new ObjectMeta
        {
            Name = Text("name") ?? "",
            Namespace = Text("namespace"),
            Uid = Text("uid"),
            ResourceVersion = Text("resourceVersion"),
            Generation = metadata.TryGetProperty("generation", out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
                ? number
                : null,
        };

        string? Text(string name) =>
            metadata.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
