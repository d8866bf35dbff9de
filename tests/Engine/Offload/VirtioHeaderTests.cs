using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class VirtioHeaderTests
{
    [Fact]
    public void Each_field_lies_where_the_kernel_has_it()
    {
        var header = new VirtioHeader(VirtioFlags.NeedsChecksum, VirtioGso.TcpV6 | VirtioGso.Ecn, 0x0102, 0x0304, 0x0506, 0x0708);
        Span<byte> bytes = stackalloc byte[VirtioHeader.Length];
        header.Write(bytes);
        byte[] expected = BitConverter.IsLittleEndian ? [1, 0x84, 2, 1, 4, 3, 6, 5, 8, 7] : [1, 0x84, 1, 2, 3, 4, 5, 6, 7, 8];
        Assert.Equal(expected, bytes.ToArray());
        Assert.Equal(header, VirtioHeader.Read(bytes));
    }

    [Fact]
    public void The_header_that_says_nothing_is_all_zeros()
    {
        Span<byte> bytes = stackalloc byte[VirtioHeader.Length];
        bytes.Fill(0xFF);
        default(VirtioHeader).Write(bytes);
        Assert.Equal(new byte[VirtioHeader.Length], bytes.ToArray());
    }
}
