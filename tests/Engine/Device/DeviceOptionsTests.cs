using WgMesh.Engine.Device;

namespace WgMesh.Engine.Tests.Device;

public class DeviceOptionsTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    [InlineData(16, 8)]
    [InlineData(128, 8)]
    public void There_are_half_as_many_lanes_as_processors_and_at_most_eight(int processors, int lanes) =>
        Assert.Equal(lanes, DeviceOptions.LanesFor(processors));

    // .NET counts what the cgroup's quota allows (and DOTNET_PROCESSOR_COUNT), not what the machine has
    [Fact]
    public void The_processors_are_those_that_the_process_may_use() =>
        Assert.Equal(DeviceOptions.LanesFor(Environment.ProcessorCount), new DeviceOptions { Name = "wg0" }.Lanes);

    [Theory]
    [InlineData("", Offloads.None)]
    [InlineData("tun-tso", Offloads.TunTso)]
    [InlineData("udp-gro, udp-gso,tun-uso", Offloads.UdpGro | Offloads.UdpGso | Offloads.TunUso)]
    public void Offloads_are_named_in_a_list(string list, Offloads expected)
    {
        Assert.True(OffloadNames.TryParse(list, out var offloads, out _));
        Assert.Equal(expected, offloads);
    }

    [Fact]
    public void A_name_that_is_none_is_told()
    {
        Assert.False(OffloadNames.TryParse("tun-tso,tun-gro", out _, out var unknown));
        Assert.Equal("tun-gro", unknown);
    }

    [Fact]
    public void An_offload_that_is_refused_is_switched_off_once_and_said_once()
    {
        var said = new List<string>();
        var switches = new OffloadSwitches(said.Add);
        switches.SwitchOn(Offloads.UdpGso | Offloads.TunTso);
        switches.CountRefusal(Offloads.UdpGso);
        switches.SwitchOff(Offloads.UdpGso, "EIO");
        switches.SwitchOff(Offloads.UdpGso, "EIO");
        Assert.Equal(Offloads.TunTso, switches.On);
        Assert.Equal(1, switches.Refusals(Offloads.UdpGso));
        Assert.Contains("udp-gso", Assert.Single(said), StringComparison.Ordinal);
        Assert.Contains("EIO", said[0], StringComparison.Ordinal);
    }
}
