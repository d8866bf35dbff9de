using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// The kernel for every little-endian processor: vectors of 128 bits, which .NET maps to SSE2 or AdvSimd, and 64-bit numbers. A big-endian one
/// would need its bytes turned around, and .NET runs on none that this is built for.
/// </summary>
internal sealed unsafe class PortableKernel : AeadKernel
{
    private const int OneTimeKeyLength = 32;

    public override string Name => "portable";

    public override bool IsSupported => BitConverter.IsLittleEndian;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        Scratch scratch;
        Start(&scratch, key, nonce0, nonce);
        Encrypt(&scratch, input, length, output);
        WriteTag(&scratch, output, length, ad, adLength, output + length);
        Wipe(&scratch);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
    {
        Scratch scratch;
        Start(&scratch, key, nonce0, nonce);
        WriteTag(&scratch, input, length, ad, adLength, scratch.Tag);
        var tag = (ulong*)scratch.Tag;
        var authentic = ((tag[0] ^ Unsafe.ReadUnaligned<ulong>(input + length)) | (tag[1] ^ Unsafe.ReadUnaligned<ulong>(input + length + 8))) == 0;
        if (authentic)
        {
            Encrypt(&scratch, input, length, output);
        }

        Wipe(&scratch);
        return authentic;
    }

    // the first block is Poly1305's key (RFC 8439, section 2.6), the others of the first run are the message's
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Start(Scratch* scratch, byte* key, uint nonce0, ulong nonce)
    {
        PortableChaCha20.Start(scratch->State, key, nonce0, nonce);
        PortableChaCha20.NextBlocks(scratch->State, scratch->Stream);
        Unsafe.CopyBlockUnaligned(scratch->OneTimeKey, scratch->Stream, OneTimeKeyLength);
        scratch->Poly1305.Start(scratch->OneTimeKey);
    }

    // decrypts as well
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Encrypt(Scratch* scratch, byte* input, int length, byte* output)
    {
        const int OneBlock = PortableChaCha20.BlockLength, OneRun = PortableChaCha20.Blocks * OneBlock;
        var size = Math.Min(length, OneRun - OneBlock);
        PortableChaCha20.Xor(input, scratch->Stream + OneBlock, output, size);
        for (var done = size; done < length; done += size)
        {
            size = Math.Min(length - done, OneRun);
            PortableChaCha20.NextBlocks(scratch->State, scratch->Stream);
            PortableChaCha20.Xor(input + done, scratch->Stream, output + done, size);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteTag(Scratch* scratch, byte* ciphertext, int length, byte* ad, int adLength, byte* tag)
    {
        scratch->Poly1305.Absorb(ad, adLength);
        scratch->Poly1305.Absorb(ciphertext, length);
        scratch->Poly1305.Finish(scratch->OneTimeKey, adLength, length, tag);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Wipe(Scratch* scratch) => CryptographicOperations.ZeroMemory(new Span<byte>(scratch, sizeof(Scratch)));

    /// <summary>All that is secret and lies in memory while a packet is worked on.</summary>
    private struct Scratch
    {
        public fixed uint State[PortableChaCha20.StateLength];
        public fixed byte Stream[PortableChaCha20.Blocks * PortableChaCha20.BlockLength];
        public fixed byte OneTimeKey[OneTimeKeyLength];
        public fixed byte Tag[ChaCha20Poly1305Key.TagLength];
        public Poly1305 Poly1305;
    }
}
