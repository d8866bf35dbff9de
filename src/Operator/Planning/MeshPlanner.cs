using WgMesh.Engine.Routing;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Planning;

/// <summary>
/// Makes the plan for a cluster: pure, and the same for the same state in whatever order its parts come.
/// <list type="number">
/// <item>A public key belongs to one peer: a node's before an external device's, else the older object's.</item>
/// <item>Service CIDRs, pod CIDRs, the nodes' addresses on the underlay and those in the mesh are never given to anyone else, not even in
/// part.</item>
/// <item>Otherwise the older object has a prefix that two ask for; those of different length may overlap: the most specific wins.</item>
/// <item>An address once given stays: <see cref="AddressPlanner"/>. Plans use those that are stored, and give none.</item>
/// <item>A device with gateways is a peer of the nodes that have its labels; the others reach it through one of them:
/// <see cref="GatewayAdmission"/>.</item>
/// <item>The protocol version of a link follows from its two ends: <see cref="LinkVersions"/>.</item>
/// <item>What is refused affects nobody else.</item>
/// </list>
/// </summary>
internal sealed class MeshPlanner
{
    private readonly ClusterState _cluster;
    private readonly Membership _membership;
    private readonly List<string> _conflicts;

    private MeshPlanner(ClusterState cluster)
    {
        _cluster = cluster;
        _membership = Membership.Of(cluster);
        _conflicts = _membership.Conflicts;
    }

    /// <summary>Makes the plan.</summary>
    /// <param name="earlier">The plan before: what stays as it is need not be made again. It has no influence on what the plan says.</param>
    public static MeshPlan Plan(ClusterState cluster, MeshPlan? earlier = null)
    {
        var planner = new MeshPlanner(cluster);
        planner._membership.ReserveNodeAddresses();
        planner._membership.CheckClaims();
        planner.TellMissingAddresses();
        planner.GrantClaims();
        GatewayAdmission.Choose(planner._membership, cluster.Gateways);
        return new PlanBuilder(cluster, planner._membership, earlier).Build();
    }

    /// <summary>Who has no address yet gets one soon, unless there is none: then it has to be told.</summary>
    private void TellMissingAddresses()
    {
        AddressBook? given = null;
        foreach (var member in _membership.All.Where(member => member.WantsAddresses))
        {
            foreach (var isIPv6 in (ReadOnlySpan<bool>)[false, true])
            {
                if (!_membership.Allocator.IsMissing(isIPv6, member.Addresses))
                    continue;

                given ??= AddressPlanner.Give(_cluster);
                var addresses = member.Node is { } node ? given.Nodes.GetValueOrDefault(node.Name, []) : given.Peers.GetValueOrDefault(member.Name, []);
                if (!_membership.Allocator.IsMissing(isIPv6, addresses))
                    continue;

                var pools = string.Join(" and ", _cluster.Mesh.AddressPools.Where(pool => pool.IsIPv6 == isIPv6));
                member.Lose(PeerReason.NoFreeAddress,
                    $"there is no free {(isIPv6 ? "IPv6" : "IPv4")} address left in {pools}: widen spec.addressPools of WireGuardMesh default");
            }
        }
    }

    private void GrantClaims()
    {
        var granted = new Dictionary<Prefix, Member>();
        foreach (var member in _membership.External)
        {
            foreach (var address in member.Addresses)
                granted.TryAdd(address, member);

            if (member.WantsAddresses)
                member.AllowedIps.AddRange(member.Addresses);
        }

        foreach (var member in _membership.All)
        {
            foreach (var prefix in member.Claims)
            {
                if (granted.TryAdd(prefix, member) || granted[prefix] == member)
                {
                    member.AllowedIps.Add(prefix);
                    continue;
                }

                var owner = granted[prefix];
                var why = owner.Addresses.Contains(prefix) ? "was given to"
                    : owner.Kind == member.Kind ? "belongs to the older"
                    : "belongs to";
                member.Lose(PeerReason.AllowedIPsConflict, $"allowed IP {prefix} {why} {owner.Title}");
                _conflicts.Add($"{member.Title} does not get allowed IP {prefix}: it {why} {owner.Title}.");
            }
        }
    }
}
