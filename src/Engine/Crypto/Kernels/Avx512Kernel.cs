using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>ChaCha20-Poly1305 by AVX-512 (F and BW, as x86-64-v4 has them).</summary>
internal sealed unsafe class Avx512Kernel : AeadKernel
{
    private const int Block = 64;
    private const int KeyStream = Avx512ChaCha20.MostBlocks * Block;

    // the first block, whose first half is the key of Poly1305, stays while the others are made anew
    private const int Scratch = Block + KeyStream;

    public override string Name => "avx512";

    public override bool IsSupported => Avx512F.IsSupported && Avx512BW.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[Scratch + Block];
        var stream = Aligned(memory);
        var used = Avx512ChaCha20.Generate(key, nonce0, nonce, 0, Blocks(length) + 1, stream) * Block;
        var first = Math.Min(length, used - Block);
        Xor(input, stream + Block, output, first);
        if (length > first)
        {
            used = Scratch;
            XorRest(key, nonce0, nonce, stream + Block, input, first, length, output);
        }

        Tag(stream, output, length, ad, adLength, output + length);
        Wipe(stream, used);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        var memory = stackalloc byte[Scratch + Block];
        var stream = Aligned(memory);
        var used = Avx512ChaCha20.Generate(key, nonce0, nonce, 0, Blocks(length) + 1, stream) * Block;
        var tag = stackalloc ulong[2];
        Tag(stream, input, length, ad, adLength, (byte*)tag);
        var differing = (tag[0] ^ *(ulong*)(input + length)) | (tag[1] ^ *(ulong*)(input + length + 8));
        if (differing == 0)
        {
            var first = Math.Min(length, used - Block);
            Xor(input, stream + Block, output, first);
            if (length > first)
            {
                used = Scratch;
                XorRest(key, nonce0, nonce, stream + Block, input, first, length, output);
            }
        }

        Wipe(stream, used);
        return differing == 0;
    }

    private static int Blocks(int length) => (int)(((uint)length + Block - 1) / Block);

    private static byte* Aligned(byte* memory) => (byte*)(((nuint)memory + Block - 1) & ~(nuint)(Block - 1));

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

        if ((length & 32) != 0)
        {
            (Vector256.Load(input) ^ Vector256.Load(stream)).Store(output);
            input += 32;
            stream += 32;
            output += 32;
        }

        if ((length & 16) != 0)
        {
            (Vector128.Load(input) ^ Vector128.Load(stream)).Store(output);
            input += 16;
            stream += 16;
            output += 16;
        }

        if ((length & 8) != 0)
        {
            *(ulong*)output = *(ulong*)input ^ *(ulong*)stream;
            input += 8;
            stream += 8;
            output += 8;
        }

        for (var i = 0; i < (length & 7); i++)
        {
            output[i] = (byte)(input[i] ^ stream[i]);
        }
    }

    private static void Tag(byte* oneTimeKey, byte* data, int length, byte* ad, int adLength, byte* tag)
    {
        if (adLength == 0 && length >= Avx512Poly1305.ShortestMessage)
        {
            Avx512Poly1305.Tag(oneTimeKey, data, length, tag);
            return;
        }

        var poly = default(Poly1305);
        poly.Start(oneTimeKey);
        poly.Absorb(ad, adLength);
        poly.Absorb(data, length);
        poly.Finish(oneTimeKey, adLength, length, tag);
        poly = default;
    }

    private static void Wipe(byte* from, int length)
    {
        for (var to = from + length; from < to; from += Block)
        {
            Vector512<byte>.Zero.Store(from);
        }
    }
}
