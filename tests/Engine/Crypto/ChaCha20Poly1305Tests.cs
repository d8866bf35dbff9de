using WgMesh.Engine.Crypto;
using WgMesh.Tests.Shared;
using Framework = System.Security.Cryptography.ChaCha20Poly1305;
using OneShot = WgMesh.Engine.Crypto.ChaCha20Poly1305;

namespace WgMesh.Engine.Tests.Crypto;

public sealed class ChaCha20Poly1305Tests
{
    private static readonly byte[] Key = Enumerable.Range(0x80, 32).Select(i => (byte)i).ToArray();

    [Fact] // RFC 8439, section 2.8.2
    public void Seals_and_opens_the_vector_of_RFC_8439()
    {
        var plaintext = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8;
        byte[] nonce = Convert.FromHexString("070000004041424344454647"), ad = Convert.FromHexString("50515253c0c1c2c3c4c5c6c7");
        var sealedBytes = new byte[plaintext.Length + 16];
        using var key = new ChaCha20Poly1305Key(Key);
        Assert.True(key.TrySeal(nonce, plaintext, sealedBytes, ad));
        Assert.Equal(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29"
            + "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"
            + "1ae10b594f09e26a7e902ecbd0600691",
            Convert.ToHexStringLower(sealedBytes));

        var opened = new byte[plaintext.Length];
        Assert.True(key.TryOpen(nonce, sealedBytes, opened, ad));
        Assert.Equal(plaintext.ToArray(), opened);
    }

    [Fact]
    public void Every_length_from_0_to_300_is_sealed_as_the_framework_seals_it()
    {
        var random = new Random(1);
        using var framework = new Framework(Key);
        using var key = new ChaCha20Poly1305Key(Key);
        for (var length = 0; length <= 300; length++)
        {
            var counter = (ulong)random.NextInt64();
            byte[] plaintext = Bytes(random, length), ad = Bytes(random, random.Next(3) * 16);
            byte[] expected = new byte[length + 16], actual = new byte[length + 16], opened = new byte[length];
            var nonce = new byte[12];
            BitConverter.TryWriteBytes(nonce.AsSpan(4), counter);
            framework.Encrypt(nonce, plaintext, expected.AsSpan(0, length), expected.AsSpan(length), ad);

            Assert.True(key.TrySeal(counter, plaintext, actual, ad));
            Assert.Equal(expected, actual);
            Assert.True(key.TryOpen(counter, expected, opened, ad));
            Assert.Equal(plaintext, opened);

            OneShot.Seal(Key, counter, plaintext, actual, ad);
            Assert.Equal(expected, actual);
            Assert.True(OneShot.TryOpen(Key, counter, expected, opened, ad));
        }
    }

    [Fact]
    public void Works_in_place()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        foreach (var length in (int[])[0, 1, 15, 16, 17, 64, 1420, 9000])
        {
            var plaintext = Bytes(new Random(length), length);
            var buffer = new byte[length + 16];
            plaintext.CopyTo(buffer, 0);
            Assert.True(key.TrySeal(7, buffer.AsSpan(0, length), buffer));
            Assert.True(key.TryOpen(7, buffer, buffer));
            Assert.Equal(plaintext, buffer.AsSpan(0, length));
        }
    }

    [Fact]
    public void The_output_may_be_longer_than_needed_and_the_rest_stays_untouched()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        var output = new byte[64];
        Assert.True(key.TrySeal(1, "abc"u8, output));
        Assert.All(output.AsSpan(19).ToArray(), b => Assert.Equal(0, b));
    }

    [Fact]
    public void What_is_not_authentic_is_refused_and_leaves_no_plaintext()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        var sealedBytes = new byte[100 + 16];
        Assert.True(key.TrySeal(1, Bytes(new Random(1), 100), sealedBytes, "ad"u8));
        var output = new byte[120];

        for (var i = 0; i < sealedBytes.Length; i++)
        {
            sealedBytes[i] ^= 0x10;
            output.AsSpan().Fill(0xee);
            Assert.False(key.TryOpen(1, sealedBytes, output, "ad"u8));
            Assert.All(output.AsSpan(0, 100).ToArray(), b => Assert.Equal(0, b));
            Assert.All(output.AsSpan(100).ToArray(), b => Assert.Equal(0xee, b));
            sealedBytes[i] ^= 0x10;
        }

        Assert.False(key.TryOpen(2, sealedBytes, output, "ad"u8));
        Assert.False(key.TryOpen(1, sealedBytes, output, "da"u8));
        Assert.False(key.TryOpen(1, sealedBytes, output));
        Assert.False(key.TryOpen(1, sealedBytes.AsSpan(0, 115), output, "ad"u8));
        Assert.False(OneShot.TryOpen(new byte[32], 1, sealedBytes, output, "ad"u8));
        Assert.True(key.TryOpen(1, sealedBytes, output, "ad"u8)); // and a refusal spoils nothing
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    public void What_is_shorter_than_a_tag_is_refused(int length)
    {
        using var key = new ChaCha20Poly1305Key(Key);
        Assert.False(key.TryOpen(0, new byte[length], new byte[32]));
    }

    [Fact]
    public void Threads_share_a_key()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        var expected = Enumerable.Range(0, 16).Select(i =>
        {
            var output = new byte[200 + 16];
            OneShot.Seal(Key, (ulong)i, new byte[200], output);
            return output;
        }).ToArray();
        Parallel.For(0, 20_000, i =>
        {
            var buffer = new byte[200 + 16];
            Assert.True(key.TrySeal((ulong)(i % 16), new byte[200], buffer));
            Assert.Equal(expected[i % 16], buffer);
            Assert.True(key.TryOpen((ulong)(i % 16), buffer, buffer));
        });
    }

    [Fact]
    public void After_disposal_both_directions_answer_false_and_write_nothing()
    {
        var key = new ChaCha20Poly1305Key(Key);
        var sealedBytes = new byte[20];
        Assert.True(key.TrySeal(0, new byte[4], sealedBytes));
        key.Dispose();
        key.Dispose();

        var output = new byte[20];
        Assert.False(key.TrySeal(0, new byte[4], output));
        Assert.False(key.TryOpen(0, sealedBytes, output));
        Assert.All(output, b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Disposal_under_load_is_safe()
    {
        for (var round = 0; round < 10; round++)
        {
            var key = new ChaCha20Poly1305Key(Key);
            using var started = new CountdownEvent(2);
            var workers = Enumerable.Range(0, 2)
                .Select(_ => Task.Factory.StartNew(Seal, default, TaskCreationOptions.LongRunning, TaskScheduler.Default))
                .ToArray();
            void Seal()
            {
                var buffer = new byte[1500];
                key.TrySeal(0, buffer.AsSpan(0, 1400), buffer);
                started.Signal();
                ulong count = 1;
                while (key.TrySeal(count, buffer.AsSpan(0, 1400), buffer))
                {
                    count++;
                }
            }

            started.Wait();
            key.Dispose();
            await Task.WhenAll(workers);
        }
    }

    [Fact]
    public void A_key_that_is_wiped_meanwhile_never_seals_a_packet_with_what_is_left_of_it()
    {
        byte[] plaintext = new byte[64], expected = new byte[64 + 16];
        OneShot.Seal(Key, 1, plaintext, expected);
        var keys = Enumerable.Range(0, 3000).Select(_ => new ChaCha20Poly1305Key(Key)).ToArray();
        var inUse = -1;
        var wrong = 0;
        var sealing = new Thread(() =>
        {
            var output = new byte[64 + 16];
            for (var i = 0; i < keys.Length; i++)
            {
                Volatile.Write(ref inUse, i);
                while (keys[i].TrySeal(1, plaintext, output))
                {
                    wrong += output.AsSpan().SequenceEqual(expected) ? 0 : 1;
                }
            }
        });
        sealing.Start();
        for (var i = 0; i < keys.Length; i++)
        {
            SpinWait.SpinUntil(() => Volatile.Read(ref inUse) == i);
            keys[i].Dispose();
        }

        sealing.Join();
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Nothing_is_allocated_per_packet()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        var buffer = new byte[1500];
        var counter = 0UL;
        Assert.Equal(0, ThreadAllocations.Of(() =>
        {
            key.TrySeal(counter, buffer.AsSpan(0, 1400), buffer);
            key.TryOpen(counter++, buffer.AsSpan(0, 1416), buffer);
        }));
    }

    [Fact]
    public void Spans_that_do_not_fit_are_refused()
    {
        using var key = new ChaCha20Poly1305Key(Key);
        var buffer = new byte[64];
        Assert.Throws<ArgumentException>("key", () => new ChaCha20Poly1305Key(new byte[31]));
        Assert.Throws<ArgumentException>("output", () => key.TrySeal(0, new byte[10], new byte[25]));
        Assert.Throws<ArgumentException>("output", () => key.TryOpen(0, new byte[26], new byte[9]));
        Assert.Throws<ArgumentException>("output", () => key.TrySeal(0, buffer.AsSpan(0, 16), buffer.AsSpan(1)));
    }

    private static byte[] Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
