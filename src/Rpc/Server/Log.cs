using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace WgMesh.Rpc.Server;

/// <summary>What the server says. Event ids are stable.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "The handler of {Method} failed.")]
    public static partial void HandlerFailed(ILogger logger, string method, Exception exception);

    [LoggerMessage(2, LogLevel.Debug, "{Method} ends with {StatusCode}: {Detail}")]
    public static partial void Ended(ILogger logger, string method, StatusCode statusCode, string detail);

    [LoggerMessage(3, LogLevel.Debug, "The deadline of {Method} passed.")]
    public static partial void DeadlineExceeded(ILogger logger, string method);

    [LoggerMessage(4, LogLevel.Debug, "{Method} was cancelled: its client is gone, or its deadline has passed.")]
    public static partial void Cancelled(ILogger logger, string method);

    [LoggerMessage(5, LogLevel.Debug, "A request for {Method} is not gRPC: {Reason}")]
    public static partial void NotGrpc(ILogger logger, string method, string reason);

    [LoggerMessage(6, LogLevel.Error, "Ending {Method} at its deadline failed.")]
    public static partial void EndAtDeadlineFailed(ILogger logger, string method, Exception exception);

    [LoggerMessage(7, LogLevel.Error, "The status of {Method} could not be sent.")]
    public static partial void StatusNotSent(ILogger logger, string method, Exception exception);
}
