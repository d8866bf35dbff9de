using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WgMesh.Kubernetes;

/// <summary>
/// What type an unquoted YAML scalar has. As kubectl has it (sigs.k8s.io/yaml, goyaml.v2/resolve.go), so that a manifest means the
/// same here and there: YAML 1.2 core plus the yes/no/on/off and octals of YAML 1.1; numbers without a fraction are integers.
/// </summary>
internal static partial class YamlScalar
{
    private const string TagPrefix = "tag:yaml.org,2002:";

    /// <summary>The scalar as JSON; null for a YAML null.</summary>
    /// <exception cref="YamlException">The value does not fit its explicit tag, or JSON has no such value.</exception>
    public static JsonNode? ToJson(Scalar scalar)
    {
        if (scalar.Tag.IsEmpty)
            return scalar.Style == ScalarStyle.Plain ? OrFail(Resolve(scalar.Value), scalar) : JsonValue.Create(scalar.Value);

        return scalar.Tag.Value switch
        {
            TagPrefix + "null" => Resolve(scalar.Value) is { IsNull: true } ? null : throw Mismatch(scalar, "null"),
            TagPrefix + "bool" => Resolve(scalar.Value).Node is JsonValue value && value.TryGetValue<bool>(out _) ? value : throw Mismatch(scalar, "bool"),
            TagPrefix + "int" => Resolve(scalar.Value).Node is JsonValue value && IsInteger(value) ? value : throw Mismatch(scalar, "int"),
            TagPrefix + "float" => OrFail(Resolve(scalar.Value), scalar) is JsonValue value && (IsInteger(value) || value.TryGetValue<double>(out _))
                ? value : throw Mismatch(scalar, "float"),
            TagPrefix + "binary" => Binary(scalar),
            _ => JsonValue.Create(scalar.Value), // strings, timestamps, and tags that mean nothing to Kubernetes
        };
    }

    /// <summary>Whether the text, unquoted, is a string.</summary>
    public static bool IsPlainString(string text) => Resolve(text).Node is JsonValue value && value.TryGetValue<string>(out _) && text != "<<";

    private readonly record struct Resolved(JsonNode? Node, bool IsNull = false, bool IsNotFinite = false);

    private static Resolved Resolve(string text) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => new Resolved(null, IsNull: true),
        "true" or "True" or "TRUE" or "y" or "Y" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => new Resolved(true),
        "false" or "False" or "FALSE" or "n" or "N" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => new Resolved(false),
        ".nan" or ".NaN" or ".NAN" or ".inf" or ".Inf" or ".INF" or "+.inf" or "+.Inf" or "+.INF" or "-.inf" or "-.Inf" or "-.INF" =>
            new Resolved(null, IsNotFinite: true),
        _ => new Resolved(char.IsAsciiDigit(text[0]) || text[0] is '+' or '-' or '.' ? Number(text) ?? text : text),
    };

    private static JsonNode? Number(string text)
    {
        var plain = text.Replace("_", "", StringComparison.Ordinal);
        var negative = plain.StartsWith('-');
        var digits = plain.AsSpan(negative || plain.StartsWith('+') ? 1 : 0);
        if (TryParseInteger(digits, out var magnitude))
        {
            if (!negative)
                return magnitude <= long.MaxValue ? JsonValue.Create((long)magnitude) : JsonValue.Create(magnitude);
            if (magnitude <= 1UL << 63)
                return JsonValue.Create(unchecked(-(long)magnitude));
        }

        if (!Float().IsMatch(plain) || !double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || !double.IsFinite(number))
            return null;

        return Math.Abs(number) < 1e15 && number == Math.Truncate(number) ? JsonValue.Create((long)number) : JsonValue.Create(number);
    }

    /// <summary>0x, 0o, 0b, a leading 0 for octal, else decimal.</summary>
    private static bool TryParseInteger(ReadOnlySpan<char> digits, out ulong value)
    {
        var prefix = digits.Length > 1 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) : ' ';
        return prefix switch
        {
            'x' => ulong.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value),
            'b' => ulong.TryParse(digits[2..], NumberStyles.AllowBinarySpecifier, CultureInfo.InvariantCulture, out value),
            'o' => TryParseOctal(digits[2..], out value),
            ' ' => ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value),
            _ => TryParseOctal(digits[1..], out value),
        };
    }

    private static bool TryParseOctal(ReadOnlySpan<char> digits, out ulong value)
    {
        value = 0;
        foreach (var digit in digits)
        {
            if (digit is < '0' or > '7' || value >> 61 != 0)
                return false;
            value = (value << 3) | (uint)(digit - '0');
        }

        return digits.Length > 0;
    }

    private static JsonNode? OrFail(Resolved resolved, Scalar scalar) =>
        resolved.IsNotFinite ? throw new YamlException(scalar.Start, scalar.End, "JSON has no infinity and no NaN") : resolved.Node;

    private static JsonValue Binary(Scalar scalar)
    {
        try
        {
            return JsonValue.Create(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Convert.FromBase64String(scalar.Value)));
        }
        catch (Exception e) when (e is FormatException or DecoderFallbackException)
        {
            throw Mismatch(scalar, "binary"); // without the value and without the cause: it may be a secret
        }
    }

    private static bool IsInteger(JsonValue value) => value.TryGetValue<long>(out _) || value.TryGetValue<ulong>(out _);

    private static YamlException Mismatch(Scalar scalar, string tag) => new(scalar.Start, scalar.End, $"the value does not fit its tag !!{tag}");

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Float();
}
