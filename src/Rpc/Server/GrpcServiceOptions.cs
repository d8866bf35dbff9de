namespace Grpc.AspNetCore.Server;

/// <summary>What holds for all gRPC services of a host.</summary>
public class GrpcServiceOptions
{
    /// <summary>Bytes that a received message may have, 4 MiB unless set; null: no limit. A larger one ends the call with RESOURCE_EXHAUSTED.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Bytes that a sent message may have; null: no limit. A larger one ends the call with RESOURCE_EXHAUSTED.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>
    /// Whether the status of a handler that threw tells the type and the message of the exception. Off unless set, since exceptions may
    /// hold what clients must not see.
    /// </summary>
    public bool? EnableDetailedErrors { get; set; }
}
