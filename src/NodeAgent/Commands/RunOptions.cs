using System.Collections.Immutable;
using System.Net;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Cni;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Commands;

/// <summary>What <c>wgmesh-agent run</c> was told; every value holds.</summary>
internal sealed record RunOptions
{
    internal required string Node { get; init; }

    /// <summary>At least one.</summary>
    internal required ImmutableArray<Uri> Operators { get; init; }

    internal required string CaFile { get; init; }

    internal required string TokenFile { get; init; }

    internal required string StateFolder { get; init; }

    internal required string Interface { get; init; }

    internal required IPEndPoint MetricsListen { get; init; }

    /// <summary>Null: none, and any may be asked for.</summary>
    internal string? Generation { get; init; }

    /// <summary>Peers with metric series of their own, at most.</summary>
    internal required int PeerSeries { get; init; }

    /// <summary>Best first; none: the operator takes the node's addresses.</summary>
    internal required ImmutableArray<Endpoint> AdvertisedEndpoints { get; init; }

    /// <summary>The run folder among them, which is there whoever connects the pods.</summary>
    internal required PodNetworkOptions Pods { get; init; }

    /// <summary>Lives as long as the agent's pod; null: there is none.</summary>
    internal string? PodFolder { get; init; }

    /// <summary>Not to be used, though the kernel has them.</summary>
    internal Offloads DisabledOffloads { get; init; }
}
