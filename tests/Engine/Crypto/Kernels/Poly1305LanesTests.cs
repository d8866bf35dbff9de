using System.Runtime.Intrinsics.X86;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>
/// The sums of several lanes with keys of choice, which the whole AEAD does not let anybody choose. What this processor cannot execute is no case; the sum
/// that every processor can stands beside the others.
/// </summary>
public sealed unsafe class Poly1305LanesTests
{
    private static readonly (string R, string S)[] Keys =
    [
        ("ffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff"), // the greatest r there is
        ("00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"),
        ("01000000000000000000000000000000", "00000000000000000000000000000000"),
        ("00000000000000000000000000000010", "01000000000000000000000000000000"),
        ("ffffff0f000000000000000000000000", "fbffffffffffffffffffffffffffffff"),
        ("000000000000000000000000fcffff0f", "00000000000000000000000000000080"),
    ];

    private static readonly byte[] Fills = [0xff, 0x00, 0xfb, 0x80];

    public static TheoryData<string, string, string> Cases()
    {
        var cases = new TheoryData<string, string, string>();
        foreach (var (r, s) in Keys)
        {
            cases.Add("scalar", r, s);
            if (Avx2.IsSupported)
            {
                cases.Add("avx2", r, s);
            }

            if (Avx512F.IsSupported)
            {
                cases.Add("avx512", r, s);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Limbs_at_their_extremes_carry_as_they_should(string lanes, string r, string s)
    {
        var key = Convert.FromHexString(r + s);
        foreach (var fill in Fills)
        {
            switch (lanes)
            {
                case "avx2":
                    EveryTwoCalls(key, fill);
                    break;
                case "avx512":
                    EveryLength(key, fill, Avx512Poly1305.ShortestMessage, Avx512Tag);
                    break;
                default:
                    EveryLength(key, fill, 0, ScalarTag);
                    break;
            }
        }
    }

    private static void EveryTwoCalls(byte[] key, byte fill)
    {
        for (var groups = 0; groups <= 24; groups++)
        {
            var data = Filled(groups * Avx2Poly1305.GroupLength, fill);
            for (var first = 0; first <= groups; first += 3)
            {
                Assert.Equal(Expected(key, data), Avx2Tag(key, data, first * Avx2Poly1305.GroupLength));
            }
        }
    }

    private static void EveryLength(byte[] key, byte fill, int shortest, Func<byte[], byte[], byte[]> tag)
    {
        for (var length = shortest; length <= 1500; length += 7)
        {
            var data = Filled(length, fill);
            Assert.Equal(Expected(key, data), tag(key, data));
        }
    }

    private static byte[] Filled(int length, byte fill)
    {
        var data = new byte[length];
        data.AsSpan().Fill(fill);
        return data;
    }

    private static byte[] Expected(byte[] key, byte[] data) => ReferenceAead.Poly1305(key, ReferenceAead.Authenticated([], data));

    private static byte[] ScalarTag(byte[] key, byte[] data)
    {
        var tag = new byte[16];
        var sum = default(Poly1305);
        fixed (byte* k = key, d = data, t = tag)
        {
            sum.Start(k);
            sum.Absorb(d, data.Length);
            sum.Finish(k, 0, data.Length, t);
        }

        return tag;
    }

    private static byte[] Avx2Tag(byte[] key, byte[] data, int first)
    {
        var tag = new byte[16];
        var whole = default(Poly1305);
        Avx2Poly1305 lanes;
        fixed (byte* k = key, d = data, t = tag)
        {
            whole.Start(k);
            Avx2Poly1305.Start(&lanes, &whole);
            Avx2Poly1305.AddGroups(&lanes, d, first / Avx2Poly1305.GroupLength);
            Avx2Poly1305.AddGroups(&lanes, d + first, (data.Length - first) / Avx2Poly1305.GroupLength);
            Avx2Poly1305.Finish(&lanes, &whole);
            whole.Finish(k, 0, data.Length, t);
        }

        return tag;
    }

    private static byte[] Avx512Tag(byte[] key, byte[] data)
    {
        byte[] tag = new byte[16], powers = new byte[Avx512Poly1305.PowersLength];
        fixed (byte* k = key, d = data, p = powers, t = tag)
        {
            Avx512Poly1305.WritePowers(k, (ulong*)p);
            Avx512Poly1305.Tag(k, (ulong*)p, d, data.Length, t);
        }

        return tag;
    }
}
