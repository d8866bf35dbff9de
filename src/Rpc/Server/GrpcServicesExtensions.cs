using Grpc.AspNetCore.Server;
using Microsoft.Extensions.DependencyInjection.Extensions;
using WgMesh.Rpc.Server;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds what gRPC services need.</summary>
public static class GrpcServicesExtensions
{
    /// <summary>Adds what gRPC services need.</summary>
    /// <param name="services">The services of the host.</param>
    public static void AddGrpc(this IServiceCollection services) => services.AddGrpc(_ => { });

    /// <summary>Adds what gRPC services need.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configureOptions">Sets what holds for all services.</param>
    public static void AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions> configureOptions)
    {
        services.AddRouting();
        services.AddOptions();
        services.Configure(configureOptions);
        services.TryAddSingleton<MappedServices>();
    }
}
