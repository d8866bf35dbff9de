using System.Collections.Immutable;
using WgMesh.Engine.Routing;

namespace WgMesh.Operator.Planning;

/// <summary>Prefixes and how they are written. Writing them is most of the work of a plan: done once, and not in every plan again.</summary>
internal sealed class PrefixTexts
{
    public static readonly PrefixTexts None = new([]);

    private PrefixTexts(ImmutableArray<Prefix> prefixes) => (Prefixes, Texts) = (prefixes, [.. prefixes.Select(prefix => prefix.ToString())]);

    public ImmutableArray<Prefix> Prefixes { get; }

    public ImmutableArray<string> Texts { get; }

    /// <summary>The same object as <paramref name="earlier"/> if that has the same prefixes.</summary>
    public static PrefixTexts Of(List<Prefix> prefixes, PrefixTexts? earlier) =>
        earlier is not null && earlier.Prefixes.AsSpan().SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(prefixes)) ? earlier
        : prefixes.Count == 0 ? None
        : new PrefixTexts([.. prefixes]);
}
