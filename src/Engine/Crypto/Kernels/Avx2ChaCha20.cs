using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// ChaCha20 (RFC 8439, section 2.3) with AVX2. Eight blocks at a time have one word of each in a vector. Up to four, for what is short or is left over,
/// have rows of two blocks in a vector, which is less work where there are so few.
/// </summary>
internal static unsafe class Avx2ChaCha20
{
    /// <summary>Most bytes of key stream that are made at a time.</summary>
    public const int MaxLength = MaxSets * SetLength;

    private const int Lanes = 8;
    private const int MaxSets = 3;
    private const int SetLength = Lanes * BlockLength;
    private const int BlockLength = PortableChaCha20.BlockLength;

    /// <summary>Writes the next blocks of key stream, as many as are wanted or a few more, and moves the state's counter on.</summary>
    /// <param name="state">16 words, as <see cref="PortableChaCha20.Start"/> makes them.</param>
    /// <param name="stream">Room for <see cref="MaxLength"/>. Aligned to 32 bytes it is faster.</param>
    /// <param name="wanted">Bytes.</param>
    /// <returns>Bytes that were written.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int NextBlocks(uint* state, byte* stream, int wanted)
    {
        if (wanted <= 4 * BlockLength)
        {
            FourBlocks(state, stream);
            return 4 * BlockLength;
        }

        var sets = wanted >= MaxLength ? MaxSets : (wanted + SetLength - 1) / SetLength;
        EightBlocks(state, stream, sets);
        return sets * SetLength;
    }

    /// <summary>Combines input and key stream.</summary>
    /// <param name="input">Is <paramref name="output"/> or apart from it.</param>
    /// <param name="stream">At least <paramref name="length"/> bytes of key stream.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Xor(byte* input, byte* stream, byte* output, int length)
    {
        for (; length >= 32; length -= 32, input += 32, stream += 32, output += 32)
        {
            (Vector256.Load(input) ^ Vector256.Load(stream)).Store(output);
        }

        PortableChaCha20.Xor(input, stream, output, length);
    }

    // Eight blocks for each set. Steps of a quarter round wait for each other most of the time, and there are no registers for two sets. So sets lie in memory and
    // take turns, a round each: a processor that looks ahead begins the next one's while the last one's is waiting.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightBlocks(uint* state, byte* stream, int sets)
    {
        var words = (Vector256<uint>*)stream; // the state of the eight blocks, until it is the key stream
        for (var set = 0; set < sets; set++)
        {
            for (var i = 0; i < PortableChaCha20.StateLength / 2; i++)
            {
                words[(set * PortableChaCha20.StateLength) + (2 * i)] = Word(state, i);
                words[(set * PortableChaCha20.StateLength) + (2 * i) + 1] = Word(state, (PortableChaCha20.StateLength / 2) + i);
            }

            words[(set * PortableChaCha20.StateLength) + 9] = Counters(state, set); // word 12
        }

        TwentyRounds(words, words + (sets * PortableChaCha20.StateLength));
        for (var set = 0; set < sets; set++)
        {
            WriteBlocks(state, words + (set * PortableChaCha20.StateLength));
            state[12] += Lanes;
        }
    }

    // Words 0-7 of the state are at even places in memory, 8-15 at odd ones: so WriteBlocks writes each half to where it was, and needs no registers for the other.
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwentyRounds(Vector256<uint>* words, Vector256<uint>* end)
    {
        for (var i = 0; i < 10; i++)
        {
            for (var set = words; set < end; set += PortableChaCha20.StateLength)
            {
                QuarterRound(set, 0, 8, 1, 9);
                QuarterRound(set, 2, 10, 3, 11);
                QuarterRound(set, 4, 12, 5, 13);
                QuarterRound(set, 6, 14, 7, 15);
            }

            for (var set = words; set < end; set += PortableChaCha20.StateLength)
            {
                QuarterRound(set, 0, 10, 5, 15);
                QuarterRound(set, 2, 12, 7, 9);
                QuarterRound(set, 4, 14, 1, 11);
                QuarterRound(set, 6, 8, 3, 13);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRound(
        Vector256<uint>* words, [ConstantExpected] int a, [ConstantExpected] int b, [ConstantExpected] int c, [ConstantExpected] int d)
    {
        Vector256<uint> wordA = words[a], wordB = words[b], wordC = words[c], wordD = words[d];
        QuarterRound(ref wordA, ref wordB, ref wordC, ref wordD);
        words[a] = wordA;
        words[b] = wordB;
        words[c] = wordC;
        words[d] = wordD;
    }

    // adds the state that the blocks began with, and turns words of eight blocks into blocks
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteBlocks(uint* state, Vector256<uint>* words)
    {
        WriteTransposed(
            (byte*)words,
            words[0] + Word(state, 0),
            words[2] + Word(state, 1),
            words[4] + Word(state, 2),
            words[6] + Word(state, 3),
            words[8] + Word(state, 4),
            words[10] + Word(state, 5),
            words[12] + Word(state, 6),
            words[14] + Word(state, 7));
        WriteTransposed(
            (byte*)(words + 1),
            words[1] + Word(state, 8),
            words[3] + Word(state, 9),
            words[5] + Word(state, 10),
            words[7] + Word(state, 11),
            words[9] + Counters(state, 0),
            words[11] + Word(state, 13),
            words[13] + Word(state, 14),
            words[15] + Word(state, 15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Counters(uint* state, int set) =>
        Vector256.Create(state[12] + (uint)(set * Lanes)) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Word(uint* state, int index) => Avx2.BroadcastScalarToVector256(state + index);

    // What a rotation takes is written out here: in a function of its own it would be spilled, each time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRound(ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d)
    {
        a += b;
        d = RotateLeft16(d ^ a);
        c += d;
        b ^= c;
        b = Avx2.ShiftLeftLogical(b, 12) | Avx2.ShiftRightLogical(b, 20);
        a += b;
        d = RotateLeft8(d ^ a);
        c += d;
        b ^= c;
        b = Avx2.ShiftLeftLogical(b, 7) | Avx2.ShiftRightLogical(b, 25);
    }

    // by whole bytes it is one step in place of three
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft16(Vector256<uint> x) => Avx2.Shuffle(
        x.AsByte(), Order(Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13))).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft8(Vector256<uint> x) => Avx2.Shuffle(
        x.AsByte(), Order(Vector128.Create((byte)3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14))).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Order(Vector128<byte> order) => Vector256.Create(order, order);

    // eight words of each of eight blocks: from a vector per word to a vector per block, a block's length apart
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteTransposed(
        byte* stream,
        Vector256<uint> x0,
        Vector256<uint> x1,
        Vector256<uint> x2,
        Vector256<uint> x3,
        Vector256<uint> x4,
        Vector256<uint> x5,
        Vector256<uint> x6,
        Vector256<uint> x7)
    {
        var y0 = Avx2.UnpackLow(x0, x1).AsUInt64();
        var y1 = Avx2.UnpackHigh(x0, x1).AsUInt64();
        var y2 = Avx2.UnpackLow(x2, x3).AsUInt64();
        var y3 = Avx2.UnpackHigh(x2, x3).AsUInt64();
        var z0 = Avx2.UnpackLow(y0, y2); // blocks 0 and 4
        var z1 = Avx2.UnpackHigh(y0, y2); // 1 and 5
        var z2 = Avx2.UnpackLow(y1, y3); // 2 and 6
        var z3 = Avx2.UnpackHigh(y1, y3); // 3 and 7
        y0 = Avx2.UnpackLow(x4, x5).AsUInt64();
        y1 = Avx2.UnpackHigh(x4, x5).AsUInt64();
        y2 = Avx2.UnpackLow(x6, x7).AsUInt64();
        y3 = Avx2.UnpackHigh(x6, x7).AsUInt64();
        var z4 = Avx2.UnpackLow(y0, y2);
        var z5 = Avx2.UnpackHigh(y0, y2);
        var z6 = Avx2.UnpackLow(y1, y3);
        var z7 = Avx2.UnpackHigh(y1, y3);
        Avx2.Permute2x128(z0, z4, 0x20).AsByte().Store(stream);
        Avx2.Permute2x128(z1, z5, 0x20).AsByte().Store(stream + BlockLength);
        Avx2.Permute2x128(z2, z6, 0x20).AsByte().Store(stream + (2 * BlockLength));
        Avx2.Permute2x128(z3, z7, 0x20).AsByte().Store(stream + (3 * BlockLength));
        Avx2.Permute2x128(z0, z4, 0x31).AsByte().Store(stream + (4 * BlockLength));
        Avx2.Permute2x128(z1, z5, 0x31).AsByte().Store(stream + (5 * BlockLength));
        Avx2.Permute2x128(z2, z6, 0x31).AsByte().Store(stream + (6 * BlockLength));
        Avx2.Permute2x128(z3, z7, 0x31).AsByte().Store(stream + (7 * BlockLength));
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourBlocks(uint* state, byte* stream)
    {
        Vector256<uint> startA = Row(state, 0), startB = Row(state, 4), startC = Row(state, 8);
        var startD = Row(state, 12) + Vector256.Create(0u, 0, 0, 0, 1, 0, 0, 0);
        Vector256<uint> a0 = startA, b0 = startB, c0 = startC, d0 = startD;
        Vector256<uint> a1 = startA, b1 = startB, c1 = startC, d1 = startD + Vector256.Create(2u, 0, 0, 0, 2, 0, 0, 0);
        for (var i = 0; i < 10; i++)
        {
            QuarterRound(ref a0, ref b0, ref c0, ref d0);
            QuarterRound(ref a1, ref b1, ref c1, ref d1);
            RotateRows(ref b0, ref c0, ref d0, 0b00_11_10_01, 0b10_01_00_11);
            RotateRows(ref b1, ref c1, ref d1, 0b00_11_10_01, 0b10_01_00_11);
            QuarterRound(ref a0, ref b0, ref c0, ref d0);
            QuarterRound(ref a1, ref b1, ref c1, ref d1);
            RotateRows(ref b0, ref c0, ref d0, 0b10_01_00_11, 0b00_11_10_01);
            RotateRows(ref b1, ref c1, ref d1, 0b10_01_00_11, 0b00_11_10_01);
        }

        WriteRows(stream, a0 + startA, b0 + startB, c0 + startC, d0 + startD);
        startD += Vector256.Create(2u, 0, 0, 0, 2, 0, 0, 0);
        WriteRows(stream + (2 * BlockLength), a1 + startA, b1 + startB, c1 + startC, d1 + startD);
        state[12] += 4;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Row(uint* state, int index) => Avx2.BroadcastVector128ToVector256(state + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RotateRows(
        ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d, [ConstantExpected] byte orderB, [ConstantExpected] byte orderD)
    {
        b = Avx2.Shuffle(b, orderB);
        c = Avx2.Shuffle(c, 0b01_00_11_10);
        d = Avx2.Shuffle(d, orderD);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteRows(byte* stream, Vector256<uint> a, Vector256<uint> b, Vector256<uint> c, Vector256<uint> d)
    {
        Avx2.Permute2x128(a, b, 0x20).AsByte().Store(stream);
        Avx2.Permute2x128(c, d, 0x20).AsByte().Store(stream + 32);
        Avx2.Permute2x128(a, b, 0x31).AsByte().Store(stream + 64);
        Avx2.Permute2x128(c, d, 0x31).AsByte().Store(stream + 96);
    }
}
