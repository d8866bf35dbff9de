using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>
/// Handshake messages on their way from the threads that receive to the one that computes: a flood fills it, and nothing
/// else. All its memory is taken at the start.
/// </summary>
internal sealed class HandshakeQueue
{
    public const int Capacity = 1024;

    private readonly byte[] _bytes = new byte[Capacity * Messages.InitiationLength];
    private readonly (MessageType Type, UdpPath From, int Length)[] _entries = new (MessageType, UdpPath, int)[Capacity];
    private readonly Lock _gate = new();
    private int _head, _count;

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _count == 0;
            }
        }
    }

    /// <returns>False if there is no room.</returns>
    public bool TryEnqueue(MessageType type, ReadOnlySpan<byte> message, in UdpPath from)
    {
        lock (_gate)
        {
            if (_count == Capacity)
            {
                return false;
            }

            var slot = (_head + _count++) % Capacity;
            _entries[slot] = (type, from, message.Length);
            message.CopyTo(_bytes.AsSpan(slot * Messages.InitiationLength));
            return true;
        }
    }

    /// <param name="message">At least 148 bytes.</param>
    /// <param name="backlog">How many are left.</param>
    public bool TryDequeue(Span<byte> message, out MessageType type, out UdpPath from, out int length, out int backlog)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                type = MessageType.None;
                from = default;
                length = backlog = 0;
                return false;
            }

            (type, from, length) = _entries[_head];
            _bytes.AsSpan(_head * Messages.InitiationLength, length).CopyTo(message);
            _head = (_head + 1) % Capacity;
            backlog = --_count;
            return true;
        }
    }
}
