using System.Buffers.Binary;
using System.Collections.Immutable;

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
    private readonly AllowedIpsTrie<uint, TOwner> _ipv4 = new();
    private readonly AllowedIpsTrie<UInt128, TOwner> _ipv6 = new();

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
    public TOwner? LookupIPv4(uint address) => _ipv4.Lookup(address);

    /// <summary>Owner of the longest prefix that contains an IPv6 address, or null.</summary>
    public TOwner? LookupIPv6(UInt128 address) => _ipv6.Lookup(address);

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
    public TOwner? Insert(Prefix prefix, TOwner owner)
    {
        lock (_writing)
        {
            return prefix.IsIPv6
                ? _ipv6.Insert(prefix.Address, prefix.Length, owner)
                : _ipv4.Insert((uint)prefix.Address, prefix.Length, owner);
        }
    }

    /// <summary>Takes a prefix from its owner.</summary>
    /// <returns>False, and nothing happens, if <paramref name="owner"/> does not have exactly this prefix.</returns>
    public bool Remove(Prefix prefix, TOwner owner)
    {
        lock (_writing)
        {
            return prefix.IsIPv6
                ? _ipv6.Remove(prefix.Address, prefix.Length, owner)
                : _ipv4.Remove((uint)prefix.Address, prefix.Length, owner);
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
        var prefixes = new List<Prefix>();
        lock (_writing)
        {
            _ipv4.List(owner, IPv4Prefix, prefixes);
            _ipv6.List(owner, IPv6Prefix, prefixes);
        }

        prefixes.Sort(static (a, b) => (a.IsIPv6, a.Address, a.Length).CompareTo((b.IsIPv6, b.Address, b.Length)));
        return [.. prefixes];
    }

    /// <summary>All prefixes with their owners at one moment, ordered as <see cref="List"/> does.</summary>
    public IReadOnlyList<(Prefix Prefix, TOwner Owner)> Enumerate()
    {
        var prefixes = new List<(Prefix Prefix, TOwner Owner)>();
        lock (_writing)
        {
            _ipv4.List(IPv4Prefix, prefixes);
            _ipv6.List(IPv6Prefix, prefixes);
        }

        return prefixes;
    }

    /// <summary>Number of nodes in memory beside the two roots, for tests of compression.</summary>
    internal int CountNodes()
    {
        lock (_writing)
        {
            return _ipv4.CountNodes() + _ipv6.CountNodes();
        }
    }

    private TOwner? Lookup(ReadOnlySpan<byte> packet, int ipv4Offset, int ipv6Offset) => packet.IsEmpty ? null : (packet[0] >> 4) switch
    {
        4 when packet.Length >= IpPacket.IPv4HeaderLength => LookupIPv4(BinaryPrimitives.ReadUInt32BigEndian(packet[ipv4Offset..])),
        6 when packet.Length >= IpPacket.IPv6HeaderLength => LookupIPv6(BinaryPrimitives.ReadUInt128BigEndian(packet[ipv6Offset..])),
        _ => null,
    };

    private static Prefix IPv4Prefix(uint address, int length) => Prefix.Create(address, length, false);

    private static Prefix IPv6Prefix(UInt128 address, int length) => Prefix.Create(address, length, true);
}
