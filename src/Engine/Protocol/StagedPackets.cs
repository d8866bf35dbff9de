using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Protocol;

/// <summary>Packets that wait for a session, in order; when it is full the oldest makes room. Under the peer's lock, but for <see cref="Count"/>.</summary>
internal sealed class StagedPackets(int capacity)
{
    private readonly Queue<byte[]> _packets = new();
    private int _count;

    /// <summary>Readable without the lock.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <returns>True if the oldest packet was dropped for this one.</returns>
    public bool Enqueue(in SuperPacket packets, int index)
    {
        var full = _packets.Count == capacity;
        if (full)
        {
            _packets.Dequeue();
        }

        var packet = new byte[packets.LengthOf(index)];
        packets.CopyTo(index, packet);
        _packets.Enqueue(packet);
        Volatile.Write(ref _count, _packets.Count);
        return full;
    }

    public bool TryPeek(out ReadOnlySpan<byte> packet)
    {
        var found = _packets.TryPeek(out var bytes);
        packet = bytes;
        return found;
    }

    public void Dequeue()
    {
        _packets.Dequeue();
        Volatile.Write(ref _count, _packets.Count);
    }

    public void Clear()
    {
        _packets.Clear();
        Volatile.Write(ref _count, 0);
    }
}
