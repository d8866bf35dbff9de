using Grpc.Core;

namespace WgMesh.Rpc.Server;

/// <summary>The requests of a call, for its handler.</summary>
internal sealed class RequestStream<T>(ServerCall call, Marshaller<T> marshaller) : IAsyncStreamReader<T>
    where T : class
{
    private T? _current;

    public T Current => _current ?? throw new InvalidOperationException("There is no current message: call MoveNext first.");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        _current = await call.ReadAsync(marshaller, cancellationToken).ConfigureAwait(false);
        return _current is not null;
    }
}
