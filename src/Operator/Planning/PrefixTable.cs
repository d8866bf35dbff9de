using System.Diagnostics.CodeAnalysis;
using WgMesh.Engine.Routing;

namespace WgMesh.Operator.Planning;

/// <summary>IPv4 first, then by address, then shorter prefixes first.</summary>
internal sealed class PrefixOrder : IComparer<Prefix>
{
    public static readonly PrefixOrder Instance = new();

    public int Compare(Prefix x, Prefix y) =>
        x.IsIPv6 != y.IsIPv6 ? x.IsIPv6.CompareTo(y.IsIPv6)
        : x.Address != y.Address ? x.Address.CompareTo(y.Address)
        : x.Length.CompareTo(y.Length);
}

/// <summary>Prefixes with an owner each; they may overlap by length. Adding and looking up take O(log n).</summary>
internal sealed class PrefixTable<T>
{
    private readonly Dictionary<Prefix, T> _owners = [];
    private readonly bool[] _lengths4 = new bool[33], _lengths6 = new bool[129]; // which lengths occur: a lookup tries only those

    // sorting costs more than all the rest, and is for lookups alone whose prefix is shorter than others
    private readonly List<Prefix> _unsorted = [];
    private SortedSet<Prefix>? _sorted;

    /// <summary>Adds a prefix unless exactly it is there already.</summary>
    public bool TryAdd(Prefix prefix, T owner)
    {
        if (!_owners.TryAdd(prefix, owner))
            return false;

        _unsorted.Add(prefix);
        LengthsOf(prefix)[prefix.Length] = true;
        return true;
    }

    /// <summary>The owner of exactly this prefix.</summary>
    public bool TryGetOwner(Prefix prefix, [MaybeNullWhen(false)] out T owner) => _owners.TryGetValue(prefix, out owner);

    /// <summary>A prefix that shares an address with this one: the narrowest that covers it, else the lowest within it.</summary>
    public bool TryFindOverlap(Prefix prefix, out Prefix found, [MaybeNullWhen(false)] out T owner) =>
        TryFindCover(prefix, out found, out owner) || TryFindWithin(prefix, out found, out owner);

    /// <summary>The narrowest prefix that contains this one (or is it).</summary>
    public bool TryFindCover(Prefix prefix, out Prefix found, [MaybeNullWhen(false)] out T owner)
    {
        var lengths = LengthsOf(prefix);
        for (int length = prefix.Length; length >= 0; length--)
        {
            if (!lengths[length])
                continue;

            found = Prefix.Create(prefix.Address, length, prefix.IsIPv6);
            if (_owners.TryGetValue(found, out owner))
                return true;
        }

        found = default;
        owner = default;
        return false;
    }

    private bool TryFindWithin(Prefix prefix, out Prefix found, [MaybeNullWhen(false)] out T owner)
    {
        if (LengthsOf(prefix).AsSpan(prefix.Length + 1).Contains(true))
        {
            var last = Prefix.Create(prefix.LastAddress(), prefix.Bits, prefix.IsIPv6);
            foreach (var within in Sorted().GetViewBetween(prefix, last))
            {
                found = within;
                owner = _owners[within];
                return true;
            }
        }

        found = default;
        owner = default;
        return false;
    }

    private SortedSet<Prefix> Sorted()
    {
        if (_sorted is null)
            _sorted = new SortedSet<Prefix>(_unsorted, PrefixOrder.Instance); // all at once is faster than one by one
        else
            _sorted.UnionWith(_unsorted);

        _unsorted.Clear();
        return _sorted;
    }

    private bool[] LengthsOf(Prefix prefix) => prefix.IsIPv6 ? _lengths6 : _lengths4;
}

/// <summary>Arithmetic on prefixes.</summary>
internal static class Prefixes
{
    /// <summary>The highest address within.</summary>
    public static UInt128 LastAddress(this Prefix prefix)
    {
        var hostBits = prefix.Bits - prefix.Length;
        return prefix.Address | (hostBits == 0 ? UInt128.Zero : UInt128.MaxValue >> (128 - hostBits));
    }

    /// <summary>The address as a prefix of full length.</summary>
    public static Prefix Host(UInt128 address, bool isIPv6) => Prefix.Create(address, isIPv6 ? 128 : 32, isIPv6);

    /// <summary>The fewest prefixes that cover the same addresses, in order.</summary>
    public static List<Prefix> Minimize(IEnumerable<Prefix> prefixes)
    {
        var minimal = new List<Prefix>();
        foreach (var prefix in prefixes.Order(PrefixOrder.Instance))
        {
            // in this order whatever covers a prefix comes before it
            if (minimal.Count > 0 && minimal[^1].Overlaps(prefix))
                continue;

            var next = prefix;
            while (minimal.Count > 0 && AreHalves(minimal[^1], next))
            {
                next = Prefix.Create(next.Address, next.Length - 1, next.IsIPv6);
                minimal.RemoveAt(minimal.Count - 1);
            }

            minimal.Add(next);
        }

        return minimal;
    }

    private static bool AreHalves(Prefix left, Prefix right) =>
        left.IsIPv6 == right.IsIPv6 && left.Length == right.Length && left.Length > 0 && left != right
        && Prefix.Create(left.Address, left.Length - 1, left.IsIPv6) == Prefix.Create(right.Address, right.Length - 1, right.IsIPv6);
}
