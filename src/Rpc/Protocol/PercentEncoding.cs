using System.Globalization;
using System.Text;

namespace WgMesh.Rpc.Protocol;

/// <summary>
/// The form in which a status' detail travels (PROTOCOL-HTTP2.md, "Responses"): UTF-8, of which every byte outside
/// %x20-%x24 / %x26-%x7E becomes "%" 2HEXDIGIT.
/// </summary>
internal static class PercentEncoding
{
    public static string Encode(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~') && !text.Contains('%', StringComparison.Ordinal))
            return text;

        var encoded = new StringBuilder(text.Length + 16);
        foreach (var octet in Encoding.UTF8.GetBytes(text))
        {
            if (octet is >= 0x20 and <= 0x7E and not (byte)'%')
                encoded.Append((char)octet);
            else
                encoded.Append('%').Append(octet.ToString("X2", CultureInfo.InvariantCulture));
        }

        return encoded.ToString();
    }

    /// <summary>Decodes what is valid and leaves the rest as it is: "implementations MUST NOT error or throw away the message".</summary>
    public static string Decode(string text)
    {
        if (!text.Contains('%', StringComparison.Ordinal))
            return text;

        var octets = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var length = 0;
        for (var i = 0; i < text.Length;)
        {
            if (text[i] == '%' && i + 2 < text.Length &&
                byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var octet))
            {
                octets[length++] = octet;
                i += 3;
            }
            else
            {
                // A pair of surrogates is one character of UTF-8.
                var width = char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1;
                length += Encoding.UTF8.GetBytes(text.AsSpan(i, width), octets.AsSpan(length));
                i += width;
            }
        }

        return Encoding.UTF8.GetString(octets, 0, length);
    }
}
