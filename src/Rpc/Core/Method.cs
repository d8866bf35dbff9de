namespace Grpc.Core;

/// <summary>How many messages go each way.</summary>
public enum MethodType
{
    /// <summary>One request, one response.</summary>
    Unary,

    /// <summary>Many requests, one response.</summary>
    ClientStreaming,

    /// <summary>One request, many responses.</summary>
    ServerStreaming,

    /// <summary>Many requests, many responses.</summary>
    DuplexStreaming,
}

/// <summary>What is known of a method without its message types.</summary>
public interface IMethod
{
    /// <summary>How many messages go each way.</summary>
    MethodType Type { get; }

    /// <summary>The service with its package, e.g. <c>wgmesh.v1alpha1.Mesh</c>.</summary>
    string ServiceName { get; }

    /// <summary>The method, e.g. <c>Sync</c>.</summary>
    string Name { get; }

    /// <summary>The path of its requests, e.g. <c>/wgmesh.v1alpha1.Mesh/Sync</c>.</summary>
    string FullName { get; }
}

/// <summary>A method of a service: its path, shape, and how its messages become bytes.</summary>
/// <typeparam name="TRequest">The request message.</typeparam>
/// <typeparam name="TResponse">The response message.</typeparam>
/// <param name="type">How many messages go each way.</param>
/// <param name="serviceName">The service with its package.</param>
/// <param name="name">The method.</param>
/// <param name="requestMarshaller">Requests to bytes and back.</param>
/// <param name="responseMarshaller">Responses to bytes and back.</param>
public class Method<TRequest, TResponse>(
    MethodType type,
    string serviceName,
    string name,
    Marshaller<TRequest> requestMarshaller,
    Marshaller<TResponse> responseMarshaller) : IMethod
{
    /// <inheritdoc/>
    public MethodType Type { get; } = type;

    /// <inheritdoc/>
    public string ServiceName { get; } = serviceName;

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    // Path → "/" Service-Name "/" {method name} (PROTOCOL-HTTP2.md, "Requests")
    public string FullName { get; } = $"/{serviceName}/{name}";

    /// <summary>Requests to bytes and back.</summary>
    public Marshaller<TRequest> RequestMarshaller { get; } = requestMarshaller;

    /// <summary>Responses to bytes and back.</summary>
    public Marshaller<TResponse> ResponseMarshaller { get; } = responseMarshaller;
}
