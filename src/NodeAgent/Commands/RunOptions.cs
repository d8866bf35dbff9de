using System.Collections.Immutable;
using System.Net;
using WgMesh.Engine.Device;
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

    /// <summary>Best first; none: the operator takes the node's addresses.</summary>
    internal required ImmutableArray<Endpoint> AdvertisedEndpoints { get; init; }

    /// <summary>Not to be used, though the kernel has them.</summary>
    internal Offloads DisabledOffloads { get; init; }
}
