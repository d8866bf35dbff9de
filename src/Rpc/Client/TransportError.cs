using System.Net;
using System.Net.Sockets;
using Grpc.Core;

namespace WgMesh.Rpc.Client;

/// <summary>What failures below gRPC mean as a status.</summary>
internal static class TransportError
{
    /// <summary>The status for a response without <c>grpc-status</c> (http-grpc-status-mapping.md).</summary>
    public static StatusCode Of(HttpStatusCode code) => (int)code switch
    {
        400 or 431 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    /// <summary>The status for an exception of the HTTP handler.</summary>
    public static Status Of(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is HttpProtocolException protocol && IsStreamReset(protocol))
                return new Status(Of(protocol.ErrorCode), $"The server reset the call: {protocol.Message}", exception);
        }

        // "Some data transmitted … before connection breaks", and connections that never were: UNAVAILABLE (statuscodes.md).
        var code = exception switch
        {
            RpcException rpc => rpc.StatusCode,
            HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => StatusCode.ResourceExhausted,
            HttpRequestException or IOException or SocketException => StatusCode.Unavailable,
            OperationCanceledException or ObjectDisposedException => StatusCode.Cancelled,
            _ => StatusCode.Internal,
        };
        return new Status(code, $"The call failed: {Describe(exception)}", exception);
    }

    // RST_STREAM is the server's word on one call; GOAWAY, a ping without an answer or a broken frame end the connection under it. The
    // handler throws one type for all, with a code of its own choice where the server gave none; only the text tells.
    private static bool IsStreamReset(HttpProtocolException exception) =>
        exception.Message.Contains("reset the stream", StringComparison.Ordinal);

    // The cause is most often the innermost: "connection refused", "the remote certificate was rejected".
    private static string Describe(Exception exception)
    {
        var cause = exception.GetBaseException();
        return ReferenceEquals(cause, exception) ? exception.Message : $"{exception.Message} ({cause.Message})";
    }

    // PROTOCOL-HTTP2.md, "Errors": RST_STREAM's code to gRPC's.
    private static StatusCode Of(long http2ErrorCode) => http2ErrorCode switch
    {
        0x7 => StatusCode.Unavailable, // REFUSED_STREAM
        0x8 => StatusCode.Cancelled, // CANCEL
        0xb => StatusCode.ResourceExhausted, // ENHANCE_YOUR_CALM
        0xc => StatusCode.PermissionDenied, // INADEQUATE_SECURITY
        _ => StatusCode.Internal,
    };
}
