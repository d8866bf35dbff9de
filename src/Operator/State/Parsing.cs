using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using WgMesh.Engine.Routing;

namespace WgMesh.Operator.State;

/// <summary>From texts that passed validation to values.</summary>
internal static class Parsing
{
    public static ImmutableArray<Prefix> Prefixes(IEnumerable<string> texts) => [.. texts.Select(Prefix).Distinct()];

    /// <summary>Whether this is four decimal numbers, or IPv6 without brackets and zone: IPAddress alone also takes "10.1", "0x7f" and "fe80::1%2".</summary>
    public static bool IsPlainAddress(string text) => IPAddress.TryParse(text, out var address)
        && (address.AddressFamily == AddressFamily.InterNetwork
            ? address.ToString() == text
            : !text.AsSpan().ContainsAnyExcept("0123456789abcdefABCDEF:."));

    public static Prefix Prefix(string text) =>
        Engine.Routing.Prefix.TryParse(text, out var prefix) ? prefix : throw new FormatException($"\"{text}\" is not a CIDR.");
}
