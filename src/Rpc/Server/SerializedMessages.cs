using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using WgMesh.Rpc.Server;

namespace WgMesh.Rpc;

/// <summary>Sending what is serialized already.</summary>
public static class SerializedMessages
{
    /// <summary>
    /// Sends a message that was serialized before, e.g. once for many clients. Serialized parts of one message may follow each other in
    /// the sequence: protocol buffers define their concatenation as the merged message.
    /// </summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="writer">The responses of a call. If they are not those of this server, the message is parsed and written as an object.</param>
    /// <param name="message">The bytes of the message, without a frame; not changed until the task is done.</param>
    /// <param name="cancellationToken">Ends the wait, and with it the call.</param>
    /// <returns>Done when the next message may be written.</returns>
    public static Task WriteSerializedAsync<T>(
        this IServerStreamWriter<T> writer, ReadOnlySequence<byte> message, CancellationToken cancellationToken = default)
        where T : class, IMessage<T>, new()
    {
        if (writer is ResponseStream<T> stream)
            return stream.WriteSerializedAsync(message, cancellationToken);

        var parsed = new T();
        parsed.MergeFrom(message);
        return writer.WriteAsync(parsed, cancellationToken);
    }
}
