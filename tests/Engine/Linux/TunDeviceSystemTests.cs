using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

[Trait("needs", "system")]
public sealed class TunDeviceSystemTests
{
    private const TunOffloads AllOffloads =
        TunOffloads.Checksum | TunOffloads.Tso4 | TunOffloads.Tso6 | TunOffloads.Uso4 | TunOffloads.Uso6;

    private static readonly TimeSpan Patience = Datagrams.Patience;

    /// <summary>To this machine's kernel.</summary>
    private static TunOffloads Known => KernelTun.HasUso ? AllOffloads : AllOffloads & ~(TunOffloads.Uso4 | TunOffloads.Uso6);

    [Fact]
    public void A_ping_is_read_from_the_interface_and_the_answer_written_to_it_arrives()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal("wg0", tun.Name);
        var queue = Assert.Single(tun.Queues);
        space.Ip("addr add 10.9.0.1/24 dev wg0");
        space.Ip("link set wg0 up");
        using var ping = space.Start("ping", "-c1", "-w60", "10.9.0.2");

        var buffer = new byte[2048];
        var packet = buffer.AsSpan(VirtioHeader.Length);
        int count;
        do
        {
            Assert.Equal(1u, Poll.Wait([queue.Descriptor], Patience));
            count = queue.Read(buffer, out var errno);
            Assert.Equal(Errno.None, errno);
        }
        while (packet[0] != 0x45); // the kernel also sends IPv6 router solicitations

        Assert.Equal(VirtioHeader.Length + 84, count);
        Assert.Equal(default, VirtioHeader.Read(buffer));
        Assert.Equal("0A0900010A090002", Convert.ToHexString(packet.Slice(12, 8)));
        Assert.Equal(8, packet[20]); // echo request

        (packet[15], packet[19]) = (packet[19], packet[15]);
        packet[20] = 0; // echo reply, whose checksum is larger by the type's 8
        BinaryPrimitives.WriteUInt16BigEndian(packet[22..], OnesComplementAdd(BinaryPrimitives.ReadUInt16BigEndian(packet[22..]), 0x0800));
        Assert.Equal(count, queue.Write(default, buffer, [new Slice(VirtioHeader.Length, 84)], out _));
        Assert.True(ping.WaitForExit(Patience));
        Assert.Equal(0, ping.ExitCode);
    }

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2", (byte)VirtioGso.TcpV4)]
    [InlineData("fd09::1", "fd09::2", (byte)VirtioGso.TcpV6)]
    public async Task A_TCP_stream_is_read_and_written_in_super_packets(string left, string right, byte gso)
    {
        using var hosts = new WiredHosts(1, AllOffloads);
        var data = Datagrams.Numbered(4 << 20, 1009);
        using var listener = hosts.Right.Run(() => new TcpListener(IPAddress.Parse(right), 7000));
        listener.Start();
        var accepted = AcceptAsync(listener);
        using (var client = hosts.Left.Run(() => new TcpClient(new IPEndPoint(IPAddress.Parse(left), 0))))
        {
            await client.ConnectAsync(IPAddress.Parse(right), 7000);
            await client.GetStream().WriteAsync(data);
        }

        Assert.Equal(data, await accepted.WaitAsync(Patience));
        Assert.Empty(hosts.Wire.Refused);
        var runs = hosts.Wire.Carried.Where(packet => packet.Header.Gso == (VirtioGso)gso).ToList();
        Assert.NotEmpty(runs);
        Assert.All(runs, packet => Assert.True(packet.Length > packet.Header.SegmentSize && packet.Header.Flags == VirtioFlags.NeedsChecksum));
        Assert.Contains(runs, packet => packet.Length > 1500);
    }

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.2")]
    [InlineData("fd09::1", "fd09::2")]
    public void A_run_of_UDP_is_read_and_written_as_a_super_packet(string left, string right)
    {
        using var hosts = new WiredHosts(1, AllOffloads);
        var isIPv6 = left.Contains(':', StringComparison.Ordinal);
        using var from = hosts.Left.Run(() => UdpSocket.Bind(isIPv6, 7000));
        using var to = hosts.Right.Run(() => UdpSocket.Bind(isIPv6, 7000));
        var run = Datagrams.Numbered((20 * 1200) + 7, 1200);
        Assert.Equal(Errno.None, from.SendRun(run, 1200, Datagrams.At(right, 7000)));
        Assert.Equal(run.Chunk(1200), to.Receive(21).SelectMany(message => message.Split()));
        Assert.Empty(hosts.Wire.Refused);
        if (!KernelTun.HasUso)
        {
            Assert.DoesNotContain(hosts.Wire.Carried, packet => packet.Header.Gso == VirtioGso.UdpL4);
            return;
        }

        var super = Assert.Single(hosts.Wire.Carried, packet => packet.Header.Gso == VirtioGso.UdpL4);
        Assert.Equal(1200, super.Header.SegmentSize);
        Assert.Equal(run.Length + (isIPv6 ? 48 : 28), super.Length);
    }

    [Theory]
    [InlineData(TunOffloads.None, TunOffloads.None)]
    [InlineData(TunOffloads.Checksum, TunOffloads.Checksum)]
    [InlineData(TunOffloads.Tso4, TunOffloads.Tso4 | TunOffloads.Checksum)]
    [InlineData(TunOffloads.Tso4 | TunOffloads.Tso6, TunOffloads.Checksum | TunOffloads.Tso4 | TunOffloads.Tso6)]
    [InlineData(TunOffloads.Tso4 | TunOffloads.Tso6 | TunOffloads.Uso4, TunOffloads.Checksum | TunOffloads.Tso4 | TunOffloads.Tso6)] // one family's USO alone is EINVAL
    [InlineData(AllOffloads, AllOffloads)]
    public void The_offloads_that_the_kernel_takes_are_on_and_no_others(TunOffloads wanted, TunOffloads on)
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0", 1, wanted));
        Assert.Equal(on & Known, tun.Offloads);
    }

    [Fact]
    public void Without_offloads_every_packet_fits_the_MTU_and_is_whole()
    {
        using var hosts = new WiredHosts(1, TunOffloads.None);
        using var from = hosts.Left.Run(() => UdpSocket.Bind(false, 7000));
        using var to = hosts.Right.Run(() => UdpSocket.Bind(false, 7000));
        var run = Datagrams.Numbered(20 * 1200, 1200);
        Assert.Equal(Errno.None, from.SendRun(run, 1200, Datagrams.At("10.9.0.2", 7000)));
        Assert.Equal(run.Chunk(1200), to.Receive(20).SelectMany(message => message.Split()));
        Assert.All(hosts.Wire.Carried, packet => Assert.True(packet is { Header.Gso: VirtioGso.None, Length: <= 1500 }));
        Assert.All(hosts.Wire.Carried, packet => Assert.False(packet.Header.Flags.HasFlag(VirtioFlags.NeedsChecksum)));
    }

    [Fact]
    public void Flows_are_spread_over_the_queues_and_each_stays_on_one()
    {
        const int Flows = 64;
        using var hosts = new WiredHosts(3, TunOffloads.None);
        using var to = hosts.Right.Run(() => UdpSocket.Bind(false, 7000));
        var senders = Enumerable.Range(0, Flows).Select(_ => hosts.Left.Run(() => UdpSocket.Bind(false, 0))).ToArray();
        try
        {
            foreach (var length in Enumerable.Range(0, Flows * 3))
            {
                Assert.Equal(Errno.None, senders[length % Flows].Send(new byte[1 + length], Datagrams.At("10.9.0.2", 7000)));
            }

            to.Receive(Flows * 3);
        }
        finally
        {
            Array.ForEach(senders, sender => sender.Dispose());
        }

        var flows = hosts.Wire.Carried.Where(packet => packet.Length is > 28 and <= 28 + (Flows * 3)).ToLookup(packet => (packet.Length - 29) % Flows, packet => packet.Queue);
        Assert.True(flows.SelectMany(queues => queues).Distinct().Count() > 1);
        Assert.All(flows.Where(queues => queues.Count() == 3), queues => Assert.Single(queues.Distinct()));
    }

    [Fact]
    public void Errors_of_read_and_write_are_values()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0", 1, AllOffloads));
        var queue = tun.Queues[0];
        Assert.Equal(-1, queue.Read(new byte[2048], out var errno));
        Assert.Equal(Errno.EAGAIN, errno);
        Assert.Equal(-1, queue.Write(default, [0x45, .. new byte[19]], [new Slice(0, 20)], out errno));
        Assert.Equal(Errno.EIO, errno); // it is down
        space.Ip("link set wg0 up");
        Assert.Equal(-1, queue.Write(default, new byte[20], [new Slice(0, 20)], out errno));
        Assert.Equal(Errno.EINVAL, errno); // neither IPv4 nor IPv6
        Assert.Equal(-1, queue.Write(default, [0x45, .. new byte[19]], new Slice[1024], out errno));
        Assert.Equal(Errno.EINVAL, errno); // more pieces than the kernel takes
        var beyond = new VirtioHeader(VirtioFlags.NeedsChecksum, VirtioGso.TcpV4, 40, 1000, 200, 16);
        Assert.Equal(-1, queue.Write(beyond, [0x45, .. new byte[59]], [new Slice(0, 60)], out errno));
        Assert.Equal(Errno.EINVAL, errno); // a checksum outside of the packet
        tun.Dispose();
        Assert.Equal(-1, queue.Write(default, new byte[20], [new Slice(0, 20)], out errno));
        Assert.Equal(Errno.EBADF, errno);
        Assert.Equal(-1, queue.Read(new byte[2048], out errno));
        Assert.Equal(Errno.EBADF, errno);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Every_reader_learns_that_the_interface_was_deleted(int queues)
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0", queues));
        using var stop = new EventFd();
        space.Ip("link del wg0");
        Assert.All(tun.Queues, queue =>
        {
            Assert.Equal(1u, Poll.Wait([queue.Descriptor, stop.Descriptor], Patience));
            Assert.Equal(-1, queue.Read(new byte[2048], out var errno));
            Assert.Equal(Errno.EBADFD, errno);
            Assert.Equal(-1, queue.Write(default, new byte[20], [new Slice(0, 20)], out errno));
            Assert.Equal(Errno.EBADFD, errno);
        });
    }

    [Fact]
    public void No_packet_costs_an_allocation()
    {
        using var space = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0", 1, AllOffloads));
        space.Ip("addr add 10.9.0.1/24 dev wg0");
        space.Ip("link set wg0 up");
        using var socket = space.Run(() => UdpSocket.Bind(false, 0));
        var queue = tun.Queues[0];
        var buffer = new byte[VirtioHeader.Length + 65_535];
        var scratch = new UdpSendBatch();
        UdpRun[] runs = [new(0, 100, 100, Datagrams.At("10.9.0.2", 9), 0)];
        var written = 0;
        Assert.Equal(0, ThreadAllocations.Of(Round));
        Assert.True(written > 0);

        void Round()
        {
            socket.Send(buffer, runs, scratch, out _);
            Poll.Wait([queue.Descriptor], Patience);
            var length = queue.Read(buffer, out _);
            Slice slice = new(VirtioHeader.Length, length - VirtioHeader.Length);
            written += queue.Write(VirtioHeader.Read(buffer), buffer, new ReadOnlySpan<Slice>(in slice), out _) > 0 ? 1 : 0;
        }
    }

    [Fact]
    public void The_kernel_fills_in_the_number_of_a_name()
    {
        using var space = new NetNamespace();
        using var first = space.Run(() => TunDevice.Open("wg%d"));
        using var second = space.Run(() => TunDevice.Open("wg%d"));
        Assert.Equal(("wg0", "wg1"), (first.Name, second.Name));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_persistent_interface_outlives_its_process_and_is_taken_up_again(int queues)
    {
        using var space = new NetNamespace();
        using (var tun = space.Run(() => TunDevice.Open("wg0", queues, AllOffloads)))
        {
            tun.Persist(true);
        }

        space.Ip("link set wg0 mtu 1380");
        using (var tun = space.Run(() => TunDevice.Open("wg0", queues)))
        {
            Assert.Equal(1380, tun.GetMtu());
            Assert.Equal(queues, tun.Queues.Count);
            tun.Persist(false);
        }

        Assert.DoesNotContain("wg0", space.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_last_owner_of_a_persistent_interface_could_do_is_not_expected_of_the_next()
    {
        using var space = new NetNamespace();
        using (var tun = space.Run(() => TunDevice.Open("wg0", 1, AllOffloads)))
        {
            tun.Persist(true);
        }

        using var next = space.Run(() => TunDevice.Open("wg0"));
        Assert.Equal(TunOffloads.None, next.Offloads);
        space.Ip("addr add 10.9.0.1/24 dev wg0");
        space.Ip("link set wg0 up");
        using var socket = space.Run(() => UdpSocket.Bind(false, 0));
        Assert.Equal(Errno.None, socket.SendRun(new byte[12_000], 1200, Datagrams.At("10.9.0.2", 9)));
        var packet = new byte[VirtioHeader.Length + 65_535];
        for (var left = 10; left > 0;)
        {
            Assert.Equal(1u, Poll.Wait([next.Queues[0].Descriptor], Patience));
            var length = next.Queues[0].Read(packet, out _) - VirtioHeader.Length;
            Assert.Equal(default, VirtioHeader.Read(packet));
            left -= length == 1228 ? 1 : 0; // the kernel has its own to say in IPv6
        }

        next.Persist(false);
    }

    [Theory]
    [InlineData("", 3, 1)]
    [InlineData(" multi_queue", 1, 1)]
    [InlineData(" multi_queue", 3, 3)]
    [InlineData(" vnet_hdr pi", 1, 1)]
    public void A_persistent_interface_of_either_kind_is_taken_up_as_it_is(string kind, int wanted, int got)
    {
        using var hosts = new WiredHosts(wanted, AllOffloads, $"tuntap add wg0 mode tun{kind}");
        Assert.Equal(got, hosts.LeftTun.Queues.Count);
        Assert.Equal(AllOffloads & Known, hosts.LeftTun.Offloads);
        using var from = hosts.Left.Run(() => UdpSocket.Bind(false, 7000));
        using var to = hosts.Right.Run(() => UdpSocket.Bind(false, 7000));
        var run = Datagrams.Numbered(20 * 1200, 1200);
        Assert.Equal(Errno.None, from.SendRun(run, 1200, Datagrams.At("10.9.0.2", 7000)));
        Assert.Equal(run.Chunk(1200), to.Receive(20).SelectMany(message => message.Split()));
        Assert.Equal(KernelTun.HasUso ? 1 : 0, hosts.Wire.Carried.Count(packet => packet.Header.Gso == VirtioGso.UdpL4));
    }

    [Theory]
    [InlineData("", 1, true)]
    [InlineData("", 1, false)]
    [InlineData(" multi_queue", 2, true)]
    [InlineData(" multi_queue", 2, false)]
    public void Nobody_without_CAP_NET_ADMIN_joins_an_interface_in_use_or_takes_up_one_that_is_not(string kind, int queues, bool inUse)
    {
        using var space = new NetNamespace();
        space.Ip($"tuntap add wg0 mode tun{kind}"); // by a program that gave it no owner
        var tun = space.Run(() => TunDevice.Open("wg0", queues));
        try
        {
            if (!inUse)
            {
                tun.Dispose();
            }

            Assert.Equal(Errno.EPERM, space.Run(() => JoinAsNobody("wg0", queues > 1)));
        }
        finally
        {
            tun.Dispose();
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    [InlineData(2, 2)]
    public void Nobody_joins_an_interface_that_another_has_open(int theirs, int ours)
    {
        using var space = new NetNamespace();
        using (var tun = space.Run(() => TunDevice.Open("wg0", theirs)))
        {
            tun.Persist(true);
            var e = Assert.Throws<LinuxException>(() => space.Run(() => TunDevice.Open("wg0", ours)));
            Assert.Equal(Errno.EBUSY, e.Errno);
            Assert.Contains("another process", e.Message, StringComparison.Ordinal);
            Assert.Equal(theirs, tun.Queues.Count);
            tun.GetMtu();
        }

        using var next = space.Run(() => TunDevice.Open("wg0", ours));
        next.Persist(false);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_MTU_is_read_also_after_the_interface_was_renamed_and_moved(int queues)
    {
        using var space = new NetNamespace();
        using var other = new NetNamespace();
        using var tun = space.Run(() => TunDevice.Open("wg0", queues));
        Assert.Equal(1500, tun.GetMtu());
        space.Ip($"link set wg0 name mesh netns {other.Name}");
        other.Ip("link set mesh mtu 1420");
        Assert.Equal(1420, tun.GetMtu());
    }

    [Fact]
    public void Packets_flow_on_when_the_interface_was_moved_to_another_namespace()
    {
        using var hosts = new WiredHosts(2, AllOffloads);
        using var other = new NetNamespace();
        hosts.Left.Ip($"link set wg0 netns {other.Name}");
        other.Ip("addr add 10.9.0.3/24 dev wg0");
        other.Ip("link set wg0 up");
        using var from = other.Run(() => UdpSocket.Bind(false, 7000));
        using var to = hosts.Right.Run(() => UdpSocket.Bind(false, 7000));
        Assert.Equal(Errno.None, from.SendRun(new byte[12_000], 1200, Datagrams.At("10.9.0.2", 7000)));
        Assert.Equal(Datagrams.At("10.9.0.3", 7000), to.Receive(10)[0].From.Remote);
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

    private static async Task<byte[]> AcceptAsync(TcpListener listener)
    {
        using var server = await listener.AcceptTcpClientAsync();
        var received = new MemoryStream();
        await server.GetStream().CopyToAsync(received);
        return received.ToArray();
    }

    private static ushort OnesComplementAdd(int a, int b) => (ushort)(a + b + (a + b >> 16));

    // Opens /dev/net/tun, which may be root's alone or not, as root, and the interface as user 65534: of this thread only, which ends here.
    private static unsafe int JoinAsNobody(string name, bool isMultiQueue)
    {
        const uint Nobody = 65534;
        using var descriptor = Descriptor.Open(Fcntl.Open("/dev/net/tun", Fcntl.ReadWrite | Fcntl.CloseOnExec, 0), "open", "");
        var flags = LinuxIfTun.Tun | LinuxIfTun.NoPacketInfo | LinuxIfTun.VnetHeader | (isMultiQueue ? LinuxIfTun.MultiQueue : 0);
        var request = new NetIf.InterfaceRequest { Flags = (ushort)flags };
        request.SetName(name);
        // setresuid(2) by its number, since libc's would change all threads
        Assert.Equal(0, Syscall(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 117 : 147, Nobody, Nobody, Nobody));
        return SysIoctl.Ioctl(descriptor.Number, LinuxIfTun.SetInterface, &request) == 0 ? Errno.None : Marshal.GetLastPInvokeError();
    }

    [DllImport("libc", EntryPoint = "syscall")]
    private static extern nint Syscall(nint number, nuint real, nuint effective, nuint saved);

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

    [DllImport("libc", EntryPoint = "capget")]
    private static extern unsafe int Capget(uint* header, uint* data);

    [DllImport("libc", EntryPoint = "capset")]
    private static extern unsafe int Capset(uint* header, uint* data);

    /// <summary>Two hosts whose TUNs are joined by a <see cref="VirtualWire"/>: 10.9.0.1, fd09::1 and 10.9.0.2, fd09::2.</summary>
    private sealed class WiredHosts : IDisposable
    {
        public WiredHosts(int queues, TunOffloads offloads, string? before = null)
        {
            if (before is not null)
            {
                Left.Ip(before);
            }

            LeftTun = Left.Run(() => TunDevice.Open("wg0", queues, offloads));
            RightTun = Right.Run(() => TunDevice.Open("wg0", queues, offloads));
            foreach (var (host, number) in new[] { (Left, 1), (Right, 2) })
            {
                host.Ip($"addr add 10.9.0.{number}/24 dev wg0");
                host.Ip($"addr add fd09::{number}/64 dev wg0 nodad");
                host.Ip("link set wg0 up");
            }

            Wire = new VirtualWire(LeftTun, RightTun);
        }

        public NetNamespace Left { get; } = new();

        public NetNamespace Right { get; } = new();

        public TunDevice LeftTun { get; }

        public VirtualWire Wire { get; }

        private TunDevice RightTun { get; }

        public void Dispose()
        {
            Wire.Dispose();
            LeftTun.Dispose();
            RightTun.Dispose();
            Left.Dispose();
            Right.Dispose();
        }
    }
}
