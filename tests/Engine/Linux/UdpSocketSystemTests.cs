using System.Runtime.InteropServices;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

[Trait("needs", "system")]
public sealed class UdpSocketSystemTests : IDisposable
{
    private readonly NetNamespace _left = new();
    private readonly NetNamespace _right = new();

    public UdpSocketSystemTests()
    {
        NetNamespace.Connect(_left, _right);
        _left.Ip("addr add 192.0.2.1/24 dev eth0");
        _right.Ip("addr add 192.0.2.2/24 dev eth0");
        _left.Ip("addr add 2001:db8::1/64 dev eth0 nodad");
        _right.Ip("addr add 2001:db8::2/64 dev eth0 nodad");
    }

    public static TheoryData<string, string, string> Families => new()
    {
        { "192.0.2.1", "192.0.2.2", "192.0.2.22" },
        { "2001:db8::1", "2001:db8::2", "2001:db8::22" },
    };

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void What_came_to_the_second_address_of_an_interface_is_answered_from_there(string left, string right, string second)
    {
        _right.Ip($"addr add {second}/{(second.Contains(':', StringComparison.Ordinal) ? "64 nodad" : "24")} dev eth0");
        var (from, to) = Bind(left);
        using var both = new Both(from, to);

        foreach (var called in new[] { second, right })
        {
            Assert.Equal(Errno.None, from.Send("ping"u8, Datagrams.At(called, to.Port)));
            var ping = to.ReceiveOne();
            Assert.Equal(("ping", new UdpPath(Datagrams.At(left, from.Port), Datagrams.Local(called))), (ping.Text, ping.From));
            Assert.Equal(Errno.None, to.Send("pong"u8, ping.From));
            Assert.Equal(Datagrams.At(called, to.Port), from.ReceiveOne().From.Remote);
        }

        // and when that address is gone, that is an error of its own
        _right.Ip($"addr del {second}/{(second.Contains(':', StringComparison.Ordinal) ? "64" : "24")} dev eth0");
        Assert.Contains(to.Send("pong"u8, new UdpPath(Datagrams.At(left, from.Port), Datagrams.Local(second))), Datagrams.SourceIsGone);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Runs_cross_a_veth_pair_and_each_message_names_the_address_it_came_to(string left, string right, string second)
    {
        Assert.NotEqual(right, second);
        var (from, to) = Bind(left);
        using var both = new Both(from, to);
        var run = Datagrams.Numbered((40 * 1400) + 5, 1400);
        Assert.Equal(Errno.None, from.SendRun(run, 1400, Datagrams.At(right, to.Port), 0x01));
        var received = to.Receive(41);
        Assert.Equal(run.Chunk(1400), received.SelectMany(message => message.Split()));
        Assert.All(received, message => Assert.Equal(new UdpPath(Datagrams.At(left, from.Port), Datagrams.Local(right)), message.From));
        Assert.All(received, message => Assert.Equal(0x01, message.TrafficClass));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_datagram_longer_than_the_MTU_goes_in_fragments_and_a_run_of_such_is_refused_whole(string left, string right, string second)
    {
        Assert.NotEqual(right, second);
        _left.Ip("link set eth0 mtu 1280");
        var (from, to) = Bind(left);
        using var both = new Both(from, to);
        Assert.Contains(from.SendRun(new byte[14_000], 1400, Datagrams.At(right, to.Port)), new[] { Errno.EMSGSIZE, Errno.EINVAL });
        var datagram = Datagrams.Numbered(1400, 1400);
        Assert.Equal(Errno.None, from.Send(datagram, Datagrams.At(right, to.Port)));
        Assert.Equal(datagram, to.ReceiveOne().Bytes);
        Assert.Empty(to.ReceiveAll());
    }

    [Fact]
    public void Routers_may_cut_a_datagram_up()
    {
        using var tun = _left.Run(() => TunDevice.Open("tun0"));
        _left.Ip("link set tun0 up");
        _left.Ip("route add 198.51.100.1/32 dev tun0");
        var (from, to) = Bind("192.0.2.1");
        using var both = new Both(from, to);
        var packet = new byte[VirtioHeader.Length + 1500];
        foreach (var length in new[] { 100, 1400 })
        {
            Assert.Equal(Errno.None, from.Send(new byte[length], Datagrams.At("198.51.100.1", 9)));
            do
            {
                Assert.Equal(1u, Poll.Wait([tun.Queues[0].Descriptor], Datagrams.Patience));
                tun.Queues[0].Read(packet, out _);
            }
            while (packet[VirtioHeader.Length] >> 4 != 4); // the kernel has its own to say in IPv6

            Assert.Equal(0, packet[VirtioHeader.Length + 6] & 0x40); // Don't Fragment
        }
    }

    [Fact]
    public void A_link_local_peer_comes_with_the_interface_to_answer_by()
    {
        _left.Ip("addr add fe80::a/64 dev eth0 nodad");
        _right.Ip("addr add fe80::b/64 dev eth0 nodad");
        _right.Ip("addr add fe80::bb/64 dev eth0 nodad");
        var (from, to) = Bind("::");
        using var both = new Both(from, to);
        var (leftLink, rightLink) = (InterfaceIndex(_left), InterfaceIndex(_right));
        foreach (var called in new[] { "fe80::bb", "fe80::b" })
        {
            var sender = new UdpPath(Datagrams.At(called, to.Port, leftLink), Datagrams.Local("fe80::a", leftLink));
            Assert.Equal(Errno.None, from.Send("x"u8, sender));
            var received = to.ReceiveOne();
            Assert.Equal(new UdpPath(Datagrams.At("fe80::a", from.Port, rightLink), Datagrams.Local(called, rightLink)), received.From);
            Assert.Equal(Errno.None, to.Send("y"u8, received.From));
            Assert.Equal(sender, from.ReceiveOne().From);
        }

        Assert.Equal(
            Errno.ENODEV, to.Send("y"u8, new UdpPath(Datagrams.At("fe80::a", from.Port, rightLink + 1000), Datagrams.Local("fe80::b", rightLink + 1000))));
    }

    [Fact]
    public void What_came_to_a_multicast_address_leaves_the_source_of_the_answer_open()
    {
        var (from, to) = Bind("::");
        using var both = new Both(from, to);
        Assert.Equal(Errno.None, from.Send("x"u8, Datagrams.At("ff02::1", to.Port, InterfaceIndex(_left))));
        Assert.False(to.ReceiveOne().From.Local.IsKnown);
    }

    [Fact]
    public void With_no_room_a_sender_waits_and_is_then_told_how_much_went()
    {
        // 125 bytes a second: what is sent stays in the queue, and counts as the socket's
        NetNamespace.Command("tc", "-n", _left.Name, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "1kbit", "burst", "2k", "limit", "100mb");
        var (from, to) = Bind("192.0.2.1");
        using var both = new Both(from, to);
        UdpSocket.SetOption(from.Descriptor, SysSocket.SocketLevel, SysSocket.SendBuffer, 64 << 10, "SO_SNDBUF");
        var runs = Enumerable.Repeat(new UdpRun(0, 1400, 1400, Datagrams.At("192.0.2.2", to.Port), 0), 2000).ToArray();
        var sent = from.Send(new byte[1400], runs, new UdpSendBatch(), out var errno);
        Assert.InRange(sent, 1, runs.Length - 1);
        Assert.Equal(Errno.EAGAIN, errno);
        Assert.Equal(0, from.Send(new byte[1400], runs, new UdpSendBatch(), out errno));
        Assert.Equal(Errno.EAGAIN, errno);
    }

    [Fact]
    public void With_IPv6_switched_off_IPv4_works_and_an_IPv6_send_is_an_error_value()
    {
        using var space = new NetNamespace();
        space.Exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.lo.disable_ipv6=1");
        using var pair = space.Run(() => UdpSocketPair.Bind(0, lanes: 2));
        Assert.Equal(Errno.None, pair.IPv4![0].Send("x"u8, Datagrams.At("127.0.0.1", pair.Port)));
        Assert.Contains(
            pair.IPv6![0].Send("x"u8, Datagrams.At("::1", pair.Port)), new[] { Errno.ENETUNREACH, Errno.EADDRNOTAVAIL, Errno.EAFNOSUPPORT });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Without_an_IPv6_family_in_the_kernel_the_pair_is_IPv4_alone(int lanes)
    {
        using var pair = _left.Run(() =>
        {
            RefuseIPv6Sockets(); // of this thread only, which ends here
            return UdpSocketPair.Bind(51820, lanes: lanes);
        });
        Assert.Null(pair.IPv6);
        Assert.Equal(51820, pair.Port);
        Assert.Equal(lanes, pair.IPv4!.Count);
        Assert.Equal(Errno.None, pair.IPv4[0].Send("x"u8, Datagrams.At("127.0.0.1", 51820)));
        Assert.Equal(Errno.EADDRINUSE, Assert.Throws<LinuxException>(() => _left.Run(() => UdpSocketPair.Bind(51820, lanes: lanes))).Errno);
    }

    [Fact]
    public void The_mark_decides_the_route_on_every_lane()
    {
        using var pair = _left.Run(() => UdpSocketPair.Bind(0, lanes: 2));
        _left.Ip("rule add fwmark 51820 table 77");
        _left.Ip("route add 198.51.100.0/24 dev lo table 77");
        var somewhere = Datagrams.At("198.51.100.1", 9);
        Assert.All(pair.IPv4!, socket => Assert.Equal(Errno.ENETUNREACH, socket.Send("x"u8, somewhere)));
        pair.SetMark(51820);
        Assert.All(pair.IPv4!, socket => Assert.Equal(Errno.None, socket.Send("x"u8, somewhere)));
        using var marked = _left.Run(() => UdpSocketPair.Bind(0, 51820, lanes: 2));
        Assert.All(marked.IPv4!, socket => Assert.Equal(Errno.None, socket.Send("x"u8, somewhere)));
    }

    [Fact]
    public void Buffers_hold_seven_mebibytes_whatever_the_sysctl_says()
    {
        using var pair = _left.Run(() => UdpSocketPair.Bind(51820));
        // the kernel doubles the value for its own bookkeeping
        var sockets = _left.Exec("ss", "-HulnmO", "sport", "=", ":51820").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, sockets.Length);
        Assert.All(sockets, line => Assert.Contains($"rb{2 * UdpSocket.BufferSize},", line, StringComparison.Ordinal));
        Assert.All(sockets, line => Assert.Contains($"tb{2 * UdpSocket.BufferSize},", line, StringComparison.Ordinal));
    }

    private (UdpSocket Left, UdpSocket Right) Bind(string family)
    {
        var isIPv6 = family.Contains(':', StringComparison.Ordinal);
        return (_left.Run(() => UdpSocket.Bind(isIPv6, 7000)), _right.Run(() => UdpSocket.Bind(isIPv6, 7001)));
    }

    // a seccomp filter that answers socket(AF_INET6, ...) as a kernel booted with ipv6.disable=1 does
    private static unsafe void RefuseIPv6Sockets()
    {
        var socketCall = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 198u : 41u;
        var program = stackalloc ulong[] // struct sock_filter: code, jump if true, jump if false, operand
        {
            Instruction(0x20, 0, 0, 0), // load the call's number
            Instruction(0x15, 0, 3, socketCall),
            Instruction(0x20, 0, 0, 16), // load its first argument
            Instruction(0x15, 0, 1, 10), // AF_INET6
            Instruction(0x06, 0, 0, 0x0005_0000 | Errno.EAFNOSUPPORT), // SECCOMP_RET_ERRNO
            Instruction(0x06, 0, 0, 0x7fff_0000), // SECCOMP_RET_ALLOW
        };
        var filter = stackalloc nuint[] { 6, (nuint)program };
        Assert.Equal(0, Prctl(22 /* PR_SET_SECCOMP */, 2 /* SECCOMP_MODE_FILTER */, (nuint)filter, 0, 0));

        static ulong Instruction(ushort code, byte ifTrue, byte ifFalse, uint operand) => code | (ulong)ifTrue << 16 | (ulong)ifFalse << 24 | (ulong)operand << 32;
    }

    [DllImport("libc", EntryPoint = "prctl")]
    private static extern int Prctl(int option, nuint a, nuint b, nuint c, nuint d);

    private static uint InterfaceIndex(NetNamespace space) =>
        System.Text.Json.JsonDocument.Parse(space.Ip("-j link show dev eth0")).RootElement[0].GetProperty("ifindex").GetUInt32();

    private sealed class Both(UdpSocket left, UdpSocket right) : IDisposable
    {
        public void Dispose()
        {
            left.Dispose();
            right.Dispose();
        }
    }
}
