using System.Collections.Immutable;
using WgMesh.Engine.Routing;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Sets of prefixes. Pure.</summary>
internal static class Prefixes
{
    /// <summary>
    /// The fewest of the given prefixes that cover all of them, in their order: of two that share an address one holds the other.
    /// </summary>
    internal static ImmutableArray<Prefix> Outermost(IEnumerable<Prefix> prefixes)
    {
        ImmutableArray<Prefix> all = [.. prefixes.Distinct()];
        HashSet<Prefix> outermost = [];
        Prefix? last = null;
        foreach (var prefix in all.OrderBy(p => p.IsIPv6).ThenBy(p => p.Address).ThenBy(p => p.Length))
        {
            if (last?.Overlaps(prefix) != true)
            {
                outermost.Add(prefix);
                last = prefix;
            }
        }

        return [.. all.Where(outermost.Contains)];
    }
}
