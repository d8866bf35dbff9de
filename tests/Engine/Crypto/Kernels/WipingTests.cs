using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>
/// What our own kernels leave on the stack of the thread that they ran on. OpenSSL's stack is OpenSSL's.
/// </summary>
public sealed unsafe class WipingTests
{
    public static TheoryData<string> Kernels =>
        [.. AeadChoice.Kernels.Where(kernel => kernel.IsSupported && kernel is not LibcryptoKernel).Select(kernel => kernel.Name)];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Neither_keys_nor_key_stream_stand_on_the_stack_afterwards(string name)
    {
        var isDebug = typeof(AeadKernel).Assembly.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true };
        Assert.False(isDebug, "Code that is not optimized keeps what it works with on the stack. Run this with -c Release, which is what is delivered.");
        var kernel = AeadChoice.Kernels.Single(kernel => kernel.Name == name);
        foreach (var length in (int[])[0, 20, 64, 127, 128, 190, 300, 448, 512, 1420, 1600, 4000])
        {
            foreach (var adLength in (int[])[0, 32])
            {
                var packet = new Packet(length, adLength);
                Assert.Empty(packet.LeftBehind(() => packet.Seal(kernel)));
                Assert.Empty(packet.LeftBehind(() => packet.Open(kernel)));
            }
        }
    }

    [Fact]
    public void What_is_left_on_the_stack_is_found()
    {
        var packet = new Packet(200, 0);
        Assert.Equal(["the one-time key", "key stream", "key stream", "key stream"], packet.LeftBehind(() => Leave(packet)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Leave(Packet packet)
    {
        var memory = stackalloc byte[2048];
        foreach (var secret in packet.Secrets)
        {
            secret.Bytes.CopyTo(new Span<byte>(memory, secret.Bytes.Length));
            memory += secret.Bytes.Length;
        }
    }

    /// <summary>A packet and what is secret about it, all of it on the heap.</summary>
    private sealed class Packet
    {
        private const ulong Nonce = 77;

        private readonly byte[] _key = new byte[32], _ad, _plaintext, _sealed, _output;

        public Packet(int length, int adLength)
        {
            var random = new Random(length);
            random.NextBytes(_key);
            (_ad, _plaintext, _sealed, _output) = (new byte[adLength], new byte[length], new byte[length + 16], new byte[length + 16]);
            Secrets = [("the one-time key", ReferenceAead.OneTimeKey(_key, Nonce))];

            // zeros are encrypted to the key stream
            LibcryptoSeal(_sealed);
            for (var at = 0; at + 64 <= length; at += 64)
            {
                Secrets.Add(("key stream", _sealed[at..(at + 64)]));
            }

            random.NextBytes(_plaintext);
            LibcryptoSeal(_sealed);
        }

        public List<(string Name, byte[] Bytes)> Secrets { get; }

        public void Seal(AeadKernel kernel) => Seal(kernel, _output);

        public void Open(AeadKernel kernel)
        {
            fixed (byte* k = _key, s = _sealed, o = _output, a = _ad)
            {
                Assert.True(kernel.Open(k, 0, Nonce, s, _plaintext.Length, o, a, _ad.Length));
            }
        }

        /// <summary>Names of the secrets that stand on the stack of a thread of its own after it has worked.</summary>
        public List<string> LeftBehind(Action work)
        {
            var found = new bool[Secrets.Count];
            Exception? failure = null;
            var thread = new Thread(() =>
            {
                try
                {
                    Search(work, found);
                }
                catch (Exception exception)
                {
                    failure = exception;
                }
            });
            thread.Start();
            thread.Join();
            Assert.Null(failure);
            return [.. Secrets.Where((_, i) => found[i]).Select(secret => secret.Name)];
        }

        // Nothing but comparing is done between the work and the end of the search: calls write over what lies below them.
        private void Search(Action work, bool[] found)
        {
            byte here;
            var top = (ulong)&here;
            var bottom = File.ReadLines("/proc/self/maps")
                .Select(line => line.Split(' ')[0].Split('-'))
                .Where(bounds => Address(bounds[0]) <= top && top < Address(bounds[1]))
                .Select(bounds => Address(bounds[0]))
                .Single();
            bottom = Math.Max(bottom, top - (256 << 10)); // much more than anything here takes
            for (var round = 0; round < 2; round++)
            {
                Deeper(work);
                var stack = new ReadOnlySpan<byte>((byte*)bottom, (int)(top - bottom));
                for (var i = 0; i < found.Length; i++)
                {
                    found[i] |= stack.IndexOf(Secrets[i].Bytes) >= 0;
                }
            }
        }

        // leaves room for the frames of the search
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Deeper(Action work)
        {
            var room = stackalloc byte[16 << 10];
            room[0] = 1;
            work();
            GC.KeepAlive(room[0]);
        }

        private static ulong Address(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

        private void LibcryptoSeal(byte[] output) => Seal(new LibcryptoKernel(), output);

        private void Seal(AeadKernel kernel, byte[] output)
        {
            fixed (byte* k = _key, p = _plaintext, o = output, a = _ad)
            {
                kernel.Seal(k, 0, Nonce, p, _plaintext.Length, o, a, _ad.Length);
            }
        }
    }
}
