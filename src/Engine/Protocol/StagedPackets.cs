using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// Packets that wait for a session, in order; when it is full, or all peers together keep too much, the oldest makes room. Under the
/// peer's lock, but for <see cref="Count"/>.
/// </summary>
internal sealed class StagedPackets(int capacity, StagedMemory memory)
{
    private (byte[]? Bytes, int Length)[] _ring = []; // made when the first packet waits: most peers never need it
    private int _head;
    private int _count;

    /// <summary>Readable without the lock.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a copy of one packet.</summary>
    /// <returns>How many of the oldest were dropped for this one.</returns>
    public int Enqueue(in SuperPacket packets, int index)
    {
        if (_ring.Length == 0)
        {
            _ring = new (byte[]?, int)[capacity];
        }

        // The oldest one's memory is there to be used again: a stream to a peer that does not answer is no stream of allocations.
        var length = packets.LengthOf(index);
        byte[]? bytes = null;
        var (dropped, freed) = (0, 0);
        while (_count == capacity || (_count > 0 && freed < length && !memory.HasRoom(length)))
        {
            bytes = TakeOldest();
            dropped++;
            freed += bytes.Length;
            if (bytes.Length < length)
            {
                memory.Return(bytes.Length);
                bytes = null;
            }
        }

        if (bytes is null)
        {
            bytes = new byte[length];
            memory.Take(length);
        }

        packets.CopyTo(index, bytes);
        _ring[(_head + _count) % capacity] = (bytes, length);
        Volatile.Write(ref _count, _count + 1);
        return dropped;
    }

    public bool TryPeek(out ReadOnlySpan<byte> packet)
    {
        var found = _count > 0;
        packet = found ? _ring[_head].Bytes.AsSpan(0, _ring[_head].Length) : default;
        return found;
    }

    // a peer that has its session needs no memory for those that waited for it
    public void Dequeue() => memory.Return(TakeOldest().Length);

    public void Clear()
    {
        while (_count > 0)
        {
            Dequeue();
        }

        _ring = [];
        _head = 0;
    }

    private byte[] TakeOldest()
    {
        var bytes = _ring[_head].Bytes!;
        _ring[_head] = default;
        _head = (_head + 1) % capacity;
        Volatile.Write(ref _count, _count - 1);
        return bytes;
    }
}
