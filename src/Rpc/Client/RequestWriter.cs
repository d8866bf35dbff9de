using Grpc.Core;

namespace WgMesh.Rpc.Client;

/// <summary>The requests of a call, for its client.</summary>
internal sealed class RequestWriter<TRequest, TResponse>(ClientCall<TRequest, TResponse> call, WriteOptions? writeOptions)
    : IClientStreamWriter<TRequest>
    where TRequest : class
    where TResponse : class
{
    public WriteOptions? WriteOptions { get; set; } = writeOptions;

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        return call.WriteAsync(message, WriteOptions?.Flags.HasFlag(WriteFlags.BufferHint) is not true, cancellationToken);
    }

    public Task CompleteAsync() => call.CompleteRequests();
}
