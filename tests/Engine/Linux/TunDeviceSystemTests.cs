using System.Buffers.Binary;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

[Trait("needs", "system")]
public sealed class TunDeviceSystemTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void A_ping_is_read_from_the_interface_and_the_answer_written_to_it_arrives()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal("wg0", tun.Name);
        space.Ip("addr add 10.9.0.1/24 dev wg0");
        space.Ip("link set wg0 up");
        using var ping = space.Start("ping", "-c1", "-w60", "10.9.0.2");

        var packet = new byte[2048];
        int count;
        do
        {
            Assert.Equal(1u, Poll.Wait([tun.Descriptor], Patience));
            count = tun.Read(packet, out var errno);
            Assert.Equal(Errno.None, errno);
        }
        while (packet[0] != 0x45); // the kernel also sends IPv6 router solicitations

        Assert.Equal(84, count);
        Assert.Equal("0A0900010A090002", Convert.ToHexString(packet.AsSpan(12, 8)));
        Assert.Equal(8, packet[20]); // echo request

        (packet[15], packet[19]) = (packet[19], packet[15]);
        packet[20] = 0; // echo reply, whose checksum is larger by the type's 8
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(22), OnesComplementAdd(BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(22)), 0x0800));
        Assert.Equal(84, tun.Write(packet.AsSpan(0, 84), out _));
        Assert.True(ping.WaitForExit(Patience));
        Assert.Equal(0, ping.ExitCode);
    }

    [Fact]
    public void Errors_of_read_and_write_are_values()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal(-1, tun.Read(new byte[2048], out var errno));
        Assert.Equal(Errno.EAGAIN, errno);
        Assert.Equal(-1, tun.Write([0x45, .. new byte[19]], out errno));
        Assert.Equal(Errno.EIO, errno); // it is down
        Assert.Equal(-1, tun.Write(new byte[20], out errno));
        Assert.Equal(Errno.EINVAL, errno); // neither IPv4 nor IPv6
    }

    [Fact]
    public void A_reader_learns_that_the_interface_was_deleted()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        using var stop = new EventFd();
        space.Ip("link del wg0");
        Assert.Equal(1u, Poll.Wait([tun.Descriptor, stop.Descriptor], Patience));
        Assert.Equal(-1, tun.Read(new byte[2048], out var errno));
        Assert.Equal(Errno.EBADFD, errno);
        Assert.Equal(-1, tun.Write(new byte[20], out errno));
        Assert.Equal(Errno.EBADFD, errno);
    }

    [Fact]
    public void The_kernel_fills_in_the_number_of_a_name()
    {
        using var space = new NetNamespace();
        using var first = space.Run(() => TunDevice.Open("wg%d"));
        using var second = space.Run(() => TunDevice.Open("wg%d"));
        Assert.Equal(("wg0", "wg1"), (first.Name, second.Name));
    }

    [Fact]
    public void A_persistent_interface_outlives_its_process_and_is_taken_up_again()
    {
        using var space = new NetNamespace();
        using (var tun = space.Run(() => TunDevice.Open("wg0")))
        {
            tun.Persist(true);
        }

        space.Ip("link set wg0 mtu 1380");
        using (var tun = space.Run(() => TunDevice.Open("wg0")))
        {
            Assert.Equal(1380, tun.GetMtu());
            tun.Persist(false);
        }

        Assert.DoesNotContain("wg0", space.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_MTU_is_read_also_after_the_interface_was_renamed_and_moved()
    {
        using var space = new NetNamespace();
        using var other = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal(1500, tun.GetMtu());
        space.Ip($"link set wg0 name mesh netns {other.Name}");
        other.Ip("link set mesh mtu 1420");
        Assert.Equal(1420, tun.GetMtu());
    }

    [Fact]
    public void A_descriptor_handed_down_is_taken_over()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        var copy = Fcntl.Control(tun.Descriptor.Number, 0 /* F_DUPFD */, 0);
        using var handedDown = TunDevice.FromDescriptor(copy);
        Assert.Equal("wg0", handedDown.Name);
        Assert.Equal(-1, handedDown.Read(new byte[2048], out var errno));
        Assert.Equal(Errno.EAGAIN, errno);
    }

    [Fact]
    public void A_descriptor_of_something_else_is_refused_and_left_open()
    {
        using var file = File.OpenRead("/dev/null");
        var e = Assert.Throws<LinuxException>(() => TunDevice.FromDescriptor((int)file.SafeFileHandle.DangerousGetHandle()));
        Assert.Contains("not the descriptor of a TUN", e.Message, StringComparison.Ordinal);
        Assert.Equal(0, file.Read(new byte[1]));
    }

    [Fact]
    public void A_taken_name_is_EBUSY_whoever_has_it()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal(Errno.EBUSY, Assert.Throws<LinuxException>(() => space.Run(() => TunDevice.Open("wg0"))).Errno);
        space.Ip("link add veth0 type veth peer name veth1");
        var e = Assert.Throws<LinuxException>(() => space.Run(() => TunDevice.Open("veth0")));
        Assert.Equal(Errno.EBUSY, e.Errno);
        Assert.Contains("not a TUN", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a-name-of-16-chr", Errno.ENAMETOOLONG)]
    [InlineData("größergrößer12", Errno.ENAMETOOLONG)] // 14 characters, 18 bytes
    [InlineData("", Errno.EINVAL)]
    [InlineData("..", Errno.EINVAL)]
    [InlineData("a/b", Errno.EINVAL)]
    [InlineData("a b", Errno.EINVAL)]
    [InlineData("a:b", Errno.EINVAL)]
    public void An_impossible_name_is_refused_with_the_rule(string name, int errno)
    {
        var e = Assert.Throws<LinuxException>(() => TunDevice.Open(name));
        Assert.Equal(errno, e.Errno);
        Assert.Contains($"\"{name}\"", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_CAP_NET_ADMIN_the_error_says_so()
    {
        using var space = new NetNamespace();
        var e = Assert.Throws<LinuxException>(() => space.Run(() =>
        {
            DropNetAdmin(); // of this thread only, which ends here
            return TunDevice.Open("wg0");
        }));
        Assert.Equal(Errno.EPERM, e.Errno);
        Assert.Contains("CAP_NET_ADMIN", e.Message, StringComparison.Ordinal);
    }

    private static ushort OnesComplementAdd(int a, int b) => (ushort)(a + b + (a + b >> 16));

    // capset(2), version 3: header and two triples of effective, permitted, inheritable
    private static unsafe void DropNetAdmin()
    {
        const uint NetAdmin = 1u << 12;
        var header = stackalloc uint[] { 0x20080522, 0 };
        var data = stackalloc uint[6];
        Assert.Equal(0, Capget(header, data));
        data[0] &= ~NetAdmin;
        Assert.Equal(0, Capset(header, data));
    }

    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "capget")]
    private static extern unsafe int Capget(uint* header, uint* data);

    [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "capset")]
    private static extern unsafe int Capset(uint* header, uint* data);
}
