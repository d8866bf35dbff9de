using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using WgMesh.Rpc;

namespace WgMesh.Operator.Distribution;

/// <summary>What a replica trusts and what it proves itself with to another.</summary>
/// <param name="authorities">The authorities that replicas' certificates come from; asked for every connection, since they rotate.</param>
/// <param name="token">This replica's token; asked for every call, since it rotates.</param>
internal sealed class ReplicaCredentials(Func<X509Certificate2Collection> authorities, Func<string> token)
{
    // as for tools: a large mesh has thousands of peers, and the links of some of them may be asked for
    private const int LargestStatus = 256 << 20;

    /// <summary>A channel to another replica, with a connection of its own.</summary>
    public GrpcChannel Connect(Uri address) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = ChannelHandler.Create(authorities()),
        DisposeHttpClient = true,
        MaxReceiveMessageSize = LargestStatus,
    });

    /// <summary>The token, as a header.</summary>
    public Metadata Headers() => new() { { "authorization", $"Bearer {token()}" } };
}
