using WgMesh.Engine.Device;

namespace WgMesh.Engine.Tests.Device;

public sealed class DeviceRehearsalTests
{
    [Fact]
    public void Packets_arrive_both_ways() => Assert.True(DeviceRehearsal.Run());
}
