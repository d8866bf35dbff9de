using System.Net;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

[Trait("needs", "system")]
public sealed class UdpSocketSystemTests
{
    [Fact]
    public void Datagrams_cross_a_veth_pair_in_both_families_both_ways()
    {
        using var left = new NetNamespace();
        using var right = new NetNamespace();
        NetNamespace.Connect(left, right);
        left.Ip("addr add 192.0.2.1/24 dev eth0");
        right.Ip("addr add 192.0.2.2/24 dev eth0");
        left.Ip("addr add 2001:db8::1/64 dev eth0 nodad");
        right.Ip("addr add 2001:db8::2/64 dev eth0 nodad");
        using var leftPair = left.Run(() => UdpSocketPair.Bind(51820));
        using var rightPair = right.Run(() => UdpSocketPair.Bind(51820));

        foreach (var (leftAddress, rightAddress) in new[] { ("192.0.2.1", "192.0.2.2"), ("[2001:db8::1]", "[2001:db8::2]") })
        {
            Assert.True(Endpoint.TryParse($"{leftAddress}:51820", out var toLeft));
            Assert.True(Endpoint.TryParse($"{rightAddress}:51820", out var toRight));
            Assert.Equal(4, leftPair.Send("ping"u8, toRight, out _));
            Assert.Equal(("ping", toLeft), UdpSocketTests.Receive((toLeft.IsIPv6 ? rightPair.IPv6 : rightPair.IPv4)!));
            Assert.Equal(4, rightPair.Send("pong"u8, toLeft, out _));
            Assert.Equal(("pong", toRight), UdpSocketTests.Receive((toLeft.IsIPv6 ? leftPair.IPv6 : leftPair.IPv4)!));
        }
    }

    [Fact]
    public void A_link_local_sender_comes_with_the_interface_to_answer_by()
    {
        using var left = new NetNamespace();
        using var right = new NetNamespace();
        NetNamespace.Connect(left, right);
        left.Ip("addr add fe80::a/64 dev eth0 nodad");
        right.Ip("addr add fe80::b/64 dev eth0 nodad");
        using var leftSocket = left.Run(() => UdpSocket.Bind(true, 7000));
        using var rightSocket = right.Run(() => UdpSocket.Bind(true, 7000));
        var toRight = Endpoint.From(new IPEndPoint(IPAddress.Parse("fe80::b"), 7000)) with { ScopeId = InterfaceIndex(left) };
        Assert.Equal(1, leftSocket.Send("x"u8, toRight, out _));
        var (_, from) = UdpSocketTests.Receive(rightSocket);
        Assert.NotEqual(0u, from.ScopeId);
        Assert.Equal(1, rightSocket.Send("y"u8, from, out _));
        Assert.Equal(("y", toRight), UdpSocketTests.Receive(leftSocket));
    }

    [Fact]
    public void With_IPv6_switched_off_IPv4_works_and_an_IPv6_send_is_an_error_value()
    {
        using var space = new NetNamespace();
        space.Exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.lo.disable_ipv6=1");
        using var pair = space.Run(() => UdpSocketPair.Bind(0));
        Assert.Equal(1, pair.Send("x"u8, new Endpoint(0x7f000001, pair.Port, false), out _));
        Assert.Equal("x", UdpSocketTests.Receive(pair.IPv4!).Text);
        Assert.Equal(-1, pair.Send("x"u8, new Endpoint(1, pair.Port, true), out var errno));
        Assert.Contains(errno, new[] { Errno.ENETUNREACH, Errno.EADDRNOTAVAIL, Errno.EAFNOSUPPORT });
    }

    [Fact]
    public void Without_an_IPv6_family_in_the_kernel_the_pair_is_IPv4_alone()
    {
        using var space = new NetNamespace();
        using var pair = space.Run(() =>
        {
            RefuseIPv6Sockets(); // of this thread only, which ends here
            return UdpSocketPair.Bind(51820);
        });
        Assert.Null(pair.IPv6);
        Assert.Equal(51820, pair.Port);
        Assert.Equal(-1, pair.Send("x"u8, new Endpoint(1, 51820, true), out var errno));
        Assert.Equal(Errno.EAFNOSUPPORT, errno);
        Assert.Equal(1, pair.Send("x"u8, new Endpoint(0x7f000001, 51820, false), out _));
    }

    [Fact]
    public void The_mark_decides_the_route()
    {
        using var space = new NetNamespace();
        using var socket = space.Run(() => UdpSocket.Bind(false, 0));
        space.Ip("rule add fwmark 51820 table 77");
        space.Ip("route add 198.51.100.0/24 dev lo table 77");
        var somewhere = new Endpoint(0xc6336401, 9, false);
        Assert.Equal(-1, socket.Send("x"u8, somewhere, out var errno));
        Assert.Equal(Errno.ENETUNREACH, errno);
        socket.SetMark(51820);
        Assert.Equal(1, socket.Send("x"u8, somewhere, out _));
    }

    [Fact]
    public void Buffers_hold_seven_mebibytes_whatever_the_sysctl_says()
    {
        using var space = new NetNamespace();
        using var pair = space.Run(() => UdpSocketPair.Bind(51820));
        // the kernel doubles the value for its own bookkeeping
        var sockets = space.Exec("ss", "-HulnmO", "sport", "=", ":51820").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, sockets.Length);
        Assert.All(sockets, line => Assert.Contains($"rb{2 * UdpSocket.BufferSize},", line, StringComparison.Ordinal));
        Assert.All(sockets, line => Assert.Contains($"tb{2 * UdpSocket.BufferSize},", line, StringComparison.Ordinal));
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
}
