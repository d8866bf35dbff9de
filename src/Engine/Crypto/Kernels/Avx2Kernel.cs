using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>The kernel for x86 processors with AVX2, which most have had since 2013: vectors of 256 bits, of which there are 16.</summary>
internal sealed unsafe class Avx2Kernel : AeadKernel
{
    // Below this, so many bytes of ciphertext, powers of r for four lanes cost more than they save.
    private const int ShortLength = 256;

    private const int BlockLength = PortableChaCha20.BlockLength;
    private const int OneRun = Avx2ChaCha20.MaxLength;
    private const int OneTimeKeyLength = 32;
    private const int Alignment = 64;

    public override string Name => "avx2";

    public override bool IsSupported => Avx2.IsSupported;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[sizeof(Scratch) + (2 * Alignment)];
        var scratch = Align(memory);
        var size = Start(scratch, key, nonce0, nonce, length, ad, adLength);
        var stream = scratch->Stream + BlockLength;
        for (var done = 0; ;)
        {
            Avx2ChaCha20.Xor(input + done, stream, output + done, size);
            var last = done + size == length;
            Absorb(scratch, output + done, size, last);
            if (last)
            {
                break;
            }

            done += size;
            size = Math.Min(length - done, Avx2ChaCha20.NextBlocks(scratch->State, scratch->Stream, length - done));
            stream = scratch->Stream;
        }

        scratch->Poly1305.Finish(scratch->OneTimeKey, adLength, length, output + length);
        Wipe(scratch);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[sizeof(Scratch) + (2 * Alignment)];
        var scratch = Align(memory);
        var size = Start(scratch, key, nonce0, nonce, length, ad, adLength);
        var stream = scratch->Stream + BlockLength;
        var done = 0;
        while (done + size < length)
        {
            Absorb(scratch, input + done, size, last: false);
            Avx2ChaCha20.Xor(input + done, stream, output + done, size);
            done += size;
            size = Math.Min(length - done, Avx2ChaCha20.NextBlocks(scratch->State, scratch->Stream, length - done));
            stream = scratch->Stream;
        }

        Absorb(scratch, input + done, size, last: true);
        scratch->Poly1305.Finish(scratch->OneTimeKey, adLength, length, scratch->Tag);
        var tag = (ulong*)scratch->Tag;
        var authentic = ((tag[0] ^ *(ulong*)(input + length)) | (tag[1] ^ *(ulong*)(input + length + 8))) == 0;
        if (authentic)
        {
            Avx2ChaCha20.Xor(input + done, stream, output + done, size);
        }

        Wipe(scratch);
        return authentic;
    }

    // The first block is Poly1305's key (RFC 8439, section 2.6); those behind it, so many bytes as come back, are the message's.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Start(Scratch* scratch, byte* key, uint nonce0, ulong nonce, int length, byte* ad, int adLength)
    {
        PortableChaCha20.Start(scratch->State, key, nonce0, nonce);
        scratch->FirstRun = Avx2ChaCha20.NextBlocks(scratch->State, scratch->Stream, BlockLength + Math.Min(length, OneRun));
        Unsafe.CopyBlockUnaligned(scratch->OneTimeKey, scratch->Stream, OneTimeKeyLength);
        scratch->Poly1305.Start(scratch->OneTimeKey);
        scratch->Poly1305.Absorb(ad, adLength);
        scratch->HasLanes = length >= ShortLength && adLength == 0;
        if (scratch->HasLanes)
        {
            Avx2Poly1305.Start(&scratch->Lanes, &scratch->Poly1305);
        }

        return Math.Min(length, scratch->FirstRun - BlockLength);
    }

    // A run of the ciphertext. All but the last are whole groups; what is behind the last one's groups ends the work of the lanes.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Absorb(Scratch* scratch, byte* ciphertext, int size, bool last)
    {
        if (scratch->HasLanes)
        {
            Avx2Poly1305.AddGroups(&scratch->Lanes, ciphertext, size / Avx2Poly1305.GroupLength);
            if (!last)
            {
                return;
            }

            Avx2Poly1305.Finish(&scratch->Lanes, &scratch->Poly1305);
            ciphertext += size & -Avx2Poly1305.GroupLength;
            size %= Avx2Poly1305.GroupLength;
        }

        scratch->Poly1305.Absorb(ciphertext, size);
    }

    // vectors that lie across two cache lines take twice the time
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Scratch* Align(byte* memory) => (Scratch*)(((nuint)memory + Alignment - 1) & ~(nuint)(Alignment - 1));

    // only what was written: of a short packet that is little
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wipe(Scratch* scratch)
    {
        Wipe(scratch->Stream, scratch->FirstRun);
        if (scratch->HasLanes)
        {
            Wipe(&scratch->Lanes, sizeof(Avx2Poly1305));
        }

        Wipe(scratch->State, (int)((byte*)(scratch + 1) - (byte*)scratch->State)); // and what is behind it
    }

    // by whole vectors: Seal and Open have left room behind the last part
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Wipe(void* memory, int size)
    {
        for (var i = 0; i < size; i += Vector256<byte>.Count)
        {
            Vector256<byte>.Zero.Store((byte*)memory + i);
        }
    }

    /// <summary>All that is secret and lies in memory while a packet is worked on.</summary>
    private struct Scratch
    {
        public fixed byte Stream[OneRun];
        public Avx2Poly1305 Lanes;
        public fixed uint State[PortableChaCha20.StateLength];
        public fixed byte OneTimeKey[OneTimeKeyLength];
        public fixed byte Tag[ChaCha20Poly1305Key.TagLength];
        public Poly1305 Poly1305;
        public int FirstRun; // bytes written to Stream at first; later runs write no more
        public bool HasLanes;
    }
}
