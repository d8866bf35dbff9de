using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
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

/// <summary>
/// Prefixes with an owner each; they may overlap by length. Adding and looking up take as long as there are different lengths, of which there
/// are few, however many prefixes there are.
/// </summary>
internal sealed class PrefixTable<T>
{
    private readonly Dictionary<Prefix, T> _owners = [];
    private readonly Family _ipv4 = new(32), _ipv6 = new(128);

    /// <summary>Adds a prefix unless exactly it is there already.</summary>
    public bool TryAdd(Prefix prefix, T owner)
    {
        if (!_owners.TryAdd(prefix, owner))
            return false;

        FamilyOf(prefix).Add(prefix);
        return true;
    }

    /// <summary>A prefix that shares an address with this one: the narrowest that covers it, else the lowest within it.</summary>
    public bool TryFindOverlap(Prefix prefix, out Prefix found, [MaybeNullWhen(false)] out T owner) =>
        TryFindCover(prefix, out found, out owner) || TryFindWithin(prefix, out found, out owner);

    /// <summary>The narrowest prefix that contains this one (or is it).</summary>
    public bool TryFindCover(Prefix prefix, out Prefix found, [MaybeNullWhen(false)] out T owner)
    {
        var family = FamilyOf(prefix);
        for (int length = prefix.Length; length >= 0; length--)
        {
            if (!family.Has(length))
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
        owner = default;
        return FamilyOf(prefix).TryFindWithin(prefix, _owners.Keys, out found) && _owners.TryGetValue(found, out owner);
    }

    private Family FamilyOf(Prefix prefix) => prefix.IsIPv6 ? _ipv6 : _ipv4;

    private sealed class Family(int bits)
    {
        private readonly int[] _counts = new int[bits + 1]; // by length: a lookup tries only lengths that occur
        private readonly List<int> _looked = [];            // lengths that something was looked for within
        private readonly Dictionary<Prefix, Prefix>[] _lowest = new Dictionary<Prefix, Prefix>[bits + 1]; // within a prefix of such a length

        public bool Has(int length) => _counts[length] > 0;

        public void Add(Prefix prefix)
        {
            _counts[prefix.Length]++;
            foreach (var length in _looked)
                Note(prefix, length);
        }

        public bool TryFindWithin(Prefix prefix, IEnumerable<Prefix> all, out Prefix found)
        {
            if (!_counts.AsSpan(prefix.Length + 1).ContainsAnyExcept(0))
            {
                found = default;
                return false;
            }

            if (_lowest[prefix.Length] is not { } lowest)
            {
                lowest = _lowest[prefix.Length] = [];
                _looked.Add(prefix.Length);
                foreach (var other in all)
                {
                    if (other.IsIPv6 == prefix.IsIPv6)
                        Note(other, prefix.Length);
                }
            }

            return lowest.TryGetValue(prefix, out found);
        }

        private void Note(Prefix prefix, int length)
        {
            if (prefix.Length <= length)
                return;

            ref var lowest = ref CollectionsMarshal.GetValueRefOrAddDefault(
                _lowest[length], Prefix.Create(prefix.Address, length, prefix.IsIPv6), out var exists);
            if (!exists || PrefixOrder.Instance.Compare(prefix, lowest) < 0)
                lowest = prefix;
        }
    }
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
