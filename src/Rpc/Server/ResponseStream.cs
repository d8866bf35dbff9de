using System.Buffers;
using Grpc.Core;

namespace WgMesh.Rpc.Server;

/// <summary>The responses of a call, for its handler.</summary>
internal sealed class ResponseStream<T>(ServerCall call, Marshaller<T> marshaller) : IServerStreamWriter<T>
    where T : class
{
    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        return call.WriteAsync((frame, max) => frame.Frame(message, marshaller, max), WriteOptions, cancellationToken);
    }

    public Task WriteSerializedAsync(ReadOnlySequence<byte> message, CancellationToken cancellationToken) =>
        call.WriteAsync((frame, max) => frame.Frame(message, max), WriteOptions, cancellationToken);
}
