using Microsoft.AspNetCore.Http;
using WgMesh.Rpc.Server;

namespace Grpc.Core;

/// <summary>What a call has beyond gRPC.</summary>
public static class ServerCallContextExtensions
{
    /// <summary>The HTTP request that carries a call: its connection, user, and client certificate.</summary>
    /// <param name="serverCallContext">The call.</param>
    /// <returns>The request.</returns>
    /// <exception cref="InvalidOperationException">The call is not one of this server.</exception>
    public static HttpContext GetHttpContext(this ServerCallContext serverCallContext) => serverCallContext is ServerCall call
        ? call.HttpContext
        : throw new InvalidOperationException("This call is not carried by an HTTP request.");
}
