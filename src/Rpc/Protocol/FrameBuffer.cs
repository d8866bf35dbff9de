using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;

namespace WgMesh.Rpc.Protocol;

/// <summary>
/// One outgoing Length-Prefixed-Message → Compressed-Flag Message-Length Message (PROTOCOL-HTTP2.md, "Requests"): a flag of 0, four
/// bytes of length, big endian, and the message. The whole frame is built in a rented array before any of it is sent, so that a
/// message that cannot be serialized leaves the stream as it was. One per call, used for one message after the other.
/// </summary>
internal sealed class FrameBuffer : SerializationContext, IBufferWriter<byte>, IDisposable
{
    public const int HeaderLength = 5;

    // An array above this goes back after its message, so that a long stream does not hold on to its largest one.
    private const int KeptLength = 64 * 1024;

    private byte[] _array = [];
    private int _length;
    private bool _complete;

    /// <summary>Serializes a message of at most so many bytes; null: no limit.</summary>
    /// <returns>The frame; valid until the next call.</returns>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED: the message is larger.</exception>
    public ReadOnlyMemory<byte> Frame<T>(T message, Marshaller<T> marshaller, int? maxLength)
    {
        _complete = false;
        _length = HeaderLength;
        marshaller.ContextualSerializer(message, this);
        if (!_complete)
            throw new InvalidOperationException($"The marshaller of {typeof(T).Name} did not complete the message.");
        return Finish(maxLength);
    }

    /// <summary>Frames a message that is serialized already. Otherwise as the other.</summary>
    public ReadOnlyMemory<byte> Frame(ReadOnlySequence<byte> message, int? maxLength)
    {
        _length = HeaderLength;
        var length = checked((int)message.Length);
        message.CopyTo(GetSpan(length));
        Advance(length);
        return Finish(maxLength);
    }

    /// <summary>Gives a large array back.</summary>
    public void Trim()
    {
        if (_array.Length > KeptLength)
            Dispose();
    }

    public void Dispose()
    {
        if (_array.Length > 0)
            ArrayPool<byte>.Shared.Return(_array);
        _array = [];
    }

    public override void SetPayloadLength(int payloadLength) => Ensure(payloadLength);

    public override IBufferWriter<byte> GetBufferWriter() => this;

    public override void Complete() => _complete = true;

    public override void Complete(byte[] payload)
    {
        payload.CopyTo(GetSpan(payload.Length));
        Advance(payload.Length);
        _complete = true;
    }

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _array.Length - _length);
        _length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(Math.Max(sizeHint, 1));
        return _array.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    private ReadOnlyMemory<byte> Finish(int? maxLength)
    {
        var payload = _length - HeaderLength;
        if (payload > maxLength)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted, $"The message to send has {payload} bytes, more than the maximum of {maxLength}."));
        }

        _array[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(_array.AsSpan(1), (uint)payload);
        return _array.AsMemory(0, _length);
    }

    private void Ensure(int free)
    {
        if (_array.Length - _length >= free)
            return;

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(_length + free), Math.Min(_array.Length * 2, Array.MaxLength)));
        _array.AsSpan(0, Math.Min(_length, _array.Length)).CopyTo(larger);
        if (_array.Length > 0)
            ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
