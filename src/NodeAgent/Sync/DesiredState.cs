using System.Collections.Immutable;
using System.Net;
using WgMesh.Engine.Routing;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// What device and host are to be: a checked configuration with its names resolved, less what would lock the control plane out.
/// Pure: the same input gives the same state.
/// </summary>
internal sealed record DesiredState
{
    internal required CheckedConfig Config { get; init; }

    /// <summary>The peers with the allowed IPs they really get.</summary>
    internal required ImmutableArray<DesiredPeer> Peers { get; init; }

    /// <summary>Prefixes that lead into the TUN.</summary>
    internal required ImmutableArray<Prefix> Routes { get; init; }

    /// <summary>Prefixes of which nothing leaves the host but through the TUN.</summary>
    internal required ImmutableArray<Prefix> Blackholes { get; init; }

    /// <summary>Whether some of the mesh's prefixes could not be closed: what is for them may leave the host in the clear.</summary>
    internal required bool IsPartlyOpen { get; init; }

    /// <summary>What of the configuration was left out and why, one sentence each.</summary>
    internal required ImmutableArray<string> Errors { get; init; }

    /// <summary>Resolves and guards.</summary>
    /// <param name="config">Holds in every field.</param>
    /// <param name="addressesOf">The addresses of a name, the one to use first; empty while none is known.</param>
    /// <param name="operatorHosts">Names and addresses at which operators are reached.</param>
    internal static DesiredState From(
        CheckedConfig config, Func<string, ImmutableArray<IPAddress>> addressesOf, IEnumerable<string> operatorHosts)
    {
        var errors = ImmutableArray.CreateBuilder<string>();
        var guard = new LockoutGuard(config, addressesOf, operatorHosts);
        ImmutableArray<DesiredPeer> peers =
        [
            .. config.Peers.Select(peer => new DesiredPeer(
                peer, Endpoint(peer), [.. peer.AllowedIps.Where(prefix => Keep(guard.WhyNotRouted(peer, prefix)))])),
        ];
        ImmutableArray<Prefix> routes = [.. peers.SelectMany(p => p.AllowedIps).Distinct()];
        ImmutableArray<Prefix> mesh = config.Closed ? [.. config.MeshCidrs.Where(prefix => Keep(guard.WhyNotBlackholed(prefix)))] : [];
        return new DesiredState
        {
            Config = config,
            Peers = peers,
            Routes = routes,
            // and what lies outside the mesh's own prefixes, behind external peers: its routes go with the TUN as well
            Blackholes = config.Closed ? [.. mesh, .. routes.Where(route => !mesh.Any(prefix => prefix.Length <= route.Length && prefix.Overlaps(route)))] : [],
            IsPartlyOpen = config.Closed && mesh.Length < config.MeshCidrs.Length,
            Errors = errors.ToImmutable(),
        };

        bool Keep(string? error)
        {
            if (error is not null)
            {
                errors.Add(error);
            }

            return error is null;
        }

        Endpoint? Endpoint(CheckedPeer peer)
        {
            if (peer.Endpoint is not { } wanted)
            {
                return null;
            }

            var addresses = wanted.Address is { } address ? [address] : addressesOf(wanted.Host);
            return !addresses.IsEmpty && Keep(guard.WhyNotReached(peer, addresses[0]))
                ? Engine.Endpoint.From(new IPEndPoint(addresses[0], wanted.Port))
                : null;
        }
    }
}

/// <summary>A peer as the device is to have it.</summary>
/// <param name="Config">What was asked for.</param>
/// <param name="Endpoint">Null: none is set, and one that the device knows stays.</param>
/// <param name="AllowedIps">In the order of the configuration.</param>
internal sealed record DesiredPeer(CheckedPeer Config, Endpoint? Endpoint, ImmutableArray<Prefix> AllowedIps);
