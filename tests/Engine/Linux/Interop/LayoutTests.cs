using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Tests.Linux.Interop;

/// <summary>Sizes and offsets as a C compiler gives them on x86-64 and arm64.</summary>
public sealed class LayoutTests
{
    [Fact]
    public void Structs_have_the_size_that_the_kernel_expects()
    {
        Assert.Equal(16, Unsafe.SizeOf<NetIf.Name>());
        Assert.Equal(40, Unsafe.SizeOf<NetIf.InterfaceRequest>());
        Assert.Equal(28, Unsafe.SizeOf<NetinetIn.SocketAddress>());
        Assert.Equal(8, Unsafe.SizeOf<PollH.PollDescriptor>());
        Assert.Equal(16, Unsafe.SizeOf<TimeH.TimeSpecification>());
        Assert.Equal(16, Unsafe.SizeOf<SysSocket.TimeValue>());
        Assert.Equal(16, Unsafe.SizeOf<SysSocket.IoVector>());
        Assert.Equal(56, Unsafe.SizeOf<SysSocket.MessageHeader>());
        Assert.Equal(64, Unsafe.SizeOf<SysSocket.MultiMessage>());
        Assert.Equal(16, Unsafe.SizeOf<SysSocket.ControlHeader>());
        Assert.Equal(12, Unsafe.SizeOf<NetinetIn.PacketInfoV4>());
        Assert.Equal(20, Unsafe.SizeOf<NetinetIn.PacketInfoV6>());
        Assert.Equal(12, Unsafe.SizeOf<LinuxNetlink.SocketAddress>());
        Assert.Equal(16, Unsafe.SizeOf<LinuxNetlink.MessageHeader>());
        Assert.Equal(4, Unsafe.SizeOf<LinuxNetlink.AttributeHeader>());
        Assert.Equal(16, Unsafe.SizeOf<LinuxRtnetlink.LinkHeader>());
        Assert.Equal(8, Unsafe.SizeOf<LinuxRtnetlink.AddressHeader>());
        Assert.Equal(12, Unsafe.SizeOf<LinuxRtnetlink.RouteHeader>());
        Assert.Equal(8, Unsafe.SizeOf<LinuxRtnetlink.NextHop>());
        Assert.Equal(12, Unsafe.SizeOf<LinuxRtnetlink.RuleHeader>());
    }

    [Theory]
    [InlineData(nameof(SysSocket.MessageHeader.Vectors), 16)]
    [InlineData(nameof(SysSocket.MessageHeader.VectorCount), 24)]
    [InlineData(nameof(SysSocket.MessageHeader.Control), 32)]
    [InlineData(nameof(SysSocket.MessageHeader.ControlLength), 40)]
    [InlineData(nameof(SysSocket.MessageHeader.Flags), 48)]
    public void Fields_of_msghdr_lie_where_the_kernel_expects_them(string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf<SysSocket.MessageHeader>(field));

    [Fact]
    public void The_length_of_a_message_lies_behind_its_header() =>
        Assert.Equal(56, (int)Marshal.OffsetOf<SysSocket.MultiMessage>(nameof(SysSocket.MultiMessage.Length)));

    [Theory]
    [InlineData(nameof(SysSocket.ControlHeader.Level), 8)]
    [InlineData(nameof(SysSocket.ControlHeader.Type), 12)]
    public void Fields_of_cmsghdr_lie_where_the_kernel_expects_them(string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf<SysSocket.ControlHeader>(field));

    [Fact]
    public void Our_address_is_laid_out_as_ipi_spec_dst_of_in_pktinfo()
    {
        var info = new NetinetIn.PacketInfoV4 { Local = 0xc0000201 };
        Assert.Equal("00000000C000020100000000", Convert.ToHexString(MemoryMarshal.AsBytes(new ReadOnlySpan<NetinetIn.PacketInfoV4>(in info))));
        Assert.Equal(0xc0000201u, info.Local);
    }

    [Fact]
    public void Our_address_and_its_interface_are_laid_out_as_in6_pktinfo()
    {
        Assert.True(Endpoint.TryParse("[fe80::1:2]:1", out var endpoint));
        var info = new NetinetIn.PacketInfoV6 { Local = endpoint.Address, InterfaceIndex = 3 };
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NetinetIn.PacketInfoV6>(in info));
        Assert.Equal("FE80000000000000000000000001000203000000", Convert.ToHexString(bytes));
        Assert.Equal(endpoint.Address, info.Local);
    }

    [Fact]
    public void An_IPv4_endpoint_is_laid_out_as_sockaddr_in()
    {
        var address = NetinetIn.SocketAddress.From(new Endpoint(0xc0000201, 51820, false));
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NetinetIn.SocketAddress>(in address));
        Assert.Equal("0200CA6CC0000201", Convert.ToHexString(bytes[..8]));
        Assert.Equal(16u, address.Length);
    }

    [Fact]
    public void An_IPv6_endpoint_is_laid_out_as_sockaddr_in6_and_comes_back_with_its_scope()
    {
        Assert.True(Endpoint.TryParse("[fe80::1:2%3]:51820", out var endpoint));
        var address = NetinetIn.SocketAddress.From(endpoint);
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NetinetIn.SocketAddress>(in address));
        Assert.Equal("0A00CA6C00000000FE80000000000000000000000001000203000000", Convert.ToHexString(bytes));
        Assert.Equal(28u, address.Length);
        Assert.Equal(endpoint, address.ToEndpoint());
    }

    [Fact]
    public void An_error_names_the_operation_the_symbol_and_the_remedy()
    {
        var e = new WgMesh.Engine.Linux.LinuxException("bind UDP port 1", Errno.EADDRINUSE, "pick another");
        Assert.Equal("bind UDP port 1: EADDRINUSE (Address already in use): pick another", e.Message);
    }
}
