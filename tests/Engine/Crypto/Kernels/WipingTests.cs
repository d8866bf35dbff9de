using System.Diagnostics;
using System.Globalization;
using System.Numerics;
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
        Assert.True(AeadSelfTest.Passes(kernel, new LibcryptoKernel())); // as before any packet: then all of it has been compiled and called
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
        Assert.Equal(packet.Secrets.Select(secret => secret.Name), packet.LeftBehind(() => Leave(packet)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Leave(Packet packet)
    {
        var memory = stackalloc byte[packet.Secrets.Sum(secret => secret.Bytes.Length)];
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

        // what is left each time is found in all of them; beside tests that make garbage, on a busy machine, five in a row may all be interrupted
        private const int Attempts = 50;

        private readonly byte[] _key = new byte[32], _ad, _plaintext, _sealed, _output;

        public Packet(int length, int adLength)
        {
            var random = new Random(length);
            random.NextBytes(_key);
            (_ad, _plaintext, _sealed, _output) = (new byte[adLength], new byte[length], new byte[length + 16], new byte[length + 16]);
            random.NextBytes(_plaintext);
            LibcryptoSeal(_sealed);

            var blocks = Enumerable.Range(0, 1 + ((length + 63) / 64)).Select(counter => ReferenceAead.ChaCha20(_key, Nonce, (uint)counter)).ToArray();
            Secrets.Add(("the one-time key", Bytes(blocks[0].Block[..8])));
            foreach (var (block, _) in blocks)
            {
                Secrets.Add(("key stream", Bytes(block)));
            }

            // As vectors have them: by rows of two blocks or by words of eight, or of more. A row or a word before the sum is as good as one of the key, which is
            // the difference between that and the key stream.
            foreach (var two in blocks.Chunk(2).Where(chunk => chunk.Length == 2))
            {
                for (var row = 0; row < 16; row += 4)
                {
                    var words = row..(row + 4);
                    Secrets.Add(("rows of key stream", Bytes([.. two[0].Block[words], .. two[1].Block[words]])));
                    Secrets.Add(("rows before the sum", Bytes([.. two[0].Rounds[words], .. two[1].Rounds[words]])));
                    Secrets.Add(("rows before their last rotation", Bytes(two.SelectMany(block => block.Rounds[words]).Select(BeforeLastRotation))));
                }
            }

            foreach (var eight in blocks.Chunk(8).Where(chunk => chunk.Length == 8))
            {
                for (var word = 0; word < 16; word++)
                {
                    Secrets.Add(("words of key stream", Bytes(eight.Select(block => block.Block[word]))));
                    Secrets.Add(("words before the sum", Bytes(eight.Select(block => block.Rounds[word]))));
                    Secrets.Add(("words before their last rotation", Bytes(eight.Select(block => BeforeLastRotation(block.Rounds[word])))));
                }
            }

            static byte[] Bytes(IEnumerable<uint> words) => [.. words.SelectMany(BitConverter.GetBytes)];

            static uint BeforeLastRotation(uint word) => BitOperations.RotateRight(word, 7);
        }

        public List<(string Name, byte[] Bytes)> Secrets { get; } = [];

        public void Seal(AeadKernel kernel) => Seal(kernel, _output);

        public void Open(AeadKernel kernel)
        {
            fixed (byte* k = _key, s = _sealed, o = _output, a = _ad)
            {
                Assert.True(kernel.Open(k, 0, Nonce, s, _plaintext.Length, o, a, _ad.Length));
            }
        }

        /// <summary>
        /// Names of the secrets that stand on the stack of a thread of its own after it has worked, and do so each time: now and then the runtime interrupts a
        /// thread, and then the system stores its registers there, in which key stream may still be.
        /// </summary>
        public List<string> LeftBehind(Action work)
        {
            var left = Enumerable.Range(0, Secrets.Count).ToList();
            for (var attempt = 0; attempt < Attempts && left.Count > 0; attempt++)
            {
                Exception? failure = null;
                var thread = new Thread(() =>
                {
                    try
                    {
                        left = Search(work, left);
                    }
                    catch (Exception exception)
                    {
                        failure = exception;
                    }
                });
                thread.Start();
                thread.Join();
                Assert.Null(failure);
            }

            return [.. left.Select(i => Secrets[i].Name)];
        }

        // Nothing but comparing is done between the work and the end of the search: calls write over what lies below them.
        private List<int> Search(Action work, List<int> which)
        {
            var found = new List<int>(which.Count);
            byte here;
            var top = (ulong)&here;
            var bottom = File.ReadLines("/proc/self/maps")
                .Select(line => line.Split(' ')[0].Split('-'))
                .Where(bounds => Address(bounds[0]) <= top && top < Address(bounds[1]))
                .Select(bounds => Address(bounds[0]))
                .Single();
            bottom = Math.Max(bottom, top - (256 << 10)); // much more than anything here takes
            Deeper(work);
            var stack = new ReadOnlySpan<byte>((byte*)bottom, (int)(top - bottom));
            foreach (var i in which)
            {
                if (stack.IndexOf(Secrets[i].Bytes) >= 0)
                {
                    found.Add(i);
                }
            }

            return found;
        }

        // leaves room for the frames of the search
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Deeper(Action work)
        {
            var room = stackalloc byte[16 << 10];
            room[0] = 1;
            work();
            room[1] = room[0];
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
