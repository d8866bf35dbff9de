using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

/// <summary>What the TUN driver of this machine's kernel can do, asked without the code that is under test.</summary>
internal static class KernelTun
{
    private static readonly Lazy<bool> Uso = new(Probe);

    /// <summary>Whether it takes super-packets of UDP (Linux 6.2).</summary>
    public static bool HasUso => Uso.Value;

    private static unsafe bool Probe()
    {
        using var space = new NetNamespace();
        return space.Run(() =>
        {
            using var tun = Descriptor.Open(Fcntl.Open("/dev/net/tun", Fcntl.ReadWrite | Fcntl.CloseOnExec, 0), "open /dev/net/tun");
            var request = new NetIf.InterfaceRequest { Flags = LinuxIfTun.Tun | LinuxIfTun.NoPacketInfo | LinuxIfTun.VnetHeader };
            request.SetName("probe");
            Assert.Equal(0, SysIoctl.Ioctl(tun.Number, LinuxIfTun.SetInterface, &request));
            return SysIoctl.Ioctl(tun.Number, LinuxIfTun.SetOffload, (nuint)(TunOffloads.Checksum | TunOffloads.Uso4 | TunOffloads.Uso6)) == 0;
        });
    }
}
