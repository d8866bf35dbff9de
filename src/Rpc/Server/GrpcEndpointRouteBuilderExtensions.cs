using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using WgMesh.Rpc.Server;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps gRPC services to paths.</summary>
public static class GrpcEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps every method of a service to its path, <c>/package.Service/Method</c>. With the first service, gRPC requests for paths that
    /// nothing else takes are answered with UNIMPLEMENTED.
    /// </summary>
    /// <typeparam name="TService">
    /// A class derived from the generated base. Taken from the services of the request, or made anew for each call if it is not among them.
    /// </typeparam>
    /// <param name="builder">The endpoints of the host.</param>
    /// <returns>For conventions, such as an authorization policy, on all these endpoints.</returns>
    /// <exception cref="InvalidOperationException"><c>AddGrpc</c> was not called, or the type is not a gRPC service.</exception>
    public static IEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder)
        where TService : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        var mapped = builder.ServiceProvider.GetService<MappedServices>()
            ?? throw new InvalidOperationException("gRPC is not among the services of the host: call services.AddGrpc() first.");
        var options = builder.ServiceProvider.GetRequiredService<IOptions<GrpcServiceOptions>>().Value;
        var logger = builder.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("Grpc.AspNetCore.Server");

        var group = builder.MapGroup("");
        new ServiceBinder<TService>(group, options, logger).Bind();
        if (mapped.TakeFirst())
            MapUnknown(builder, options, logger);
        return group;
    }

    // "Method not found at server": UNIMPLEMENTED (statuscodes.md). For gRPC requests only, so that a host may serve other things too.
    private static void MapUnknown(IEndpointRouteBuilder builder, GrpcServiceOptions options, ILogger logger)
    {
        var pattern = RoutePatternFactory.Parse(
            "{service}/{method}", defaults: null, parameterPolicies: new RouteValueDictionary { ["service"] = new GrpcRequestConstraint() });
        builder.Map(pattern, http => UnknownMethod.AnswerAsync(http, options, logger))
            .WithDisplayName("gRPC - unknown method")
            .WithMetadata(new HttpMethodMetadata(["POST"]))
            .Add(endpoint => ((RouteEndpointBuilder)endpoint).Order = int.MaxValue);
    }
}
