using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class FlowTests
{
    [Theory]
    [InlineData(false, 12, 24)]
    [InlineData(true, 8, 44)]
    public void Every_byte_of_addresses_and_ports_tells_flows_apart_and_no_other(bool isIPv6, int start, int end)
    {
        var template = new TestPacket { IsIPv6 = isIPv6 };
        var packet = template.Build();
        var headers = new TransportPacket(isIPv6, true, template.TransportOffset, template.HeaderLength);
        var flow = new FlowKey(packet, headers);
        for (var i = 0; i < packet.Length; i++)
        {
            var changed = packet.ToArray();
            changed[i] ^= 0x80;
            var other = new FlowKey(changed, headers);
            Assert.Equal(i < start || i >= end, flow.Equals(other));
            Assert.True(!flow.Equals(other) || flow.GetHashCode() == other.GetHashCode());
        }

        Assert.False(flow.Equals(new FlowKey(packet, headers with { IsTcp = false })));
        Assert.False(flow.Equals(new FlowKey(new byte[60], headers)));
        Assert.False(new FlowKey(new byte[60], headers).Equals(new FlowKey(new byte[60], headers with { IsIPv6 = !isIPv6 })));
    }

    [Fact]
    public void However_many_flows_there_are_each_finds_its_own_group_or_none()
    {
        var table = new FlowTable();
        for (var i = 0; i < 40_000; i++)
        {
            var number = i % 2_000;
            ref var group = ref table.GroupOf(Flow(number));
            Assert.True(group == FlowTable.NoGroup || group % 2_000 == number);
            group = i;
            Assert.Equal(i, table.GroupOf(Flow(number)));
        }

        table.Clear();
        Assert.Equal(FlowTable.NoGroup, table.GroupOf(Flow(39_999 % 2_000)));
    }

    private static FlowKey Flow(int port)
    {
        var packet = new byte[40];
        (packet[20], packet[21]) = ((byte)(port >> 8), (byte)port);
        return new FlowKey(packet, new TransportPacket(false, true, 20, 40));
    }
}
