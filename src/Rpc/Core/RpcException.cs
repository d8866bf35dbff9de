namespace Grpc.Core;

/// <summary>A call that ended with another status than OK. Thrown by a client, and by a handler to choose the status.</summary>
/// <param name="status">The status.</param>
/// <param name="trailers">Metadata that comes with it.</param>
/// <param name="message">The exception's message.</param>
public class RpcException(Status status, Metadata trailers, string message) : Exception(message, status.DebugException)
{
    /// <summary>A status without trailers.</summary>
    /// <param name="status">The status.</param>
    public RpcException(Status status)
        : this(status, Metadata.Empty, status.ToString())
    {
    }

    /// <summary>A status without trailers, under a message of its own.</summary>
    /// <param name="status">The status.</param>
    /// <param name="message">The exception's message; it is not sent.</param>
    public RpcException(Status status, string message)
        : this(status, Metadata.Empty, message)
    {
    }

    /// <summary>A status with trailers.</summary>
    /// <param name="status">The status.</param>
    /// <param name="trailers">Metadata that comes with it.</param>
    public RpcException(Status status, Metadata trailers)
        : this(status, trailers, status.ToString())
    {
    }

    /// <summary>The status.</summary>
    public Status Status { get; } = status;

    /// <summary>The status' code.</summary>
    public StatusCode StatusCode => Status.StatusCode;

    /// <summary>Metadata from the trailers of the call.</summary>
    public Metadata Trailers { get; } = trailers;
}
