using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

/// <summary>What a coalescer makes of packets that lie in one buffer as received ones do, with other bytes between them.</summary>
internal sealed class Gathering
{
    private const int Gap = 32;

    public Gathering(params byte[][] packets)
        : this(_ => { }, packets)
    {
    }

    public Gathering(Action<Coalescer> configure, params byte[][] packets)
    {
        Coalescer = new Coalescer(packets.Length);
        configure(Coalescer);
        Buffer = new byte[packets.Sum(packet => packet.Length + Gap)];
        Array.Fill(Buffer, (byte)0xEE);
        var at = Gap / 2;
        foreach (var packet in packets)
        {
            packet.CopyTo(Buffer, at);
            Coalescer.Add(Buffer, at, packet.Length);
            at += packet.Length + Gap;
        }
    }

    public Coalescer Coalescer { get; }

    public byte[] Buffer { get; }

    /// <summary>Number of packets in each group.</summary>
    public IEnumerable<int> Sizes => Enumerable.Range(0, Coalescer.Count).Select(Coalescer.Packets);

    /// <summary>What is written for a group.</summary>
    public (VirtioHeader Header, byte[] Packet) Written(int group) => (Coalescer.Finish(group), Bytes(Coalescer.Slices(group)));

    public void AssertWritten(int group, VirtioHeader header, byte[] packet)
    {
        var written = Written(group);
        Assert.Equal(header, written.Header);
        Assert.Equal(packet, written.Packet);
    }

    /// <summary>What is written for a group of which the kernel would not have the whole.</summary>
    public byte[][] WrittenOneByOne(int group)
    {
        Coalescer.Restore(group);
        var slices = Coalescer.Singles(group).ToArray();
        return [.. slices.Select(slice => Buffer.AsSpan(slice.Offset, slice.Length).ToArray())];
    }

    /// <summary>The packets that the kernel takes out of what is written, by the segmentation that goes the other way.</summary>
    public byte[][] Received(int group)
    {
        var (header, packet) = Written(group);
        Assert.True(SuperPacket.TryParse(header, packet, out var super));
        var packets = new byte[super.Count][];
        for (var i = 0; i < packets.Length; i++)
        {
            packets[i] = new byte[super.LengthOf(i)];
            super.CopyTo(i, packets[i]);
        }

        return packets;
    }

    private byte[] Bytes(ReadOnlySpan<Slice> slices)
    {
        var bytes = new List<byte>();
        foreach (var slice in slices)
        {
            bytes.AddRange(Buffer.AsSpan(slice.Offset, slice.Length));
        }

        return [.. bytes];
    }
}
