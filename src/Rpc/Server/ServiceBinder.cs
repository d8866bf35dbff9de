using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace WgMesh.Rpc.Server;

/// <summary>Maps each method of a service to an endpoint that calls it on an instance made for the call.</summary>
internal sealed class ServiceBinder<TService>(IEndpointRouteBuilder endpoints, GrpcServiceOptions options, ILogger logger) : ServiceBinderBase
    where TService : class
{
    private readonly ObjectFactory<TService> _factory = ActivatorUtilities.CreateFactory<TService>([]);

    /// <summary>Has the generated code hand over its methods.</summary>
    public void Bind()
    {
        for (var type = typeof(TService); type is not null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is not { } attribute)
                continue;

            var bind = attribute.BindType.GetMethod(
                attribute.BindMethodName, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static, [typeof(ServiceBinderBase), type])
                ?? throw new InvalidOperationException($"{attribute.BindType} has no method {attribute.BindMethodName} for {type}.");
            bind.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [this, null], null);
            return;
        }

        throw new InvalidOperationException($"{typeof(TService)} is not derived from the generated base class of a gRPC service.");
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Handler<Func<TService, TRequest, ServerCallContext, Task<TResponse>>>(
            method, [typeof(TRequest), typeof(ServerCallContext)]);
        Map(method, async (service, call) =>
        {
            var request = await call.ReadOnlyRequestAsync(method.RequestMarshaller).ConfigureAwait(false);
            var response = await invoke(service, request, call).ConfigureAwait(false);
            await call.WriteOnlyResponseAsync(response, method.ResponseMarshaller).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Handler<Func<TService, IAsyncStreamReader<TRequest>, ServerCallContext, Task<TResponse>>>(
            method, [typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext)]);
        Map(method, async (service, call) =>
        {
            var requests = new RequestStream<TRequest>(call, method.RequestMarshaller);
            var response = await invoke(service, requests, call).ConfigureAwait(false);
            await call.WriteOnlyResponseAsync(response, method.ResponseMarshaller).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Handler<Func<TService, TRequest, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, [typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext)]);
        Map(method, async (service, call) =>
        {
            var request = await call.ReadOnlyRequestAsync(method.RequestMarshaller).ConfigureAwait(false);
            await invoke(service, request, new ResponseStream<TResponse>(call, method.ResponseMarshaller), call).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Handler<Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, [typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext)]);
        Map(method, (service, call) => invoke(
            service,
            new RequestStream<TRequest>(call, method.RequestMarshaller),
            new ResponseStream<TResponse>(call, method.ResponseMarshaller),
            call));
    }

    // The generated code binds without an instance, so the method is looked up once by its name and called on any instance.
    private static TDelegate Handler<TDelegate>(IMethod method, Type[] parameters)
        where TDelegate : Delegate
    {
        var found = typeof(TService).GetMethod(method.Name, BindingFlags.Public | BindingFlags.Instance, parameters)
            ?? throw new InvalidOperationException($"{typeof(TService)} has no method for {method.FullName}.");
        return found.CreateDelegate<TDelegate>();
    }

    private void Map(IMethod method, Func<TService, ServerCall, Task> handler)
    {
        RequestDelegate run = http => ServerCall.RunAsync(http, options, logger, async call =>
        {
            if (http.RequestServices.GetService<TService>() is { } registered)
            {
                await handler(registered, call).ConfigureAwait(false);
                return;
            }

            var service = _factory(http.RequestServices, null);
            try
            {
                await handler(service, call).ConfigureAwait(false);
            }
            finally
            {
                if (service is IAsyncDisposable asyncDisposable)
                    await asyncDisposable.DisposeAsync().ConfigureAwait(false);
                else if (service is IDisposable disposable)
                    disposable.Dispose();
            }
        });

        var methodInfo = typeof(TService).GetMethods(BindingFlags.Public | BindingFlags.Instance).First(m => m.Name == method.Name);
        endpoints.MapMethods(method.FullName, ["POST"], run)
            .WithDisplayName($"gRPC - {method.FullName}")
            .WithMetadata([method, .. typeof(TService).GetCustomAttributes(inherit: true), .. methodInfo.GetCustomAttributes(inherit: true)]);
    }
}
