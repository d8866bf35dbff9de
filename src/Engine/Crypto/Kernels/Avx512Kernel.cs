using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// ChaCha20-Poly1305 by AVX-512 (x86-64-v4: for .NET, F stands for F, BW, CD, DQ and VL together). What is long and without associated data, as packets are, is summed up eight blocks at
/// a time; the rest one by one, since powers of the key cost as much as ten blocks.
/// </summary>
internal sealed unsafe class Avx512Kernel : AeadKernel
{
    private const int Block = 64;

    // Scratch: the block that begins with the key of Poly1305; blocks of key stream, made anew as often as it takes; powers of the key;
    // the sum of one block after the other; the tag that ought to be.
    private const int Powers = Block + (Avx512ChaCha20.MostBlocks * Block);
    private const int Sum = Powers + Avx512Poly1305.PowersLength;
    private const int ExpectedTag = Sum + (Block - ChaCha20Poly1305Key.TagLength);
    private const int Scratch = Sum + Block;

    public override string Name => "avx512";

    public override bool IsSupported => Avx512F.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[Scratch + Block];
        var scratch = Aligned(memory);
        var stream = Math.Min(Avx512ChaCha20.Generate(key, nonce0, nonce, 0, Blocks(length) + 1, scratch) * Block - Block, length);
        if (length < Avx512Poly1305.ShortestMessage)
        {
            var sum = (Poly1305*)(scratch + Sum);
            sum->Start(scratch);
            sum->Absorb(ad, adLength);
            sum->EncryptAndAbsorb(input, scratch + Block, output, length);
            sum->Finish(scratch, adLength, length, output + length);
        }
        else
        {
            if (adLength == 0)
            {
                Avx512Poly1305.WritePowers(scratch, (ulong*)(scratch + Powers));
            }

            Xor(input, scratch + Block, output, stream);
            XorRest(key, nonce0, nonce, scratch + Block, input, stream, length, output);
            Tag(scratch, output, length, ad, adLength, output + length);
        }

        Wipe(scratch, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[Scratch + Block];
        var scratch = Aligned(memory);
        var stream = Math.Min(Avx512ChaCha20.Generate(key, nonce0, nonce, 0, Blocks(length) + 1, scratch) * Block - Block, length);
        if (adLength == 0 && length >= Avx512Poly1305.ShortestMessage)
        {
            Avx512Poly1305.WritePowers(scratch, (ulong*)(scratch + Powers));
        }

        Tag(scratch, input, length, ad, adLength, scratch + ExpectedTag);
        var tag = (ulong*)(scratch + ExpectedTag);
        var isAuthentic = ((tag[0] ^ *(ulong*)(input + length)) | (tag[1] ^ *(ulong*)(input + length + 8))) == 0;
        if (isAuthentic)
        {
            Xor(input, scratch + Block, output, stream);
            XorRest(key, nonce0, nonce, scratch + Block, input, stream, length, output);
        }

        Wipe(scratch, length);
        return isAuthentic;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Blocks(int length) => (int)(((uint)length + Block - 1) / Block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Aligned(byte* memory) => (byte*)(((nuint)memory + Block - 1) & ~(nuint)(Block - 1));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void XorRest(byte* key, uint nonce0, ulong nonce, byte* stream, byte* input, int done, int length, byte* output)
    {
        while (done < length)
        {
            var counter = (uint)(done / Block) + 1; // what is done are whole blocks
            var part = Math.Min(length - done, Avx512ChaCha20.Generate(key, nonce0, nonce, counter, Blocks(length - done), stream) * Block);
            Xor(input + done, stream, output + done, part);
            done += part;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Xor(byte* input, byte* stream, byte* output, int length)
    {
        for (; length >= Block; input += Block, stream += Block, output += Block, length -= Block)
        {
            (Vector512.Load(input) ^ Vector512.Load(stream)).Store(output);
        }

        PortableChaCha20.Xor(input, stream, output, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tag(byte* scratch, byte* data, int length, byte* ad, int adLength, byte* tag)
    {
        if (adLength == 0 && length >= Avx512Poly1305.ShortestMessage)
        {
            Avx512Poly1305.Tag(scratch, (ulong*)(scratch + Powers), data, length, tag);
            return;
        }

        var sum = (Poly1305*)(scratch + Sum);
        sum->Start(scratch);
        sum->Absorb(ad, adLength);
        sum->Absorb(data, length);
        sum->Finish(scratch, adLength, length, tag);
    }

    // what a message of that length leaves behind: at most 192 bytes come with four blocks, at most 448 with eight
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Wipe(byte* scratch, int length)
    {
        var used = length <= 3 * Block ? 4 * Block : length <= 7 * Block ? 8 * Block : Powers;
        for (var at = 0; at < used; at += Block)
        {
            Vector512<byte>.Zero.Store(scratch + at);
        }

        for (var at = Powers; at < Scratch; at += Block)
        {
            Vector512<byte>.Zero.Store(scratch + at);
        }
    }
}
