using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Grpc.Core;

namespace WgMesh.Rpc.Protocol;

/// <summary>
/// Takes Length-Prefixed-Messages from a pipe and deserializes them where they lie. "DATA frame boundaries have no relation to
/// Length-Prefixed-Message boundaries" (PROTOCOL-HTTP2.md, "Data Frames").
/// </summary>
/// <param name="input">The body of the request or the response.</param>
/// <param name="maxLength">Bytes that a message may have; null: no limit.</param>
/// <param name="encoding">The <c>grpc-encoding</c> that the sender declared; null: none.</param>
/// <param name="unsupportedEncoding">
/// What a message in another coding than identity fails with: UNIMPLEMENTED on a server, INTERNAL on a client (compression.md,
/// "Compression Method Asymmetry Between Peers").
/// </param>
internal sealed class FrameReader(PipeReader input, int? maxLength, string? encoding, StatusCode unsupportedEncoding)
{
    private readonly Payload _payload = new();

    /// <summary>Reads the next message. After an exception nothing more may be read.</summary>
    /// <returns>The message; null: the stream ended after a whole message.</returns>
    /// <exception cref="RpcException">
    /// RESOURCE_EXHAUSTED: larger than allowed, found before the message is buffered. INTERNAL: the framing is broken, the stream
    /// ends within a message, or the message does not parse. Or a coding that is not supported.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token, or <see cref="PipeReader.CancelPendingRead"/>.</exception>
    public async ValueTask<T?> ReadAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
            var consumed = result.Buffer.Start;
            var examined = result.Buffer.End;
            try
            {
                if (result.IsCanceled)
                    throw new OperationCanceledException("The call ended while a read was under way.");

                if (TryTakeMessage(result.Buffer, out var message))
                {
                    var parsed = Deserialize(message, marshaller);
                    consumed = examined = message.End;
                    return parsed;
                }

                if (!result.IsCompleted)
                    continue;
                return result.Buffer.IsEmpty ? null : throw Broken("The stream ended within a message.");
            }
            finally
            {
                input.AdvanceTo(consumed, examined);
            }
        }
    }

    private bool TryTakeMessage(in ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message)
    {
        message = default;
        if (buffer.Length < FrameBuffer.HeaderLength)
            return false;

        Span<byte> header = stackalloc byte[FrameBuffer.HeaderLength];
        buffer.Slice(0, FrameBuffer.HeaderLength).CopyTo(header);
        CheckFlag(header[0]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        var limit = maxLength ?? int.MaxValue;
        if (length > (uint)limit)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"The received message has {length} bytes, more than the maximum of {limit}."));

        if (buffer.Length < FrameBuffer.HeaderLength + length)
            return false;

        message = buffer.Slice(FrameBuffer.HeaderLength, length);
        return true;
    }

    // compression.md, test cases 4 to 6: a coding that the receiver does not have, or a flag without a coding ("If the
    // Message-Encoding header is omitted then the Compressed-Flag must be 0", PROTOCOL-HTTP2.md).
    private void CheckFlag(byte flag)
    {
        switch (flag)
        {
            case 0:
                return;
            case 1 when encoding is null or Headers.Identity:
                throw Broken("The message is flagged as compressed, but no grpc-encoding other than identity is declared.");
            case 1:
                throw new RpcException(new Status(
                    unsupportedEncoding, $"The grpc-encoding '{encoding}' is not supported; supported: '{Headers.Identity}'."));
            default:
                throw Broken($"The compressed flag of a message is {flag}; it must be 0 or 1.");
        }
    }

    private T Deserialize<T>(in ReadOnlySequence<byte> message, Marshaller<T> marshaller)
    {
        _payload.Message = message;
        try
        {
            return marshaller.ContextualDeserializer(_payload);
        }
        catch (Exception e)
        {
            // "Error parsing request proto", "Error parsing response proto": INTERNAL (statuscodes.md). Whatever a marshaller throws
            // on these bytes is that: the bytes are the only thing it has seen.
            throw new RpcException(new Status(StatusCode.Internal, "The message does not parse as its type.", e));
        }
        finally
        {
            _payload.Message = default;
        }
    }

    private static RpcException Broken(string detail) => new(new Status(StatusCode.Internal, detail));

    private sealed class Payload : DeserializationContext
    {
        public ReadOnlySequence<byte> Message { get; set; }

        public override int PayloadLength => (int)Message.Length;

        public override byte[] PayloadAsNewBuffer() => Message.ToArray();

        public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => Message;
    }
}
