using System.Collections.Immutable;
using WgMesh.Engine.Routing;

namespace WgMesh.Operator.Planning;

/// <summary>
/// Gives addresses from the pools, the lowest free one first, never one that is in use or lies in <paramref name="reserved"/>.
/// What was given before is told to it first (<see cref="TryKeep"/>), so that nothing ever renumbers.
/// </summary>
/// <param name="pools">In the order they are used up.</param>
/// <param name="reserved">Prefixes that no address is taken from.</param>
internal sealed class AddressAllocator(ImmutableArray<Prefix> pools, PrefixTable<Holder> reserved)
{
    private readonly HashSet<Prefix> _used = [];
    private readonly Dictionary<(int Pool, PrefixTable<Member>? Claims), UInt128> _next = [];

    private readonly bool _serves4 = pools.Any(pool => !pool.IsIPv6), _serves6 = pools.Any(pool => pool.IsIPv6);

    /// <summary>Whether there is a pool of this family, and none of these addresses is of it.</summary>
    public bool IsMissing(bool isIPv6, IReadOnlyList<Prefix> addresses)
    {
        if (!(isIPv6 ? _serves6 : _serves4))
            return false;

        for (var i = 0; i < addresses.Count; i++)
        {
            if (addresses[i].IsIPv6 == isIPv6)
                return false;
        }

        return true;
    }

    /// <summary>Whether the address lies in a pool: if not, it was given when the pools were others.</summary>
    public bool IsInPool(Prefix address)
    {
        foreach (var pool in pools)
        {
            if (pool.Overlaps(address))
                return true;
        }

        return false;
    }

    /// <summary>Marks an address as in use; false if it is already.</summary>
    public bool TryKeep(Prefix address) => _used.Add(address);

    /// <summary>The lowest free address outside of <paramref name="claims"/>, as a full-length prefix; null if none is left.</summary>
    public Prefix? Give(bool isIPv6, PrefixTable<Member>? claims)
    {
        for (var i = 0; i < pools.Length; i++)
        {
            if (pools[i].IsIPv6 == isIPv6 && FindFree(i, claims) is { } address)
            {
                _used.Add(address);
                return address;
            }
        }

        return null;
    }

    private Prefix? FindFree(int index, PrefixTable<Member>? claims)
    {
        var pool = pools[index];
        var (first, last) = Usable(pool);

        // nothing is ever given back, so the search goes on where it ended: n addresses cost n steps, not n²
        var address = _next.GetValueOrDefault((index, claims), first);
        while (address <= last)
        {
            var host = Prefixes.Host(address, pool.IsIPv6);
            if (!_used.Contains(host))
            {
                if (!reserved.TryFindCover(host, out var cover, out _) && claims?.TryFindCover(host, out cover, out _) is not true)
                {
                    _next[(index, claims)] = address;
                    return host;
                }

                address = cover.LastAddress();
            }

            if (address == UInt128.MaxValue)
                break;

            address++;
        }

        _next[(index, claims)] = address;
        return null;
    }

    /// <summary>
    /// All but an IPv4 pool's network and broadcast address and an IPv6 pool's subnet-router anycast address (RFC 4291, 2.6.1);
    /// prefixes of one or two addresses are used whole (RFC 3021, RFC 6164).
    /// </summary>
    private static (UInt128 First, UInt128 Last) Usable(Prefix pool) =>
        pool.Bits - pool.Length < 2 ? (pool.Address, pool.LastAddress())
        : pool.IsIPv6 ? (pool.Address + 1, pool.LastAddress())
        : (pool.Address + 1, pool.LastAddress() - 1);
}
