using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text.Json;

namespace WgMesh.Operator.Trust;

/// <summary>
/// What a token says of itself. Nobody has checked it: good for ending something early and for a word of explanation to whoever holds the
/// token, and for nothing else.
/// </summary>
/// <param name="Expires">From then on the token is worth nothing; null: it does not say.</param>
/// <param name="Audiences">Whom it is meant for.</param>
/// <param name="Subject">Whose it is; null: it does not say.</param>
internal sealed record TokenClaims(DateTimeOffset? Expires, ImmutableArray<string> Audiences, string? Subject)
{
    /// <summary>Reads the claims of a JSON web token (RFC 7519); null: it is none.</summary>
    public static TokenClaims? Read(string token)
    {
        if (token.Split('.') is not [_, var payload, _])
            return null;

        try
        {
            using var json = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            return json.RootElement.ValueKind == JsonValueKind.Object
                ? new TokenClaims(Expiry(json.RootElement), AudiencesOf(json.RootElement), Text(json.RootElement, "sub"))
                : null;
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            return null; // InvalidOperationException: a text with half a surrogate pair
        }
    }

    // a NumericDate: seconds, perhaps with a fraction
    private static DateTimeOffset? Expiry(JsonElement claims) =>
        claims.TryGetProperty("exp", out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var seconds)
            && seconds >= 0 && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds((long)seconds)
            : null;

    // one text, or a list of them
    private static ImmutableArray<string> AudiencesOf(JsonElement claims) => !claims.TryGetProperty("aud", out var value)
        ? []
        : value.ValueKind switch
        {
            JsonValueKind.String => [value.GetString()!],
            JsonValueKind.Array => [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)],
            _ => [],
        };

    private static string? Text(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
