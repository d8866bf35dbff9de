namespace WgMesh.Engine.Offload;

/// <summary>Gathers received packets that lie in one buffer into super-packets for the TUN, without moving payload.</summary>
internal sealed class Coalescer(int maximumPackets)
{
    private readonly Slice[] _packets = new Slice[maximumPackets];

    public bool Tcp { get; set; } = true;

    public bool Udp { get; set; } = true;

    public int Count { get; private set; }

    public void Add(byte[] buffer, int offset, int length) => _packets[Count++] = new Slice(offset, length); // merging follows

    public VirtioHeader Finish(int group) => default;

    public ReadOnlySpan<Slice> Slices(int group) => _packets.AsSpan(group, 1);

    public int Packets(int group) => 1;

    public void Restore(int group)
    {
    }

    public ReadOnlySpan<Slice> Singles(int group) => _packets.AsSpan(group, 1);

    public void Clear() => Count = 0;
}
