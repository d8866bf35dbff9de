using System.Numerics;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>What is asked of every kernel that this machine can execute.</summary>
public sealed unsafe class AeadKernelTests
{
    private static readonly LibcryptoKernel Oracle = new();

    // around blocks of 16 and 64 bytes, and around the numbers of blocks at which kernels change their way
    private static readonly int[] Lengths =
    [
        0, 1, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 191, 192, 193, 239, 240, 241, 255, 256, 257, 383, 447, 448, 449, 511, 512, 513, 959, 960, 961, 1023, 1024, 1025,
        1420, 1471, 1472, 1473, 1500, 2048, 3008, 3009, 9000,
    ];

    public static TheoryData<string> Kernels => [.. AeadChoice.Kernels.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name)];

    [Theory] // RFC 8439, section 2.8.2
    [MemberData(nameof(Kernels))]
    public void Seals_and_opens_the_vector_of_RFC_8439(string name)
    {
        var plaintext = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8.ToArray();
        var (key, ad) = (Convert.FromHexString("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"), Convert.FromHexString("50515253c0c1c2c3c4c5c6c7"));
        var sealedBytes = Seal(Kernel(name), key, 7, 0x4746454443424140, plaintext, ad);
        Assert.Equal(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29"
            + "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"
            + "1ae10b594f09e26a7e902ecbd0600691",
            Convert.ToHexStringLower(sealedBytes));
        Assert.Equal(plaintext, Open(Kernel(name), key, 7, 0x4746454443424140, sealedBytes, ad));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_length_up_to_4096_is_sealed_as_libcrypto_seals_it_and_opened_again(string name)
    {
        var kernel = Kernel(name);
        var random = new Random(1);
        byte[] plaintext = new byte[4096], expected = new byte[4096 + 16], actual = new byte[4096 + 16], opened = new byte[4096];
        var key = Bytes(random, 32);
        random.NextBytes(plaintext);
        fixed (byte* k = key, p = plaintext, e = expected, o = actual, q = opened)
        {
            for (var length = 0; length <= 4096; length++)
            {
                var nonce = (ulong)random.NextInt64();
                Oracle.Seal(k, 0, nonce, p, length, e, null, 0);
                kernel.Seal(k, 0, nonce, p, length, o, null, 0);
                Assert.True(actual.AsSpan(0, length + 16).SequenceEqual(expected.AsSpan(0, length + 16)), $"sealed {length} bytes otherwise");
                Assert.True(kernel.Open(k, 0, nonce, o, length, q, null, 0), $"did not open {length} bytes");
                Assert.True(opened.AsSpan(0, length).SequenceEqual(plaintext.AsSpan(0, length)), $"opened {length} bytes to something else");
                Assert.True(kernel.Open(k, 0, nonce, o, length, o, null, 0), $"did not open {length} bytes in place");
                Assert.True(actual.AsSpan(0, length).SequenceEqual(plaintext.AsSpan(0, length)), $"opened {length} bytes in place to something else");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Associated_data_of_every_length_up_to_80_is_authenticated(string name)
    {
        var random = new Random(2);
        var key = Bytes(random, 32);
        for (var adLength = 0; adLength <= 80; adLength++)
        {
            foreach (var length in (int[])[0, 32, 100, 600])
            {
                byte[] plaintext = Bytes(random, length), ad = Bytes(random, adLength);
                var sealedBytes = Seal(Kernel(name), key, 0, 9, plaintext, ad);
                Assert.Equal(Seal(Oracle, key, 0, 9, plaintext, ad), sealedBytes);
                Assert.Equal(plaintext, Open(Kernel(name), key, 0, 9, sealedBytes, ad));
                if (adLength > 0)
                {
                    ad[random.Next(adLength)] ^= 1;
                    Assert.Null(Open(Kernel(name), key, 0, 9, sealedBytes, ad));
                    Assert.Null(Open(Kernel(name), key, 0, 9, sealedBytes, ad[1..]));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_bit_of_the_nonce_counts(string name)
    {
        var key = Bytes(new Random(3), 32);
        foreach (var nonce in (ulong[])[0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, ulong.MaxValue])
        {
            foreach (var nonce0 in (uint[])[0, 1, 0x80000000, uint.MaxValue])
            {
                foreach (var length in (int[])[32, 300, 1420, 3100])
                {
                    var plaintext = new byte[length];
                    Assert.Equal(Seal(Oracle, key, nonce0, nonce, plaintext, []), Seal(Kernel(name), key, nonce0, nonce, plaintext, []));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Buffers_may_lie_at_any_address_and_nothing_around_them_changes(string name)
    {
        var kernel = Kernel(name);
        var random = new Random(4);
        var key = Bytes(random, 32);
        const int Room = 64 + 1600 + 64 + 64;
        byte[] source = new byte[Room], destination = new byte[Room];
        foreach (var length in (int[])[0, 1, 16, 64, 100, 193, 256, 449, 1420, 1500])
        {
            var plaintext = Bytes(random, length);
            var expected = Seal(Oracle, key, 0, 5, plaintext, []);
            for (var offset = 0; offset < 64; offset++)
            {
                var other = (offset * 29) % 64; // each one once
                fixed (byte* k = key, s = source, d = destination)
                {
                    source.AsSpan().Fill(0xa5);
                    destination.AsSpan().Fill(0x5a);
                    plaintext.CopyTo(source, offset);
                    kernel.Seal(k, 0, 5, s + offset, length, d + other, null, 0);
                    ExpectAlone(expected, destination, other, 0x5a);

                    source.AsSpan().Fill(0xa5);
                    Assert.True(kernel.Open(k, 0, 5, d + other, length, s + offset, null, 0));
                    ExpectAlone(plaintext, source, offset, 0xa5);
                    ExpectAlone(expected, destination, other, 0x5a);

                    kernel.Seal(k, 0, 5, s + offset, length, s + offset, null, 0);
                    ExpectAlone(expected, source, offset, 0xa5);
                    Assert.True(kernel.Open(k, 0, 5, s + offset, length, s + offset, null, 0));
                    ExpectAlone([.. plaintext, .. expected.AsSpan(length)], source, offset, 0xa5);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Pages_behind_and_before_the_buffers_are_not_touched(string name)
    {
        var kernel = Kernel(name);
        using GuardedBuffer key = new(32), source = new(9016), destination = new(9016), ad = new(80);
        new Random(5).NextBytes(new Span<byte>(key.Start, key.Length));
        foreach (var length in Enumerable.Range(0, 300).Concat(Lengths))
        {
            var adLength = length % 81 * (length % 2);

            // all buffers end where theirs ends, then all begin where it begins
            Exercise(key.End - 32, source.End - length, source.End - length - 16, destination.End - length - 16, destination.End - length, ad.End - adLength);
            Exercise(key.Start, source.Start, source.Start, destination.Start, destination.Start, ad.Start);

            void Exercise(byte* k, byte* plaintext, byte* inPlace, byte* ciphertext, byte* opened, byte* a)
            {
                new Span<byte>(plaintext, length).Fill((byte)length);
                kernel.Seal(k, 0, 1, plaintext, length, ciphertext, a, adLength);
                new Span<byte>(ciphertext, length + 16).CopyTo(new Span<byte>(inPlace, length + 16));
                Assert.True(kernel.Open(k, 0, 1, inPlace, length, opened, a, adLength));
                Assert.True(new Span<byte>(opened, length).IndexOfAnyExcept((byte)length) < 0);
                Assert.True(kernel.Open(k, 0, 1, inPlace, length, inPlace, a, adLength));
                kernel.Seal(k, 0, 1, inPlace, length, inPlace, a, adLength);
                Assert.True(kernel.Open(k, 0, 1, inPlace, length, inPlace, a, adLength));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void What_is_not_authentic_is_refused(string name)
    {
        var random = new Random(6);
        var key = Bytes(random, 32);
        foreach (var length in (int[])[0, 1, 64, 200, 300, 1420, 2000])
        {
            var sealedBytes = Seal(Kernel(name), key, 0, 1, Bytes(random, length), []);
            for (var bit = 8 * length; bit < 8 * (length + 16); bit++)
            {
                ExpectRefused(bit); // every bit of the tag
            }

            for (var at = 0; at < length; at++)
            {
                ExpectRefused((8 * at) + random.Next(8));
            }

            Assert.Null(Open(Kernel(name), key, 0, 2, sealedBytes, []));
            Assert.Null(Open(Kernel(name), Bytes(random, 32), 0, 1, sealedBytes, []));
            Assert.Null(Open(Kernel(name), key, 0, 1, [.. sealedBytes, 0], []));
            if (length > 0)
            {
                Assert.Null(Open(Kernel(name), key, 0, 1, sealedBytes[1..], []));
                Assert.Null(Open(Kernel(name), key, 0, 1, sealedBytes[..^1], []));
            }

            void ExpectRefused(int bit)
            {
                sealedBytes[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.Null(Open(Kernel(name), key, 0, 1, sealedBytes, []));
                sealedBytes[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Blocks_of_extreme_value_are_summed_up_right(string name)
    {
        var random = new Random(7);
        foreach (var block in (string[])
            [
                "ffffffffffffffffffffffffffffffff", "00000000000000000000000000000000", "fbffffffffffffffffffffffffffffff", "ffffffffffffffff0000000000000000",
                "0000000000000000ffffffffffffffff", "ffffff0300000000000000000000f0ff", "fefefefefefefefefefefefefefefefe", "01000000000000000000000000000080",
            ])
        {
            var pattern = Convert.FromHexString(block);
            for (var length = 0; length <= 600; length += random.Next(1, 12))
            {
                var key = Bytes(random, 32);
                byte[] ciphertext = [.. Enumerable.Range(0, length).Select(i => pattern[i % 16])];
                var tag = ReferenceAead.Poly1305(ReferenceAead.OneTimeKey(key, 3), ReferenceAead.Authenticated([], ciphertext));
                Assert.NotNull(Open(Kernel(name), key, 0, 3, [.. ciphertext, .. tag], []));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Sums_near_the_modulus_and_at_the_edges_of_words_and_limbs_are_reduced_right(string name)
    {
        BigInteger One(int bit) => BigInteger.One << bit;
        BigInteger[] targets =
        [
            ReferenceAead.P - 1, ReferenceAead.P - 2, ReferenceAead.P - 5, ReferenceAead.P - 6, 0, 1, 4, 5, One(128) - 1, One(128), One(128) - 5, One(129) - 1, One(129),
            One(64) - 1, One(64), One(26) - 1, One(26), One(44) - 1, One(52) - 1, One(78) - 1, One(88) - 1, One(104) - 1, One(130) - One(104), One(128) - One(64),
        ];
        var random = new Random(8);
        foreach (var target in targets)
        {
            foreach (var length in (int[])[16, 32, 64, 112, 128, 240, 256, 512, 1408])
            {
                var (key, ciphertext, tag) = ReachingSum(target, length, random);
                Assert.NotNull(Open(Kernel(name), key, 0, 3, [.. ciphertext, .. tag], []));
            }
        }
    }

    // a ciphertext whose sum is the target before s is added: its last block is solved for, and is small enough to be one in a quarter of all cases
    private static (byte[] Key, byte[] Ciphertext, byte[] Tag) ReachingSum(BigInteger target, int length, Random random)
    {
        var key = Bytes(random, 32);
        var (r, s) = ReferenceAead.Halves(ReferenceAead.OneTimeKey(key, 3));
        var inverse = BigInteger.ModPow(r, ReferenceAead.P - 2, ReferenceAead.P);
        var bit128 = BigInteger.One << 128;
        while (true)
        {
            var ciphertext = Bytes(random, length);
            var message = ReferenceAead.Authenticated([], ciphertext);
            var lengths = new BigInteger(message.AsSpan(length), isUnsigned: true) + bit128;
            var beforeLengths = (target * inverse) - lengths;
            var last = (beforeLengths * inverse) - bit128 - ReferenceAead.Accumulate(r, 0, message.AsSpan(0, length - 16));
            last = ((last % ReferenceAead.P) + ReferenceAead.P) % ReferenceAead.P;
            if (last < bit128)
            {
                ReferenceAead.Bytes(last).CopyTo(ciphertext, length - 16);
                Assert.Equal(target, ReferenceAead.Accumulate(r, 0, ReferenceAead.Authenticated([], ciphertext)));
                return (key, ciphertext, ReferenceAead.Tag(target, s));
            }

            if (length == 16)
            {
                key = Bytes(random, 32); // nothing else is there to vary
                (r, s) = ReferenceAead.Halves(ReferenceAead.OneTimeKey(key, 3));
                inverse = BigInteger.ModPow(r, ReferenceAead.P - 2, ReferenceAead.P);
            }
        }
    }

    private static AeadKernel Kernel(string name) => AeadChoice.Kernels.Single(kernel => kernel.Name == name);

    private static byte[] Seal(AeadKernel kernel, byte[] key, uint nonce0, ulong nonce, byte[] plaintext, byte[] ad)
    {
        var output = new byte[plaintext.Length + 16];
        fixed (byte* k = key, p = plaintext, o = output, a = ad)
        {
            kernel.Seal(k, nonce0, nonce, p, plaintext.Length, o, a, ad.Length);
        }

        return output;
    }

    /// <summary>The plaintext, or null.</summary>
    private static byte[]? Open(AeadKernel kernel, byte[] key, uint nonce0, ulong nonce, byte[] sealedBytes, byte[] ad)
    {
        var output = new byte[sealedBytes.Length]; // longer than the plaintext
        output.AsSpan().Fill(0xee);
        bool ok;
        fixed (byte* k = key, p = sealedBytes, o = output, a = ad)
        {
            ok = kernel.Open(k, nonce0, nonce, p, sealedBytes.Length - 16, o, a, ad.Length);
        }

        var plaintext = output.AsSpan(0, sealedBytes.Length - 16);
        Assert.True(output.AsSpan(plaintext.Length).IndexOfAnyExcept((byte)0xee) < 0);
        return ok ? plaintext.ToArray() : null;
    }

    private static void ExpectAlone(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> buffer, int offset, byte canary)
    {
        Assert.True(buffer.Slice(offset, expected.Length).SequenceEqual(expected));
        Assert.True(buffer[..offset].IndexOfAnyExcept(canary) < 0, "written before the buffer");
        Assert.True(buffer[(offset + expected.Length)..].IndexOfAnyExcept(canary) < 0, "written behind the buffer");
    }

    private static byte[] Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
