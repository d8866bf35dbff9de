namespace Grpc.Core;

/// <summary>How one type of message becomes bytes and back.</summary>
/// <typeparam name="T">The message.</typeparam>
/// <param name="serializer">Writes a message into the context and completes it.</param>
/// <param name="deserializer">Reads one message from the context.</param>
public class Marshaller<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer)
{
    /// <summary>Writes a message into the context and completes it.</summary>
    public Action<T, SerializationContext> ContextualSerializer { get; } = serializer;

    /// <summary>Reads one message from the context.</summary>
    public Func<DeserializationContext, T> ContextualDeserializer { get; } = deserializer;
}

/// <summary>Makes marshallers.</summary>
public static class Marshallers
{
    /// <summary>Makes one from functions on contexts, as generated code does.</summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="serializer">Writes a message into the context and completes it.</param>
    /// <param name="deserializer">Reads one message from the context.</param>
    /// <returns>The marshaller.</returns>
    public static Marshaller<T> Create<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer) =>
        new(serializer, deserializer);

    /// <summary>Makes one from functions on arrays: an array per message each way.</summary>
    /// <typeparam name="T">The message.</typeparam>
    /// <param name="serializer">A message to its bytes.</param>
    /// <param name="deserializer">Bytes to a message.</param>
    /// <returns>The marshaller.</returns>
    public static Marshaller<T> Create<T>(Func<T, byte[]> serializer, Func<byte[], T> deserializer) => new(
        (message, context) => context.Complete(serializer(message)),
        context => deserializer(context.PayloadAsNewBuffer()));
}
