using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Protocol;

/// <summary>Packets that wait for a session, in order; when it is full the oldest makes room. Under the peer's lock, but for <see cref="Count"/>.</summary>
internal sealed class StagedPackets(int capacity)
{
    private (byte[]? Bytes, int Length)[] _ring = []; // made when the first packet waits: most peers never need it
    private int _head;
    private int _count;

    /// <summary>Readable without the lock.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a copy of one packet.</summary>
    /// <returns>True if the oldest packet was dropped for this one.</returns>
    public bool Enqueue(in SuperPacket packets, int index)
    {
        if (_ring.Length == 0)
        {
            _ring = new (byte[]?, int)[capacity];
        }

        var full = _count == capacity;
        if (full)
        {
            _head = (_head + 1) % capacity;
            _count--;
        }

        // The oldest one's memory is there to be used again: a stream to a peer that does not answer is no stream of allocations.
        ref var slot = ref _ring[(_head + _count) % capacity];
        var length = packets.LengthOf(index);
        if (slot.Bytes is null || slot.Bytes.Length < length)
        {
            slot.Bytes = new byte[length];
        }

        packets.CopyTo(index, slot.Bytes);
        slot.Length = length;
        Volatile.Write(ref _count, _count + 1);
        return full;
    }

    public bool TryPeek(out ReadOnlySpan<byte> packet)
    {
        var found = _count > 0;
        packet = found ? _ring[_head].Bytes.AsSpan(0, _ring[_head].Length) : default;
        return found;
    }

    public void Dequeue()
    {
        _ring[_head] = default; // a peer that has its session needs no memory for those that waited for it
        _head = (_head + 1) % capacity;
        Volatile.Write(ref _count, _count - 1);
    }

    public void Clear()
    {
        _ring = [];
        _head = 0;
        Volatile.Write(ref _count, 0);
    }
}
