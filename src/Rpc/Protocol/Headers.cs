using System.Collections.Frozen;
using System.Globalization;
using Grpc.Core;

namespace WgMesh.Rpc.Protocol;

/// <summary>The header fields of the protocol and the form of metadata in them (PROTOCOL-HTTP2.md, "Requests" and "Responses").</summary>
internal static class Headers
{
    public const string ContentType = "application/grpc";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";
    public const string Identity = "identity";
    public const string Te = "te";
    public const string Trailers = "trailers";

    private static readonly FrozenSet<string> NotCustom = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase,
        Status, Message, Encoding, AcceptEncoding, Timeout.HeaderName, "grpc-message-type",
        Te, "content-type", "content-length", "content-encoding", "accept-encoding", "host", "date", "server", "connection", "transfer-encoding", "trailer");

    /// <summary>Content-Type → "application/grpc" [("+proto" / "+json" / {custom})], parameters allowed; not <c>application/grpc-web</c>.</summary>
    public static bool IsGrpcContentType(string? value) =>
        value is not null &&
        value.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) &&
        (value.Length == ContentType.Length || value[ContentType.Length] is '+' or ';');

    /// <summary>Whether a field is metadata of the application rather than of HTTP or of the protocol.</summary>
    /// <remarks>
    /// Names that start with "grpc-" are reserved; those that the protocol document lists are never metadata, others (such as
    /// <c>grpc-status-details-bin</c>) are conventions between applications and pass.
    /// </remarks>
    public static bool IsCustom(string name) => name.Length > 0 && name[0] != ':' && !NotCustom.Contains(name);

    /// <summary>The value as it travels: text as it is, bytes in base64 without padding ("should emit un-padded values").</summary>
    /// <remarks>
    /// Text that came from elsewhere may hold more than printable ASCII, and "the application should not trigger an error by
    /// providing that same list as the metadata in the response": such characters become question marks.
    /// </remarks>
    public static string Format(Metadata.Entry entry)
    {
        if (entry.IsBinary)
            return Convert.ToBase64String(entry.ValueBytes).TrimEnd('=');
        return entry.Value.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? string.Create(entry.Value.Length, entry.Value, (span, text) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = text[i] is >= ' ' and <= '~' ? text[i] : '?';
            })
            : entry.Value;
    }

    /// <summary>
    /// Adds what a field says. "Implementations must split Binary-Headers on "," before decoding" and "MUST accept padded and
    /// un-padded values"; one that is no base64 is thrown away, as is a name that cannot be a key.
    /// </summary>
    public static void AddReceived(Metadata metadata, string name, string value)
    {
        if (!IsCustom(name))
            return;

        var key = name.ToLowerInvariant();
        if (!key.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.Ordinal))
        {
            metadata.Add(Metadata.Entry.Received(key, value));
            return;
        }

        foreach (var part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            var bare = part.TrimEnd('=');
            var octets = new byte[bare.Length / 4 * 3 + 3];
            if (Convert.TryFromBase64String(bare.PadRight((bare.Length + 3) / 4 * 4, '='), octets, out var length))
                metadata.Add(Metadata.Entry.Received(key, octets[..length]));
        }
    }

    public static string FormatStatus(StatusCode code) => ((int)code).ToString(CultureInfo.InvariantCulture);

    /// <summary>Status → 1*DIGIT. A number that is not among the codes becomes UNKNOWN, as statuscodes.md demands.</summary>
    /// <returns>False: not a number.</returns>
    public static bool TryParseStatus(string text, out StatusCode code)
    {
        code = StatusCode.Unknown;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        if (number <= (int)StatusCode.Unauthenticated)
            code = (StatusCode)number;
        return true;
    }
}
