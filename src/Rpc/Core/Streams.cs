using System.Runtime.CompilerServices;

namespace Grpc.Core;

/// <summary>Hints on how a message is written.</summary>
[Flags]
public enum WriteFlags
{
    /// <summary>More messages follow: the message may wait for them.</summary>
    BufferHint = 0x1,

    /// <summary>Do not compress the message. Nothing is compressed here.</summary>
    NoCompress = 0x2,
}

/// <summary>How a message is written.</summary>
/// <param name="flags">Hints.</param>
public class WriteOptions(WriteFlags flags = default)
{
    /// <summary>No hints.</summary>
    public static readonly WriteOptions Default = new();

    /// <summary>The hints.</summary>
    public WriteFlags Flags { get; } = flags;
}

/// <summary>Messages that arrive. One read at a time.</summary>
/// <typeparam name="T">The message.</typeparam>
public interface IAsyncStreamReader<out T>
{
    /// <summary>The message that the last <see cref="MoveNext"/> found.</summary>
    T Current { get; }

    /// <summary>Waits for the next message.</summary>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <returns>False: the stream ended well.</returns>
    /// <exception cref="RpcException">On a client: the call ended with another status than OK.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way.</exception>
    Task<bool> MoveNext(CancellationToken cancellationToken);
}

/// <summary>Messages to send. One write at a time.</summary>
/// <typeparam name="T">The message.</typeparam>
public interface IAsyncStreamWriter<in T>
{
    /// <summary>How the next messages are written.</summary>
    WriteOptions? WriteOptions { get; set; }

    /// <summary>Sends a message. Done when the transport has taken it, not when the other side has it.</summary>
    /// <param name="message">The message.</param>
    /// <returns>Done when the next message may be written.</returns>
    /// <exception cref="InvalidOperationException">Another write is under way, or the stream is complete.</exception>
    Task WriteAsync(T message);

    /// <summary>Sends a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <returns>Done when the next message may be written.</returns>
    Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
            throw new NotSupportedException("Cancellation of stream writes is not supported by this implementation.");
        return WriteAsync(message);
    }
}

/// <summary>Responses to send from a handler. The stream ends when the handler returns.</summary>
/// <typeparam name="T">The response message.</typeparam>
public interface IServerStreamWriter<in T> : IAsyncStreamWriter<T>
{
}

/// <summary>Requests to send from a client.</summary>
/// <typeparam name="T">The request message.</typeparam>
public interface IClientStreamWriter<in T> : IAsyncStreamWriter<T>
{
    /// <summary>Tells the server that no more requests follow.</summary>
    /// <returns>Done when that is on its way.</returns>
    Task CompleteAsync();
}

/// <summary>Reading without a loop by hand.</summary>
public static class AsyncStreamReaderExtensions
{
    /// <summary>Waits for the next message.</summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="streamReader">The stream.</param>
    /// <returns>False: the stream ended well.</returns>
    public static Task<bool> MoveNext<T>(this IAsyncStreamReader<T> streamReader)
        where T : class => streamReader.MoveNext(CancellationToken.None);

    /// <summary>All messages to the end of the stream.</summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="streamReader">The stream.</param>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <returns>The messages.</returns>
    public static async IAsyncEnumerable<T> ReadAllAsync<T>(
        this IAsyncStreamReader<T> streamReader,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await streamReader.MoveNext(cancellationToken).ConfigureAwait(false))
            yield return streamReader.Current;
    }
}
