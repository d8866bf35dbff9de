namespace WgMesh.Engine.Offload;

/// <summary>
/// What one read of the TUN gave: one packet, or several that share their headers (TSO, USO).
/// </summary>
internal readonly ref struct SuperPacket
{
    private SuperPacket(ReadOnlySpan<byte> packet)
    {
        Packet = packet;
        Count = 1;
    }

    /// <summary>The whole of it. Its first header is everyone's, so it serves for routing.</summary>
    public ReadOnlySpan<byte> Packet { get; }

    /// <summary>Number of segments, at least one.</summary>
    public int Count { get; }

    public static SuperPacket Single(ReadOnlySpan<byte> packet) => new(packet);

    public static bool TryParse(in VirtioHeader header, Span<byte> packet, out SuperPacket super)
    {
        super = new SuperPacket(packet);
        return header.Gso == VirtioGso.None; // the rest follows
    }

    public int LengthOf(int index) => Packet.Length;

    public void CopyTo(int index, Span<byte> destination) => Packet.CopyTo(destination);
}
