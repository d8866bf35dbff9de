using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// ChaCha20 (RFC 8439, section 2.3), four blocks at a time. A vector is a row of one block's state, so that columns are worked on as they lie,
/// and diagonals after the rows have been rotated against each other.
/// </summary>
internal static unsafe class PortableChaCha20
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockLength = 64;

    /// <summary>Blocks that are made at a time.</summary>
    public const int Blocks = 4;

    /// <summary>Words of the state.</summary>
    public const int StateLength = 16;

    /// <summary>The first four words of every state: "expand 32-byte k".</summary>
    public const uint Word0 = 0x61707865, Word1 = 0x3320646e, Word2 = 0x79622d32, Word3 = 0x6b206574;

    /// <summary>Writes the state that the key stream begins with, at block 0.</summary>
    /// <param name="state">16 words.</param>
    /// <param name="key">32 bytes.</param>
    public static void Start(uint* state, byte* key, uint nonce0, ulong nonce)
    {
        (state[0], state[1], state[2], state[3]) = (Word0, Word1, Word2, Word3);
        Unsafe.CopyBlockUnaligned(state + 4, key, 32);
        state[12] = 0;
        state[13] = nonce0;
        state[14] = (uint)nonce;
        state[15] = (uint)(nonce >> 32);
    }

    /// <summary>Writes the next four blocks of key stream, 256 bytes, and moves the state's counter on.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void NextBlocks(uint* state, byte* stream)
    {
        Vector128<uint> a0 = Vector128.Load(state), a1 = a0, a2 = a0, a3 = a0;
        Vector128<uint> b0 = Vector128.Load(state + 4), b1 = b0, b2 = b0, b3 = b0;
        Vector128<uint> c0 = Vector128.Load(state + 8), c1 = c0, c2 = c0, c3 = c0;
        Vector128<uint> one = Vector128.Create(1u, 0, 0, 0);
        Vector128<uint> d0 = Vector128.Load(state + 12), d1 = d0 + one, d2 = d1 + one, d3 = d2 + one;
        for (var i = 0; i < 10; i++)
        {
            QuarterRounds(ref a0, ref b0, ref c0, ref d0);
            QuarterRounds(ref a1, ref b1, ref c1, ref d1);
            QuarterRounds(ref a2, ref b2, ref c2, ref d2);
            QuarterRounds(ref a3, ref b3, ref c3, ref d3);
            ToDiagonals(ref b0, ref c0, ref d0);
            ToDiagonals(ref b1, ref c1, ref d1);
            ToDiagonals(ref b2, ref c2, ref d2);
            ToDiagonals(ref b3, ref c3, ref d3);
            QuarterRounds(ref a0, ref b0, ref c0, ref d0);
            QuarterRounds(ref a1, ref b1, ref c1, ref d1);
            QuarterRounds(ref a2, ref b2, ref c2, ref d2);
            QuarterRounds(ref a3, ref b3, ref c3, ref d3);
            ToColumns(ref b0, ref c0, ref d0);
            ToColumns(ref b1, ref c1, ref d1);
            ToColumns(ref b2, ref c2, ref d2);
            ToColumns(ref b3, ref c3, ref d3);
        }

        var counter = Vector128.Load(state + 12);
        WriteBlock(state, counter, stream, a0, b0, c0, d0);
        WriteBlock(state, counter += one, stream + BlockLength, a1, b1, c1, d1);
        WriteBlock(state, counter += one, stream + (2 * BlockLength), a2, b2, c2, d2);
        WriteBlock(state, counter += one, stream + (3 * BlockLength), a3, b3, c3, d3);
        (counter + one).Store(state + 12);
    }

    /// <summary>Combines input and key stream.</summary>
    /// <param name="input">Is <paramref name="output"/> or apart from it.</param>
    /// <param name="stream">At least <paramref name="length"/> bytes of key stream.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Xor(byte* input, byte* stream, byte* output, int length)
    {
        for (; length >= 16; length -= 16, input += 16, stream += 16, output += 16)
        {
            (Vector128.Load(input) ^ Vector128.Load(stream)).Store(output);
        }

        if ((length & 8) != 0)
        {
            Unsafe.WriteUnaligned(output, Unsafe.ReadUnaligned<ulong>(input) ^ Unsafe.ReadUnaligned<ulong>(stream));
            input += 8;
            stream += 8;
            output += 8;
        }

        for (length &= 7; length > 0; length--)
        {
            *output++ = (byte)(*input++ ^ *stream++);
        }
    }

    // the four quarter rounds of a block
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(ref Vector128<uint> a, ref Vector128<uint> b, ref Vector128<uint> c, ref Vector128<uint> d)
    {
        a += b;
        d ^= a;
        d = (d << 16) | (d >>> 16);
        c += d;
        b ^= c;
        b = (b << 12) | (b >>> 20);
        a += b;
        d ^= a;
        d = (d << 8) | (d >>> 24);
        c += d;
        b ^= c;
        b = (b << 7) | (b >>> 25);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToDiagonals(ref Vector128<uint> b, ref Vector128<uint> c, ref Vector128<uint> d)
    {
        b = Vector128.Shuffle(b, Vector128.Create(1u, 2, 3, 0));
        c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
        d = Vector128.Shuffle(d, Vector128.Create(3u, 0, 1, 2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToColumns(ref Vector128<uint> b, ref Vector128<uint> c, ref Vector128<uint> d)
    {
        b = Vector128.Shuffle(b, Vector128.Create(3u, 0, 1, 2));
        c = Vector128.Shuffle(c, Vector128.Create(2u, 3, 0, 1));
        d = Vector128.Shuffle(d, Vector128.Create(1u, 2, 3, 0));
    }

    // adds the state that the block began with
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteBlock(
        uint* state, Vector128<uint> counter, byte* stream, Vector128<uint> a, Vector128<uint> b, Vector128<uint> c, Vector128<uint> d)
    {
        (a + Vector128.Load(state)).AsByte().Store(stream);
        (b + Vector128.Load(state + 4)).AsByte().Store(stream + 16);
        (c + Vector128.Load(state + 8)).AsByte().Store(stream + 32);
        (d + counter).AsByte().Store(stream + 48);
    }
}
