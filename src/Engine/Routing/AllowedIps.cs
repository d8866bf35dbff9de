using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WgMesh.Engine.Routing;

/// <summary>
/// The cryptokey routing table (WireGuard paper, section 2.1): which peer may send from, and is sent to for, which addresses. A prefix
/// has one owner; of overlapping prefixes the longest decides.
/// </summary>
/// <remarks>
/// Look-ups take no lock and run beside a change: they see a prefix's old or new owner, never none while it moves. Changes wait for
/// each other.
/// </remarks>
/// <typeparam name="TOwner">What prefixes belong to, compared by reference.</typeparam>
internal sealed class AllowedIps<TOwner>
    where TOwner : class
{
    private readonly Lock _writing = new();
    private readonly AllowedIpsTrie<IPv4Bits> _ipv4 = new();
    private readonly AllowedIpsTrie<IPv6Bits> _ipv6 = new();

    /// <summary>Number of prefixes.</summary>
    public int Count
    {
        get
        {
            lock (_writing)
            {
                return _ipv4.Count + _ipv6.Count;
            }
        }
    }

    /// <summary>Owner of the longest prefix that contains an IPv4 address, or null.</summary>
    public TOwner? LookupIPv4(uint address) => Owner(_ipv4.Lookup(new(address)));

    /// <summary>Owner of the longest prefix that contains an IPv6 address, or null.</summary>
    public TOwner? LookupIPv6(UInt128 address) => Owner(_ipv6.Lookup(IPv6Bits.From(address)));

    /// <summary>
    /// Owner of an IP packet's destination address; null if nobody's, or if this is no IPv4 or IPv6 packet with a whole header.
    /// </summary>
    public TOwner? LookupDestination(ReadOnlySpan<byte> ipPacket) => Lookup(ipPacket, 16, 24);

    /// <summary>
    /// Owner of an IP packet's source address; null if nobody's, or if this is no IPv4 or IPv6 packet with a whole header.
    /// </summary>
    public TOwner? LookupSource(ReadOnlySpan<byte> ipPacket) => Lookup(ipPacket, 12, 8);

    /// <summary>Gives a prefix to an owner, whoever had it before.</summary>
    /// <returns>Who had it before, or null.</returns>
    /// <exception cref="InvalidOperationException">The prefix is a new one, and there are <see cref="AllowedIpsTrie{TBits}.Capacity"/> of its family; nothing has changed.</exception>
    public TOwner? Insert(Prefix prefix, TOwner owner)
    {
        lock (_writing)
        {
            return prefix.IsIPv6
                ? Owner(_ipv6.Insert(IPv6Bits.From(prefix.Address), prefix.Length, owner))
                : Owner(_ipv4.Insert(IPv4Bits.From(prefix.Address), prefix.Length, owner));
        }
    }

    /// <summary>Takes a prefix from its owner.</summary>
    /// <returns>False, and nothing happens, if <paramref name="owner"/> does not have exactly this prefix.</returns>
    public bool Remove(Prefix prefix, TOwner owner)
    {
        lock (_writing)
        {
            return prefix.IsIPv6
                ? _ipv6.Remove(IPv6Bits.From(prefix.Address), prefix.Length, owner)
                : _ipv4.Remove(IPv4Bits.From(prefix.Address), prefix.Length, owner);
        }
    }

    /// <summary>Takes all prefixes from an owner, in time proportional to their number.</summary>
    /// <returns>How many there were.</returns>
    public int RemoveOwner(TOwner owner)
    {
        lock (_writing)
        {
            return _ipv4.RemoveOwner(owner) + _ipv6.RemoveOwner(owner);
        }
    }

    /// <summary>An owner's prefixes, IPv4 first, in address order, a shorter one before longer ones with the same address.</summary>
    public ImmutableArray<Prefix> List(TOwner owner)
    {
        Prefix[] prefixes;
        lock (_writing)
        {
            prefixes = [.. _ipv4.List(owner), .. _ipv6.List(owner)];
        }

        Array.Sort(prefixes, InOrder);
        return ImmutableCollectionsMarshal.AsImmutableArray(prefixes);
    }

    /// <summary>All prefixes with their owners at one moment, ordered as <see cref="List"/> does.</summary>
    public IReadOnlyList<(Prefix Prefix, TOwner Owner)> Enumerate()
    {
        (Prefix Prefix, TOwner Owner)[] prefixes;
        lock (_writing)
        {
            prefixes = [.. _ipv4.List().Concat(_ipv6.List()).Select(entry => (entry.Prefix, Owner(entry.Owner)!))];
        }

        Array.Sort(prefixes, static (a, b) => InOrder(a.Prefix, b.Prefix));
        return prefixes;
    }

    /// <summary>Number of nodes in memory, for tests of compression.</summary>
    internal int CountNodes()
    {
        lock (_writing)
        {
            return _ipv4.CountNodes() + _ipv6.CountNodes();
        }
    }

    private TOwner? Lookup(ReadOnlySpan<byte> packet, int ipv4Offset, int ipv6Offset)
    {
        if (packet.Length >= IpPacket.IPv4HeaderLength && packet[0] >> 4 == 4)
        {
            return Owner(_ipv4.Lookup(new IPv4Bits(BinaryPrimitives.ReadUInt32BigEndian(packet[ipv4Offset..]))));
        }

        if (packet.Length >= IpPacket.IPv6HeaderLength && packet[0] >> 4 == 6)
        {
            var address = packet.Slice(ipv6Offset, 16);
            return Owner(_ipv6.Lookup(new IPv6Bits(BinaryPrimitives.ReadUInt64BigEndian(address), BinaryPrimitives.ReadUInt64BigEndian(address[8..]))));
        }

        return null;
    }

    // All owners came as TOwner; the tries do not know the type, since code that does not depend on one is quicker, and so is this than a cast.
    private static TOwner? Owner(object? owner) => Unsafe.As<TOwner?>(owner);

    private static int InOrder(Prefix a, Prefix b) => (a.IsIPv6, a.Address, a.Length).CompareTo((b.IsIPv6, b.Address, b.Length));
}
