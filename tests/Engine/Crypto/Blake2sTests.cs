using WgMesh.Engine.Crypto;
using WgMesh.Engine.Crypto.Interop;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Crypto;

public sealed class Blake2sTests
{
    [Fact] // RFC 7693, appendix B
    public void Hashes_abc_as_in_RFC_7693() =>
        Assert.Equal("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", Hash("abc"u8));

    [Fact] // the initial chaining key and hash, WireGuard paper, section 5.4.2
    public void Hashes_the_construction_and_the_identifier_as_every_implementation_does()
    {
        var chainingKey = Convert.FromHexString(Hash("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8));
        Assert.Equal("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36", Convert.ToHexStringLower(chainingKey));
        Assert.Equal(
            "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3",
            Hash(chainingKey, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8));
    }

    /// <summary>
    /// RFC 7693, appendix E, reduced to what the protocol uses: 32-byte hashes, and 16-byte MACs under keys of 16 and 32 bytes. The digest of
    /// digests is from Python's hashlib, which also reproduces the appendix's own value for all lengths.
    /// </summary>
    [Fact]
    public void Passes_the_self_test_of_RFC_7693()
    {
        var all = new List<byte>();
        foreach (var length in (int[])[0, 3, 64, 65, 255, 1024])
        {
            var input = Sequence(length, (uint)length);
            all.AddRange(Convert.FromHexString(Hash(input)));
            var mac = new byte[16];
            Blake2s.Mac(Sequence(16, 16), input, mac);
            all.AddRange(mac);
            Blake2s.Mac(Sequence(32, 32), input, mac);
            all.AddRange(mac);
        }

        Assert.Equal("9c9a72f4f5c83bcbc8b8626c272842a945fb7bdefdda770f1e1ec5a56be8b6f2", Hash(all.ToArray()));
    }

    [Fact] // the keyed BLAKE2s of the reference implementation's vectors has 32 bytes of output; this is Python's hashlib with digest_size=16
    public void A_MAC_is_not_a_truncated_hash()
    {
        var mac = new byte[16];
        Blake2s.Mac(Counting(32), Counting(255), mac);
        Assert.Equal("cd075928ab7e6883e697fe7fd3ac43ee", Convert.ToHexStringLower(mac));
    }

    [Fact]
    public void Inputs_in_two_parts_count_as_one()
    {
        var input = Counting(200);
        for (var split = 0; split <= input.Length; split++)
        {
            Assert.Equal(Hash(input), Hash(input.AsSpan(0, split), input.AsSpan(split)));
            byte[] whole = new byte[16], parts = new byte[16];
            Blake2s.Mac("key"u8, input, whole);
            Blake2s.Mac("key"u8, input.AsSpan(0, split), input.AsSpan(split), parts);
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void The_hash_may_replace_its_input()
    {
        var expected = Hash(Counting(32), Counting(100));
        var hash = Counting(32);
        Blake2s.Hash(hash, Counting(100), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    [Fact]
    public void Threads_do_not_disturb_each_other()
    {
        var expected = Enumerable.Range(0, 64).Select(i => Hash(Counting(i))).ToArray();
        Parallel.For(0, 2000, i => Assert.Equal(expected[i % 64], Hash(Counting(i % 64))));
    }

    [Fact]
    public void Nothing_is_allocated_per_call()
    {
        var hash = new byte[32];
        var mac = new byte[16];
        Assert.Equal(0, ThreadAllocations.Of(() =>
        {
            Blake2s.Hash(hash, mac, hash);
            Blake2s.Mac(hash, mac, mac);
        }));
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>("hash", () => Blake2s.Hash(default, new byte[31]));
        Assert.Throws<ArgumentException>("mac", () => Blake2s.Mac(new byte[32], default, new byte[32]));
        Assert.Throws<ArgumentException>("key", () => Blake2s.Mac(default, default, new byte[16]));
        Assert.Throws<ArgumentException>("key", () => Blake2s.Mac(new byte[33], default, new byte[16]));
    }

    [Fact]
    public void A_missing_library_is_named_together_with_what_to_install()
    {
        var error = Assert.Throws<PlatformNotSupportedException>(() => Libcrypto.Load("libcrypto-that-is-not-there.so.3"));
        Assert.Contains("libcrypto-that-is-not-there.so.3", error.Message, StringComparison.Ordinal);
        Assert.Contains("install OpenSSL 3", error.Message, StringComparison.Ordinal);
    }

    private static string Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default)
    {
        Span<byte> hash = stackalloc byte[32];
        Blake2s.Hash(first, second, hash);
        return Convert.ToHexStringLower(hash);
    }

    private static byte[] Counting(int length) => Enumerable.Range(0, length).Select(i => (byte)i).ToArray();

    // selftest_seq of RFC 7693, appendix E
    private static byte[] Sequence(int length, uint seed)
    {
        var (a, b) = (0xDEAD4BADu * seed, 1u);
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            (a, b) = (b, a + b);
            bytes[i] = (byte)(b >> 24);
        }

        return bytes;
    }
}
