using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

public sealed class StagedPacketsTests
{
    [Fact]
    public void Beyond_what_all_peers_may_keep_a_packet_costs_as_many_of_the_oldest_as_free_its_length_and_no_more()
    {
        const int Most = 100_000, Small = 60, Large = 1420;
        var memory = new StagedMemory(Most);
        var staged = new StagedPackets(128, memory);
        for (var i = 0; i < 128; i++)
        {
            Assert.Equal(0, staged.Enqueue(Packet(Small, i), 0));
        }

        memory.Take(Most); // by other peers

        Assert.Equal(24, staged.Enqueue(Packet(Large, 128), 0)); // 24 * 60 >= 1420
        Assert.Equal(Most + (104 * Small) + Large, memory.Taken);
        Assert.Equal(1, staged.Enqueue(Packet(Small, 129), 0));
        Assert.Equal([.. Enumerable.Range(25, 105)], Numbers(staged));
        Assert.Equal(Most, memory.Taken);
    }

    private static SuperPacket Packet(int length, int number)
    {
        var packet = new byte[length];
        packet[0] = (byte)number;
        return SuperPacket.Single(packet);
    }

    private static List<int> Numbers(StagedPackets staged)
    {
        var numbers = new List<int>();
        for (; staged.TryPeek(out var packet); staged.Dequeue())
        {
            numbers.Add(packet[0]);
        }

        return numbers;
    }
}
