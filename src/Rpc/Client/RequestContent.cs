using System.Net;
using System.Net.Http.Headers;
using WgMesh.Rpc.Protocol;

namespace WgMesh.Rpc.Client;

/// <summary>The body of a request whose length is not told ahead, as gRPC has it.</summary>
internal abstract class RequestContent : HttpContent
{
    protected RequestContent() => Headers.ContentType = new MediaTypeHeaderValue(Protocol.Headers.ContentType);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected abstract override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

/// <summary>One message. It may be sent anew, should the first connection turn out to be closing.</summary>
internal sealed class SingleRequest(FrameBuffer buffer, ReadOnlyMemory<byte> frame) : RequestContent
{
    private readonly Lock _gate = new();
    private int _sending;
    private bool _disposed;

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _sending++;
        }

        try
        {
            await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _sending--;
                FreeIfUnused();
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            _disposed = true;
            FreeIfUnused();
        }

        base.Dispose(disposing);
    }

    // A call may be cancelled while the transport still reads the frame.
    private void FreeIfUnused()
    {
        if (_disposed && _sending == 0)
            buffer.Dispose();
    }
}

/// <summary>Messages that are written while the request is under way.</summary>
internal sealed class StreamedRequests : RequestContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where the messages go, once there is a connection.</summary>
    public Task<Stream> Stream => _stream.Task;

    /// <summary>Ends the request stream: an empty DATA frame with END_STREAM, if need be.</summary>
    public void Complete() => _complete.TrySetResult();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The handler would send a request anew whose connection closes as it starts; what was written to the first stream is lost then.
        if (!_stream.TrySetResult(stream))
            throw new IOException("The connection closed as the call began.");

        // The headers leave now: a server may have something to say before the first message.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        await _complete.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
