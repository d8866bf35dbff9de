using System.Buffers.Binary;

namespace WgMesh.Engine.Protocol;

/// <summary>The four message types (paper, section 5.4): a little-endian u32, so the three reserved bytes must be zero.</summary>
public enum MessageType : uint
{
    /// <summary>Not a WireGuard message.</summary>
    None = 0,

    /// <summary>First message of a handshake, 148 bytes.</summary>
    Initiation = 1,

    /// <summary>Second message of a handshake, 92 bytes.</summary>
    Response = 2,

    /// <summary>Sent instead of an answer by a machine under load, 64 bytes.</summary>
    CookieReply = 3,

    /// <summary>An encrypted packet: 16 bytes of header, the ciphertext, 16 bytes of tag.</summary>
    Transport = 4,
}

/// <summary>Where things are in the messages (paper, section 5.4). All integers are little-endian.</summary>
public static class Messages
{
    /// <summary>Bytes of a Poly1305 tag.</summary>
    public const int TagLength = 16;

    /// <summary>Bytes of mac1 and of mac2.</summary>
    public const int MacLength = 16;

    /// <summary>Bytes of an initiation: type 4, sender 4, ephemeral 32, static 48, timestamp 28, mac1 16, mac2 16.</summary>
    public const int InitiationLength = 148;

    /// <summary>Bytes of a response: type 4, sender 4, receiver 4, ephemeral 32, empty 16, mac1 16, mac2 16.</summary>
    public const int ResponseLength = 92;

    /// <summary>Bytes of a cookie reply: type 4, receiver 4, nonce 24, cookie 32.</summary>
    public const int CookieReplyLength = 64;

    /// <summary>Bytes before the ciphertext of a transport message: type 4, receiver 4, counter 8.</summary>
    public const int TransportHeaderLength = 16;

    /// <summary>DSCP of the outer header of handshake messages: AF41, low latency, as the kernel's WireGuard sets it. Packets have 0.</summary>
    public const byte HandshakeTrafficClass = 0x88;

    /// <summary>Bytes of the shortest transport message, a keepalive.</summary>
    public const int TransportMinimumLength = TransportHeaderLength + TagLength;

    /// <summary>Bytes of the longest message that a UDP datagram can hold.</summary>
    public const int MaximumLength = 65535;

    /// <summary>The type of a datagram, or <see cref="MessageType.None"/> if type or length is wrong.</summary>
    public static MessageType Classify(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length < TransportMinimumLength)
        {
            return MessageType.None;
        }

        var type = (MessageType)BinaryPrimitives.ReadUInt32LittleEndian(datagram);
        return type switch
        {
            MessageType.Transport => type,
            MessageType.Initiation when datagram.Length == InitiationLength => type,
            MessageType.Response when datagram.Length == ResponseLength => type,
            MessageType.CookieReply when datagram.Length == CookieReplyLength => type,
            _ => MessageType.None,
        };
    }

    /// <summary>The sender's index of an initiation or a response.</summary>
    public static uint Sender(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt32LittleEndian(message[4..]);

    /// <summary>The receiver's index of a response (offset 8), a cookie reply or a transport message (offset 4).</summary>
    public static uint Receiver(ReadOnlySpan<byte> message) =>
        BinaryPrimitives.ReadUInt32LittleEndian(message[(message[0] == (byte)MessageType.Response ? 8 : 4)..]);

    /// <summary>The counter of a transport message.</summary>
    public static ulong Counter(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt64LittleEndian(message[8..]);
}
