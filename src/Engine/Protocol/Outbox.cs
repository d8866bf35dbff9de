namespace WgMesh.Engine.Protocol;

/// <summary>
/// Datagrams that the protocol wants sent: the caller hands an outbox in, transmits what is in it and clears it. Its
/// memory is reused, so a steady state allocates nothing. Not thread-safe: one per thread.
/// </summary>
internal sealed class Outbox
{
    private byte[] _bytes = new byte[4096];
    private Datagram[] _datagrams = new Datagram[8];
    private int _used;

    /// <summary>One datagram within the outbox's memory.</summary>
    public readonly record struct Datagram(Peer? Peer, Endpoint To, int Offset, int Length);

    public int Count { get; private set; }

    public ReadOnlySpan<Datagram> Datagrams => _datagrams.AsSpan(0, Count);

    public ReadOnlySpan<byte> Bytes(in Datagram datagram) => _bytes.AsSpan(datagram.Offset, datagram.Length);

    /// <summary>Room for one datagram: to be filled, then committed with <see cref="Commit"/>, before the next call.</summary>
    public Span<byte> Reserve(int length)
    {
        if (_bytes.Length - _used < length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _used + length));
        }

        return _bytes.AsSpan(_used, length);
    }

    /// <summary>Keeps the first <paramref name="length"/> bytes that were reserved.</summary>
    public void Commit(Peer? peer, in Endpoint to, int length)
    {
        if (Count == _datagrams.Length)
        {
            Array.Resize(ref _datagrams, 2 * Count);
        }

        _datagrams[Count++] = new Datagram(peer, to, _used, length);
        _used += length;
    }

    public void Clear()
    {
        Array.Clear(_datagrams, 0, Count); // peers that were removed are not kept alive by old entries
        Count = 0;
        _used = 0;
    }
}
