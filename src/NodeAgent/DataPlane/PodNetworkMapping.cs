using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>What the pod network of the node is to be, of what was asked for. Pure.</summary>
internal static class PodNetworkMapping
{
    /// <summary>Maps.</summary>
    /// <param name="desired">What was asked for.</param>
    /// <param name="name">The interface.</param>
    /// <param name="mtu">Of the interface, in bytes.</param>
    internal static PodNetworkState From(DesiredState desired, string name, int mtu) => new(
        desired.Config.PodCidrs,
        // what lies outside the mesh's own prefixes is the mesh's too, behind external peers
        [.. desired.Config.MeshCidrs.Concat(desired.Routes).Concat(desired.Config.PodCidrs).Distinct()],
        desired.Config.ServiceCidrs,
        desired.Config.Addresses,
        name,
        mtu);
}
