using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using WgMesh.Rpc.Protocol;

namespace WgMesh.Rpc.Server;

/// <summary>Answers calls of methods that do not exist.</summary>
internal static class UnknownMethod
{
    public static Task AnswerAsync(HttpContext http, GrpcServiceOptions options, ILogger logger) => ServerCall.RunAsync(
        http,
        options,
        logger,
        call => throw new RpcException(new Status(StatusCode.Unimplemented, $"The method '{call.Method}' is not served here.")));
}

/// <summary>Matches requests whose content type is gRPC's.</summary>
internal sealed class GrpcRequestConstraint : IRouteConstraint
{
    public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
        Headers.IsGrpcContentType(httpContext?.Request.ContentType);
}
