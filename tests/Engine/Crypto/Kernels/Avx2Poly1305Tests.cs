using System.Runtime.Intrinsics.X86;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>With keys of choice, which the whole AEAD does not let anybody choose. On a machine without AVX2 there is nothing to see.</summary>
public sealed unsafe class Avx2Poly1305Tests
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
        if (!Avx2.IsSupported)
        {
            return;
        }

        var key = Convert.FromHexString(r + s);
        foreach (var fill in (byte[])[0xff, 0x00, 0xfb, 0x80])
        {
            for (var groups = 0; groups <= 24; groups++)
            {
                for (var first = 0; first <= groups; first += 3)
                {
                    Assert.Equal(Expected(key, fill, groups), Tag(key, fill, groups, first));
                }
            }
        }
    }

    private static byte[] Expected(byte[] key, byte fill, int groups)
    {
        var data = new byte[groups * Avx2Poly1305.GroupLength];
        data.AsSpan().Fill(fill);
        return ReferenceAead.Poly1305(key, ReferenceAead.Authenticated([], data));
    }

    // in two calls
    private static byte[] Tag(byte[] key, byte fill, int groups, int first)
    {
        byte[] data = new byte[groups * Avx2Poly1305.GroupLength], tag = new byte[16];
        data.AsSpan().Fill(fill);
        var whole = default(Poly1305);
        Avx2Poly1305 lanes;
        fixed (byte* k = key, d = data, t = tag)
        {
            whole.Start(k);
            Avx2Poly1305.Start(&lanes, &whole);
            Avx2Poly1305.AddGroups(&lanes, d, first);
            Avx2Poly1305.AddGroups(&lanes, d + (first * Avx2Poly1305.GroupLength), groups - first);
            Avx2Poly1305.Finish(&lanes, &whole);
            whole.Finish(k, 0, data.Length, t);
        }

        return tag;
    }
}
