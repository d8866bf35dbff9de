using System.Runtime.Intrinsics.X86;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>With keys of choice, which the whole AEAD does not let anybody choose. On a machine without AVX-512 there is nothing to see.</summary>
public sealed unsafe class Avx512Poly1305Tests
{
    [Theory]
    [InlineData("ffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff")] // the greatest r there is
    [InlineData("00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff")]
    [InlineData("01000000000000000000000000000000", "00000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000010", "01000000000000000000000000000000")]
    [InlineData("ffffff0f000000000000000000000000", "fbffffffffffffffffffffffffffffff")]
    [InlineData("000000000000000000000000fcffff0f", "00000000000000000000000000000080")]
    public void Limbs_at_their_extremes_carry_as_they_should(string r, string s)
    {
        if (!Avx512F.IsSupported)
        {
            return;
        }

        var key = Convert.FromHexString(r + s);
        foreach (var fill in (byte[])[0xff, 0x00, 0xfb, 0x80])
        {
            for (var length = Avx512Poly1305.ShortestMessage; length <= 1500; length += 7)
            {
                var data = new byte[length];
                data.AsSpan().Fill(fill);
                var tag = new byte[16];
                fixed (byte* k = key, d = data, t = tag)
                {
                    Avx512Poly1305.Tag(k, d, length, t);
                }

                Assert.Equal(ReferenceAead.Poly1305(key, ReferenceAead.Authenticated([], data)), tag);
            }
        }
    }
}
