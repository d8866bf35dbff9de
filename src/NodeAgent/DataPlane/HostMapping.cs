using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.Host;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>What the host's network is to be, of what was asked for. Pure.</summary>
internal static class HostMapping
{
    // what an Ethernet's 1500 bytes leave: where there is no way to any peer yet, nothing can be too large for it
    private const int DefaultUnderlayMtu = 1500;

    // RFC 8200, section 5
    private const int LeastMtu = 1280;

    /// <summary>Maps.</summary>
    /// <param name="desired">What was asked for.</param>
    /// <param name="name">The interface.</param>
    /// <param name="underlayMtu">Bytes that the network below carries; null: not known.</param>
    internal static HostState From(DesiredState desired, string name, int? underlayMtu) => new()
    {
        Interface = name,
        Addresses = desired.Config.Addresses,
        Mtu = desired.Config.Mtu ?? Math.Max((underlayMtu ?? DefaultUnderlayMtu) - UnderlayMtu.Overhead, LeastMtu),
        Routes = desired.Routes,
        Blackholes = desired.Blackholes,
        // what the host itself sends into the mesh comes from its mesh address, whatever address the way out has
        SourceIPv4 = Source(desired, isIPv6: false),
        SourceIPv6 = Source(desired, isIPv6: true),
    };

    private static Prefix? Source(DesiredState desired, bool isIPv6) =>
        desired.Config.Addresses.Where(a => a.IsIPv6 == isIPv6).Select(a => (Prefix?)a).FirstOrDefault();
}
