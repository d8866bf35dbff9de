using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>
/// What a string, or every string of a list, must look like: as a pattern or format for the API server and as a check that explains.
/// The check is the stricter of the two, so that what is accepted here is accepted there.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal abstract class TextRuleAttribute(string? pattern, int maxLength, int minLength = 1) : Attribute
{
    /// <summary>In the common ground of RE2 (the API server) and .NET; anchored.</summary>
    public string? Pattern { get; } = pattern;

    /// <summary>In place of a pattern, one of the formats that every API server knows: its message is a word and not the pattern.</summary>
    public string? Format { get; protected init; }

    public int MaxLength { get; } = maxLength;

    public int MinLength { get; } = minLength;

    /// <summary>What is wrong and what would be right, as the end of a sentence; null if the text holds.</summary>
    public abstract string? Problem(string text);
}

/// <summary>A WireGuard public key in base64.</summary>
internal sealed class PublicKeyTextAttribute() : TextRuleAttribute(
    "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$", maxLength: Characters, minLength: Characters)
{
    private const int Characters = 44;
    private const string Right = "a WireGuard public key is 32 bytes (44 characters), as `wg pubkey` prints it";

    // The text itself is not repeated: a private key put here by mistake looks the same.
    public override string? Problem(string text)
    {
        if (PublicKey.TryParseBase64(text, out var key) && key.ToString() == text)
            return key == default ? "is all zeros, which nobody holds the private key of; use the key that `wg pubkey` prints" : null;

        if (text.AsSpan().ContainsAny(" \t\r\n"))
            return $"contains white space; {Right}";

        return Base64.IsValid(text, out var bytes) ? $"is {bytes} bytes in base64, {Right}" : $"is not base64; {Right}";
    }
}

/// <summary>An IPv4 or IPv6 prefix without host bits.</summary>
internal sealed partial class CidrTextAttribute : TextRuleAttribute
{
    private const string Octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string V4 = $@"({Octet}\.){{3}}{Octet}";

    public CidrTextAttribute()
        : base(pattern: null, maxLength: 49) => Format = "cidr";

    public override string? Problem(string text)
    {
        if (!text.Contains('/', StringComparison.Ordinal))
        {
            return Prefix.TryParse(text, out var alone) && IsPlain(text)
                ? $"{MessageText.Quote(text)} has no prefix length; did you mean {alone}?"
                : $"{MessageText.Quote(text)} is not a CIDR, which is an address, a slash and a prefix length, such as 10.1.2.0/24 or fd00:1::/64";
        }

        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var (addressText, lengthText) = (text[..slash], text[(slash + 1)..]);
        if (!IsPlain(addressText) || !IPAddress.TryParse(addressText, out var address))
            return $"{MessageText.Quote(text)} is not a CIDR: {MessageText.Quote(addressText)} is neither an IPv4 nor an IPv6 address";

        var bits = address.AddressFamily == AddressFamily.InterNetworkV6 ? 128 : 32;
        if (!LengthText().IsMatch(lengthText) || int.Parse(lengthText, CultureInfo.InvariantCulture) is var length && length > bits)
            return $"{MessageText.Quote(text)} is not a CIDR: the prefix length of an {(bits == 32 ? "IPv4" : "IPv6")} address is a number from 0 to {bits}";

        if (address.IsIPv4MappedToIPv6)
            return $"{text} is an IPv4 address written as IPv6; write it as IPv4, such as {address.MapToIPv4()}/32";

        var prefix = Prefix.Create(address, length);
        return prefix.Address == Prefix.Create(address, bits).Address
            ? null
            : $"{text} has host bits; did you mean {prefix} or {Prefix.Create(address, bits)}?";
    }

    /// <summary>Four decimal numbers, or IPv6 without a zone: IPAddress alone would also take "10.1", "010.1.2.3" and "fe80::1%2".</summary>
    internal static bool IsPlain(string address) =>
        address.Contains(':', StringComparison.Ordinal)
            ? address.AsSpan().ContainsAnyExcept("0123456789abcdefABCDEF:.") is false
            : V4Text().IsMatch(address);

    [GeneratedRegex($"^{V4}\\z", RegexOptions.ExplicitCapture)]
    private static partial Regex V4Text();

    [GeneratedRegex("^(0|[1-9][0-9]{0,2})\\z")]
    private static partial Regex LengthText();
}

/// <summary>A DNS name or an address.</summary>
internal sealed partial class HostTextAttribute() : TextRuleAttribute(
    $@"^({Label}(\.{Label})*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$", maxLength: 253)
{
    private const string Label = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?";
    private const string Right = "a host is a DNS name, an IPv4 address or an IPv6 address";

    public override string? Problem(string text)
    {
        if (text.StartsWith('[') && text.EndsWith(']') && IsIPv6(text[1..^1]))
            return $"{MessageText.Quote(text)} is in brackets; write {text[1..^1]}";

        if (text.Contains(':', StringComparison.Ordinal))
        {
            if (IsIPv6(text))
                return null;

            return WithPort().IsMatch(text)
                ? $"{MessageText.Quote(text)} contains a port; the port goes into the field beside it"
                : $"{MessageText.Quote(text)} is not an IPv6 address; {Right}";
        }

        if (Numeric().IsMatch(text) || IPAddress.TryParse(text, out _)) // "0x7f" too: whoever parses addresses first would take it for one
            return CidrTextAttribute.IsPlain(text) ? null : $"{MessageText.Quote(text)} is not an IPv4 address, which is four numbers from 0 to 255 without leading zeros";

        return text.Length > MaxLength
            ? $"has {text.Length} characters; a DNS name has at most {MaxLength}"
            : Name().IsMatch(text) ? null : $"{MessageText.Quote(text)} is not a host name; {Right}";
    }

    private static bool IsIPv6(string text) =>
        text.Contains(':', StringComparison.Ordinal) && CidrTextAttribute.IsPlain(text) && IPAddress.TryParse(text, out _);

    [GeneratedRegex(@"^(.+\.)?[0-9]+\z")] // a last label of digits is never a name (RFC 1123, 2.1)
    private static partial Regex Numeric();

    [GeneratedRegex(@"^([^:\[\]]+|\[[^\[\]]+\]):[0-9]+\z")]
    private static partial Regex WithPort();

    [GeneratedRegex($@"^{Label}(\.{Label})*\z")]
    private static partial Regex Name();
}

/// <summary>The name of an object: a DNS-1123 subdomain.</summary>
internal sealed partial class ObjectNameTextAttribute() : TextRuleAttribute($@"^{Label}(\.{Label})*$", maxLength: 253)
{
    internal const string Label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

    public override string? Problem(string text)
    {
        if (text.Length > MaxLength)
            return $"has {text.Length} characters; a name has at most {MaxLength}";

        if (Whole().IsMatch(text))
            return null;

        var quoted = MessageText.Quote(text);
        var nearest = quoted.StartsWith('"') ? Suggest(text) : "";
        return $"{quoted} is not a name: lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends of every part"
            + (nearest.Length > 0 ? $"; did you mean \"{nearest}\"?" : "");
    }

    private static string Suggest(string text)
    {
        var name = new StringBuilder();
        foreach (var part in text.ToLowerInvariant().Split('.'))
        {
            var label = Foreign().Replace(part, "-").Trim('-');
            if (label.Length > 0)
                name.Append(name.Length > 0 ? "." : "").Append(label);
        }

        return name.ToString();
    }

    [GeneratedRegex($@"^{Label}(\.{Label})*\z")]
    private static partial Regex Whole();

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex Foreign();
}

/// <summary>The name of a namespace: a DNS-1123 label.</summary>
internal sealed partial class NamespaceTextAttribute() : TextRuleAttribute($"^{ObjectNameTextAttribute.Label}$", maxLength: 63)
{
    public override string? Problem(string text) =>
        text.Length <= MaxLength && Whole().IsMatch(text)
            ? null
            : $"{MessageText.Quote(text)} is not a namespace: at most {MaxLength} lower-case letters, digits and \"-\", with a letter or digit at both ends";

    [GeneratedRegex($@"^{ObjectNameTextAttribute.Label}\z")]
    private static partial Regex Whole();
}

/// <summary>A key within a Secret.</summary>
internal sealed partial class SecretKeyTextAttribute() : TextRuleAttribute("^[-._a-zA-Z0-9]+$", maxLength: 253)
{
    public override string? Problem(string text) =>
        text.Length <= MaxLength && Whole().IsMatch(text)
            ? null
            : $"{MessageText.Quote(text)} is not a key of a Secret: at most {MaxLength} letters, digits, \"-\", \"_\" and \".\"";

    [GeneratedRegex(@"^[-._a-zA-Z0-9]+\z")]
    private static partial Regex Whole();
}

/// <summary>The key of a label: a name, which a DNS subdomain and a slash may come before.</summary>
internal sealed partial class LabelKeyTextAttribute() : TextRuleAttribute($@"^({ObjectNameTextAttribute.Label}(\.{ObjectNameTextAttribute.Label})*/)?{Name}$", maxLength: 317)
{
    internal const string Name = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";

    public override string? Problem(string text) =>
        text.Length <= MaxLength && text.IndexOf('/', StringComparison.Ordinal) <= 253 && Whole().IsMatch(text)
            ? null
            : $"has the key {MessageText.Quote(text)}, which no label can have; a key is such as zone or topology.kubernetes.io/zone";

    [GeneratedRegex($@"^({ObjectNameTextAttribute.Label}(\.{ObjectNameTextAttribute.Label})*/)?{Name}\z")]
    private static partial Regex Whole();
}

/// <summary>The value of a label; it may be empty.</summary>
internal sealed partial class LabelValueTextAttribute() : TextRuleAttribute($"^({LabelKeyTextAttribute.Name})?$", maxLength: 63, minLength: 0)
{
    public override string? Problem(string text) =>
        Whole().IsMatch(text)
            ? null
            : $"{MessageText.Quote(text)} is not the value of a label: at most {MaxLength} letters, digits, \"-\", \"_\" and \".\", with a letter or digit at both ends";

    [GeneratedRegex($@"^({LabelKeyTextAttribute.Name})?\z")]
    private static partial Regex Whole();
}
