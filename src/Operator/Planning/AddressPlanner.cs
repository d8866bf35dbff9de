using System.Collections.Immutable;
using WgMesh.Engine.Routing;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Planning;

/// <summary>
/// Who gets which address: pure, and the same for the same state in whatever order its parts come. Plans use what is stored alone;
/// whoever stores asks here what is missing, so that nothing is told to agents before it is kept.
/// <list type="number">
/// <item>An address once given stays, whatever becomes of the pools, until its owner is gone. If two have it, it is the node's, else
/// the older one's.</item>
/// <item>Nodes come first, then external peers that declare no allowed IPs; the older of them first.</item>
/// <item>Each gets the lowest free address of each family that the pools have, clear of the cluster's prefixes and of what people
/// wrote into peers; a node takes the latter if there is nothing else.</item>
/// </list>
/// </summary>
internal static class AddressPlanner
{
    /// <summary>What is stored and what is missing, of all that still exist; the stored book itself if it is just that.</summary>
    public static AddressBook Give(ClusterState cluster)
    {
        if (IsComplete(cluster))
            return cluster.Addresses;

        var membership = Membership.Of(cluster);
        Give(membership);
        var stored = cluster.Addresses;
        var (nodes, peers) = (Updated(stored.Nodes, membership.Nodes, member => member.Node!.Name),
            Updated(stored.Peers, membership.External, member => member.Name));
        return ReferenceEquals(nodes, stored.Nodes) && ReferenceEquals(peers, stored.Peers) ? stored : new AddressBook(nodes, peers);
    }

    private static void Give(Membership membership)
    {
        // a node stays clear of what people wrote into peers, as long as there is room elsewhere
        var allocator = membership.Allocator;
        var declared = new PrefixTable<Member>();
        foreach (var member in membership.External.Where(member => !member.IsRefused))
        {
            foreach (var prefix in member.Peer!.AllowedIps)
                declared.TryAdd(prefix, member);
        }

        foreach (var member in membership.Nodes)
            GiveMissing(member, allocator, isIPv6 => allocator.Give(isIPv6, declared) ?? allocator.Give(isIPv6, null));

        membership.ReserveNodeAddresses();
        membership.CheckClaims();
        var claims = new PrefixTable<Member>();
        foreach (var member in membership.All)
        {
            foreach (var prefix in member.Claims)
                claims.TryAdd(prefix, member);
        }

        foreach (var member in membership.External.Where(member => member.WantsAddresses))
            GiveMissing(member, allocator, isIPv6 => allocator.Give(isIPv6, claims));
    }

    private static void GiveMissing(Member member, AddressAllocator allocator, Func<bool, Prefix?> give)
    {
        foreach (var isIPv6 in (ReadOnlySpan<bool>)[false, true])
        {
            if (allocator.IsMissing(isIPv6, member.Addresses) && give(isIPv6) is { } address)
                member.Addresses.Add(address);
        }
    }

    /// <summary>Whether all have what they may get. Nearly always they do, and finding that out costs little.</summary>
    private static bool IsComplete(ClusterState cluster)
    {
        var (book, found) = (cluster.Addresses, 0);
        var seen = new HashSet<Prefix>(2 * (book.Nodes.Count + book.Peers.Count));
        var allocator = new AddressAllocator(cluster.Mesh.AddressPools, new PrefixTable<Holder>());

        return cluster.Nodes.All(node => Has(book.Nodes, node.Name, wants: true))
            && cluster.Peers.All(peer => Has(book.Peers, peer.Name, peer.NodeName is null && peer.AllowedIps.IsEmpty))
            && cluster.Unusable.All(peer => Has(book.Peers, peer.Name, wants: false))
            && found == book.Nodes.Count + book.Peers.Count
            // what pins a node's key has its node's addresses
            && !cluster.Peers.Any(peer => peer.NodeName is not null && book.Peers.ContainsKey(peer.Name));

        bool Has(ImmutableSortedDictionary<string, ImmutableArray<Prefix>> addresses, string name, bool wants)
        {
            if (addresses.TryGetValue(name, out var own))
                found++;
            else
                own = [];

            return own.All(seen.Add) && !(wants && (allocator.IsMissing(false, own) || allocator.IsMissing(true, own)));
        }
    }

    private static ImmutableSortedDictionary<string, ImmutableArray<Prefix>> Updated(
        ImmutableSortedDictionary<string, ImmutableArray<Prefix>> stored, List<Member> members, Func<Member, string> name)
    {
        var addressed = members.Where(member => member.Addresses.Count > 0).Select(name).ToHashSet(StringComparer.Ordinal);
        var book = stored.ToBuilder();
        book.RemoveRange(stored.Keys.Where(key => !addressed.Contains(key)));
        foreach (var member in members.Where(member => member.Addresses.Count > 0))
        {
            if (!stored.TryGetValue(name(member), out var before) || !before.SequenceEqual(member.Addresses))
                book[name(member)] = [.. member.Addresses];
        }

        return book.ToImmutable();
    }
}
