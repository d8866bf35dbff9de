using System.Runtime.CompilerServices;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>With keys of choice, which the whole AEAD does not let anybody choose.</summary>
public sealed unsafe class Poly1305Tests
{
    // sums of these and of what r makes of them reach every carry: words of all ones, nothing or one to add, and what is just below the modulus
    private static readonly byte[][] Blocks =
    [
        Convert.FromHexString("ffffffffffffffffffffffffffffffff"),
        Convert.FromHexString("00000000000000000000000000000000"),
        Convert.FromHexString("ffffffffffffffff0000000000000000"),
        Convert.FromHexString("01000000000000000000000000000000"),
        Convert.FromHexString("fbffffffffffffffffffffffffffffff"),
    ];

    public static TheoryData<string, string> Keys => new()
    {
        { "01000000000000000000000000000000", "00000000000000000000000000000000" },
        { "01000000000000000000000000000000", "ffffffffffffffffffffffffffffffff" },
        { "02000000000000000000000000000000", "01000000000000000000000000000000" },
        { "04000000000000000000000000000000", "ffffffffffffffff0000000000000000" },
        { "ffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff" }, // the greatest r there is
        { "ffffff0ffcffff0f0000000000000000", "00000000000000000000000000000000" }, // its lower word
        { "0000000000000000fcffff0ffcffff0f", "00000000000000000000000000000080" }, // its upper one
        { "00000000000000000400000000000000", "ffffffffffffffffffffffffffffffff" },
        { "01000000000000000400000000000000", "00000000000000000000000000000000" },
    };

    [Theory]
    [MemberData(nameof(Keys))]
    public void Words_at_their_extremes_carry_as_they_should(string r, string s)
    {
        var key = Convert.FromHexString(r + s);
        const int Most = 5;
        var message = new byte[Most * 16];
        for (var choice = 0; choice < (int)Math.Pow(Blocks.Length, Most); choice++)
        {
            for (int i = 0, rest = choice; i < Most; i++, rest /= Blocks.Length)
            {
                Blocks[rest % Blocks.Length].CopyTo(message, 16 * i);
            }

            var expected = Convert.ToHexString(ReferenceAead.Poly1305(key, message));
            Assert.Equal(expected, Convert.ToHexString(Tag(key, message, encrypt: false)));
            Assert.Equal(expected, Convert.ToHexString(Tag(key, message, encrypt: true)));
        }
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void The_last_block_is_filled_up_with_zeros_and_the_lengths_come_behind_it(string r, string s)
    {
        var key = Convert.FromHexString(r + s);
        for (var length = 0; length <= 100; length++)
        {
            byte[] data = [.. Enumerable.Repeat((byte)0xff, length)], zeros = new byte[length], output = new byte[length], absorbed = new byte[16], encrypted = new byte[16];
            Poly1305 sum = default, encryptingSum = default;
            fixed (byte* k = key, d = data, z = zeros, o = output, t = absorbed, u = encrypted)
            {
                sum.Start(k);
                sum.Absorb(d, length);
                sum.Finish(k, 3, length, t);
                encryptingSum.Start(k);
                encryptingSum.EncryptAndAbsorb(z, d, o, length);
                encryptingSum.Finish(k, 3, length, u);
            }

            byte[] message = [.. ReferenceAead.Authenticated([], data)];
            message[^16] = 3;
            var expected = ReferenceAead.Poly1305(key, message);
            Assert.Equal(expected, absorbed);
            Assert.Equal(expected, encrypted);
            Assert.Equal(data, output);
        }
    }

    [Theory] // those of whole blocks, which the AEAD's are
    [MemberData(nameof(ReferenceAeadTests.Vectors), MemberType = typeof(ReferenceAeadTests))]
    public void Computes_the_tags_of_the_RFC(string key, string message, string tag)
    {
        if (message.Length % 32 == 0)
        {
            Assert.Equal(tag, Convert.ToHexStringLower(Tag(Convert.FromHexString(key), Convert.FromHexString(message), encrypt: false)));
            Assert.Equal(tag, Convert.ToHexStringLower(Tag(Convert.FromHexString(key), Convert.FromHexString(message), encrypt: true)));
        }
    }

    // without the AEAD's block of lengths; encrypted by a key stream that makes the message of what is not it
    private static byte[] Tag(byte[] key, byte[] message, bool encrypt)
    {
        byte[] tag = new byte[16], keyStream = new byte[message.Length], output = new byte[message.Length];
        keyStream.AsSpan().Fill(0x5a);
        byte[] plaintext = [.. message.Select(b => (byte)(b ^ 0x5a))];
        var sum = default(Poly1305);
        fixed (byte* k = key, m = message, p = plaintext, s = keyStream, o = output, t = tag)
        {
            sum.Start(k);
            if (encrypt)
            {
                sum.EncryptAndAbsorb(p, s, o, message.Length);
            }
            else
            {
                sum.Absorb(m, message.Length);
            }

            Poly1305.Finish(H0(ref sum), H1(ref sum), H2(ref sum), k, t);
        }

        return tag;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_h0")]
    private static extern ref ulong H0(ref Poly1305 sum);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_h1")]
    private static extern ref ulong H1(ref Poly1305 sum);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_h2")]
    private static extern ref ulong H2(ref Poly1305 sum);
}
