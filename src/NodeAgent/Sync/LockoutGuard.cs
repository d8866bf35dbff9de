using System.Collections.Immutable;
using System.Net;
using WgMesh.Engine.Routing;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// Says which allowed IPs and endpoints may not be used because they would cut the node off: a route over the operator's or a
/// peer's address would send the tunnels' own datagrams into a tunnel, one over this node's pods would take them away.
/// </summary>
internal sealed class LockoutGuard
{
    private readonly CheckedConfig _config;
    private readonly (Prefix Prefix, string Node)[] _nodePrefixes;
    // sorted by address, so that a mesh of n nodes costs n log n and not n²
    private readonly Target[] _ipv4, _ipv6;

    /// <param name="config">Holds in every field.</param>
    /// <param name="addressesOf">The addresses of a name, the one to use first; empty while none is known.</param>
    /// <param name="operatorHosts">Names and addresses at which operators are reached.</param>
    internal LockoutGuard(CheckedConfig config, Func<string, ImmutableArray<IPAddress>> addressesOf, IEnumerable<string> operatorHosts)
    {
        _config = config;
        _nodePrefixes = [.. config.Peers.Where(p => p.IsNode).SelectMany(p => p.AllowedIps.Select(prefix => (prefix, p.Name)))];

        var operators = operatorHosts.SelectMany(AddressesOf).Select(a => new Target(Portless(a), null));
        var peers = config.Peers.Where(p => p.Endpoint is not null)
            .SelectMany(p => AddressesOf(p.Endpoint!.Value.Host).Take(1).Select(a => new Target(Portless(a), p)));
        var all = operators.Concat(peers).ToLookup(t => t.Host.IsIPv6);
        // the operator first: where a prefix covers both, it is the better reason
        _ipv4 = [.. all[false].OrderBy(t => t.Host.Address).ThenBy(t => t.Peer is not null)];
        _ipv6 = [.. all[true].OrderBy(t => t.Host.Address).ThenBy(t => t.Peer is not null)];

        IEnumerable<IPAddress> AddressesOf(string host) => IPAddress.TryParse(host, out var address) ? [address] : addressesOf(host);
    }

    /// <summary>Null: the peer may have the allowed IP.</summary>
    internal string? WhyNotRouted(CheckedPeer owner, Prefix prefix)
    {
        foreach (var own in _config.PodCidrs)
        {
            if (own.IsIPv6 == prefix.IsIPv6 && own.Length <= prefix.Length && own.Contains(prefix.Address))
            {
                return $"peer '{owner.Name}': allowed IP {prefix} was left out, since it lies in this node's own pod CIDR {own}.";
            }
        }

        if (_config.Addresses.Contains(prefix))
        {
            return $"peer '{owner.Name}': allowed IP {prefix} was left out, since it is this node's own address.";
        }

        foreach (var target in Covered(prefix))
        {
            if (target.Peer is null)
            {
                return $"peer '{owner.Name}': allowed IP {prefix} was left out, since it covers the operator at {target.Host.ToIPAddress()}.";
            }

            if (!YieldsTo(owner, target.Peer))
            {
                return $"peer '{owner.Name}': allowed IP {prefix} was left out, "
                    + $"since it covers the endpoint {target.Host.ToIPAddress()} of peer '{target.Peer.Name}'.";
            }
        }

        return null;
    }

    /// <summary>Null: datagrams for the peer may be sent to the address.</summary>
    internal string? WhyNotReached(CheckedPeer peer, IPAddress address)
    {
        var host = Portless(address);
        foreach (var (prefix, node) in _nodePrefixes)
        {
            if (!peer.IsNode && prefix.IsIPv6 == host.IsIPv6 && prefix.Contains(host.Address))
            {
                return $"peer '{peer.Name}': endpoint {address} was left out, since it lies in {prefix} of node '{node}'.";
            }
        }

        return null;
    }

    /// <summary>Null: what does not fit the tunnel may be dropped.</summary>
    internal string? WhyNotBlackholed(Prefix prefix)
    {
        foreach (var target in Covered(prefix))
        {
            if (target.Peer is null)
            {
                return $"settings.mesh_cidrs: {prefix} is not closed, since it covers the operator at {target.Host.ToIPAddress()}.";
            }

            if (target.Peer.IsNode)
            {
                return $"settings.mesh_cidrs: {prefix} is not closed, since it covers the endpoint {target.Host.ToIPAddress()} of node '{target.Peer.Name}'.";
            }
        }

        return null;
    }

    // whoever controls an external peer's DNS name must not be able to take a node's pods off the mesh with it
    private static bool YieldsTo(CheckedPeer owner, CheckedPeer covered) => owner.IsNode && !covered.IsNode;

    private IEnumerable<Target> Covered(Prefix prefix)
    {
        var sorted = prefix.IsIPv6 ? _ipv6 : _ipv4;
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = sorted[middle].Host.Address < prefix.Address ? (middle + 1, high) : (low, middle);
        }

        for (; low < sorted.Length && prefix.Contains(sorted[low].Host.Address); low++)
        {
            yield return sorted[low];
        }
    }

    private static Endpoint Portless(IPAddress address) => Endpoint.From(new IPEndPoint(address, 0));

    private readonly record struct Target(Endpoint Host, CheckedPeer? Peer);
}
