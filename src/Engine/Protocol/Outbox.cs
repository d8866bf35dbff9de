using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// What the protocol wants done: datagrams to send, and packets that it refused, to be told to their senders. The caller hands an outbox
/// in, does what is in it and clears it. Its memory is reused, so a steady state allocates nothing. Not thread-safe: one per thread.
/// </summary>
internal sealed class Outbox
{
    private byte[] _bytes = new byte[4096];
    private Datagram[] _datagrams = new Datagram[8];
    private byte[] _refusals = [];
    private int _refusalLength;

    /// <summary>One datagram within the outbox's memory.</summary>
    /// <param name="Peer">Whose it is; null: nobody's, as a cookie reply.</param>
    /// <param name="Path">Where it goes.</param>
    /// <param name="TrafficClass">Of the outer IP header: DSCP and ECN.</param>
    /// <param name="Offset">In <see cref="Memory"/>; datagrams follow each other without gaps.</param>
    /// <param name="Length">In bytes.</param>
    public readonly record struct Datagram(Peer? Peer, UdpPath Path, byte TrafficClass, int Offset, int Length)
    {
        public Endpoint To => Path.Remote;
    }

    public int Count { get; private set; }

    /// <summary>Bytes of all datagrams.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<Datagram> Datagrams => _datagrams.AsSpan(0, Count);

    /// <summary>What <see cref="Datagram.Offset"/> counts in, until the next <see cref="Reserve"/>.</summary>
    public byte[] Memory => _bytes;

    /// <summary>The ICMP message, for the host, about the last packet that was refused; empty if there is none.</summary>
    public ArraySegment<byte> Refusal => new(_refusals, 0, _refusalLength);

    public ReadOnlySpan<byte> Bytes(in Datagram datagram) => _bytes.AsSpan(datagram.Offset, datagram.Length);

    /// <summary>Room for one datagram: to be filled, then committed with <see cref="Commit"/>, before the next call.</summary>
    public Span<byte> Reserve(int length)
    {
        if (_bytes.Length - Length < length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + length));
        }

        return _bytes.AsSpan(Length, length);
    }

    /// <summary>Keeps the first <paramref name="length"/> bytes that were reserved.</summary>
    public void Commit(Peer? peer, in UdpPath path, byte trafficClass, int length)
    {
        if (Count == _datagrams.Length)
        {
            Array.Resize(ref _datagrams, 2 * Count);
        }

        _datagrams[Count++] = new Datagram(peer, path, trafficClass, Length, length);
        Length += length;
    }

    /// <summary>Tells the sender of a packet that it cannot be delivered, if there is somebody to tell; only the last one is kept.</summary>
    public void Refuse(ReadOnlySpan<byte> packet)
    {
        if (_refusals.Length == 0)
        {
            _refusals = new byte[IcmpUnreachable.MaximumLength];
        }

        _refusalLength = IcmpUnreachable.TryWrite(packet, _refusals, out var length) ? length : 0;
    }

    public void Clear()
    {
        Array.Clear(_datagrams, 0, Count); // peers that were removed are not kept alive by old entries
        Count = 0;
        Length = 0;
        _refusalLength = 0;
    }
}
