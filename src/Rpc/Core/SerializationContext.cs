using System.Buffers;

namespace Grpc.Core;

/// <summary>Where a marshaller puts the bytes of one message.</summary>
public abstract class SerializationContext
{
    /// <summary>Ends the message with an array as its whole payload.</summary>
    /// <param name="payload">The payload.</param>
    public virtual void Complete(byte[] payload) => throw new NotSupportedException();

    /// <summary>The writer that takes the payload.</summary>
    /// <returns>The writer.</returns>
    public virtual IBufferWriter<byte> GetBufferWriter() => throw new NotSupportedException();

    /// <summary>Says how long the payload will be, before the writer is asked for.</summary>
    /// <param name="payloadLength">Bytes.</param>
    public virtual void SetPayloadLength(int payloadLength)
    {
    }

    /// <summary>Ends the message that went into the writer.</summary>
    public virtual void Complete() => throw new NotSupportedException();
}

/// <summary>Where a marshaller finds the bytes of one message. Valid only while the marshaller runs.</summary>
public abstract class DeserializationContext
{
    /// <summary>Bytes in the payload.</summary>
    public abstract int PayloadLength { get; }

    /// <summary>The payload in an array of its own.</summary>
    /// <returns>The array.</returns>
    public virtual byte[] PayloadAsNewBuffer() => throw new NotSupportedException();

    /// <summary>The payload where it lies.</summary>
    /// <returns>The bytes, not to be kept.</returns>
    public virtual ReadOnlySequence<byte> PayloadAsReadOnlySequence() => throw new NotSupportedException();
}
