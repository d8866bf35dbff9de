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

    // Eight blocks for each set. Steps of a quarter round wait for each other most of the time, and there are no registers for two sets. So sets lie in memory:
    // all three go side by side, four words of each at a time; fewer take turns, a double round each, of which a processor that looks ahead begins
    // the next one's while the last one's is waiting.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightBlocks(uint* state, byte* stream, int sets)
    {
        var words = (Vector256<uint>*)stream; // the state of the eight blocks, until it is the key stream
        for (var set = 0; set < sets; set++)
        {
            for (var i = 0; i < PortableChaCha20.StateLength; i++)
            {
                words[(set * PortableChaCha20.StateLength) + i] = Word(state, i);
            }

            words[(set * PortableChaCha20.StateLength) + 12] = Counters(state, set);
        }

        for (var i = 0; i < 10; i++)
        {
            if (sets == MaxSets)
            {
                DoubleRoundOfAll(words);
                continue;
            }

            for (var set = 0; set < sets; set++)
            {
                DoubleRound(words + (set * PortableChaCha20.StateLength));
            }
        }

        for (var set = 0; set < sets; set++)
        {
            WriteBlocks(state, words + (set * PortableChaCha20.StateLength));
            state[12] += Lanes;
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DoubleRound(Vector256<uint>* words)
    {
        Vector256<uint> a0 = words[0], a1 = words[1], a2 = words[2], a3 = words[3];
        Vector256<uint> b0 = words[4], b1 = words[5], b2 = words[6], b3 = words[7];
        Vector256<uint> c0 = words[8], c1 = words[9], c2 = words[10], c3 = words[11];
        Vector256<uint> d0 = words[12], d1 = words[13], d2 = words[14], d3 = words[15];
        QuarterRound(ref a0, ref b0, ref c0, ref d0, 0);
        QuarterRound(ref a1, ref b1, ref c1, ref d1, 16);
        QuarterRound(ref a2, ref b2, ref c2, ref d2, 32);
        QuarterRound(ref a3, ref b3, ref c3, ref d3, 48);
        QuarterRound(ref a0, ref b1, ref c2, ref d3, 64);
        QuarterRound(ref a1, ref b2, ref c3, ref d0, 80);
        QuarterRound(ref a2, ref b3, ref c0, ref d1, 96);
        QuarterRound(ref a3, ref b0, ref c1, ref d2, 112);
        (words[0], words[1], words[2], words[3]) = (a0, a1, a2, a3);
        (words[4], words[5], words[6], words[7]) = (b0, b1, b2, b3);
        (words[8], words[9], words[10], words[11]) = (c0, c1, c2, c3);
        (words[12], words[13], words[14], words[15]) = (d0, d1, d2, d3);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DoubleRoundOfAll(Vector256<uint>* words)
    {
        QuarterRounds(words, words + 4, words + 8, words + 12);
        QuarterRounds(words + 1, words + 5, words + 9, words + 13);
        QuarterRounds(words + 2, words + 6, words + 10, words + 14);
        QuarterRounds(words + 3, words + 7, words + 11, words + 15);
        QuarterRounds(words, words + 5, words + 10, words + 15);
        QuarterRounds(words + 1, words + 6, words + 11, words + 12);
        QuarterRounds(words + 2, words + 7, words + 8, words + 13);
        QuarterRounds(words + 3, words + 4, words + 9, words + 14);
    }

    // The same four words of three sets. These are twelve vectors, which leaves registers for the orders of bytes and for a rotation. Steps are in this order, and
    // words are stored as soon as they are ready, so that nothing is spilled.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(Vector256<uint>* a, Vector256<uint>* b, Vector256<uint>* c, Vector256<uint>* d)
    {
        const int Next = PortableChaCha20.StateLength;
        Vector256<uint> a0 = *a, a1 = a[Next], a2 = a[2 * Next];
        Vector256<uint> b0 = *b, b1 = b[Next], b2 = b[2 * Next];
        Vector256<uint> c0 = *c, c1 = c[Next], c2 = c[2 * Next];
        Vector256<uint> d0 = *d, d1 = d[Next], d2 = d[2 * Next];
        a0 += b0;
        a1 += b1;
        a2 += b2;
        d0 = RotateLeft16(d0 ^ a0, 0);
        d1 = RotateLeft16(d1 ^ a1, 0);
        d2 = RotateLeft16(d2 ^ a2, 0);
        c0 += d0;
        c1 += d1;
        c2 += d2;
        b0 ^= c0;
        b1 ^= c1;
        b2 ^= c2;
        b0 = RotateLeft(b0, 12, 20);
        b1 = RotateLeft(b1, 12, 20);
        b2 = RotateLeft(b2, 12, 20);
        a0 += b0;
        a1 += b1;
        a2 += b2;
        *a = a0;
        a[Next] = a1;
        a[2 * Next] = a2;
        d0 = RotateLeft8(d0 ^ a0, 0);
        d1 = RotateLeft8(d1 ^ a1, 0);
        d2 = RotateLeft8(d2 ^ a2, 0);
        *d = d0;
        d[Next] = d1;
        d[2 * Next] = d2;
        c0 += d0;
        c1 += d1;
        c2 += d2;
        *c = c0;
        c[Next] = c1;
        c[2 * Next] = c2;
        b0 ^= c0;
        b1 ^= c1;
        b2 ^= c2;
        b0 = RotateLeft(b0, 7, 25);
        b1 = RotateLeft(b1, 7, 25);
        b2 = RotateLeft(b2, 7, 25);
        *b = b0;
        b[Next] = b1;
        b[2 * Next] = b2;
    }

    // adds the state that the blocks began with, and turns words of eight blocks into blocks
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteBlocks(uint* state, Vector256<uint>* words)
    {
        var stream = (byte*)words;
        Vector256<uint> a0 = words[0], a1 = words[1], a2 = words[2], a3 = words[3];
        Vector256<uint> b0 = words[4], b1 = words[5], b2 = words[6], b3 = words[7];
        Vector256<uint> c0 = words[8], c1 = words[9], c2 = words[10], c3 = words[11];
        Vector256<uint> d0 = words[12], d1 = words[13], d2 = words[14], d3 = words[15];
        a0 += Word(state, 0);
        a1 += Word(state, 1);
        a2 += Word(state, 2);
        a3 += Word(state, 3);
        b0 += Word(state, 4);
        b1 += Word(state, 5);
        b2 += Word(state, 6);
        b3 += Word(state, 7);
        WriteTransposed(stream, a0, a1, a2, a3, b0, b1, b2, b3);
        c0 += Word(state, 8);
        c1 += Word(state, 9);
        c2 += Word(state, 10);
        c3 += Word(state, 11);
        d0 += Counters(state, 0);
        d1 += Word(state, 13);
        d2 += Word(state, 14);
        d3 += Word(state, 15);
        WriteTransposed(stream + (BlockLength / 2), c0, c1, c2, c3, d0, d1, d2, d3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Counters(uint* state, int set) =>
        Vector256.Create(state[12] + (uint)(set * Lanes)) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Word(uint* state, int index) => Avx2.BroadcastScalarToVector256(state + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRound(ref Vector256<uint> a, ref Vector256<uint> b, ref Vector256<uint> c, ref Vector256<uint> d, [ConstantExpected] byte use)
    {
        a += b;
        d = RotateLeft16(d ^ a, use);
        c += d;
        b ^= c;
        b = RotateLeft(b, 12, 20);
        a += b;
        d = RotateLeft8(d ^ a, use);
        c += d;
        b ^= c;
        b = RotateLeft(b, 7, 25);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft(Vector256<uint> x, [ConstantExpected] byte bits, [ConstantExpected] byte others) =>
        Avx2.ShiftLeftLogical(x, bits) | Avx2.ShiftRightLogical(x, others);

    // by whole bytes it is one step in place of three
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft16(Vector256<uint> x, [ConstantExpected] byte use) => Avx2.Shuffle(
        x.AsByte(), Order(Vector128.Create((byte)2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), use)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RotateLeft8(Vector256<uint> x, [ConstantExpected] byte use) => Avx2.Shuffle(
        x.AsByte(), Order(Vector128.Create((byte)3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14), use)).AsUInt32();

    // The same order of bytes for every multiple of 16: the shuffle does not look at bits 4 to 6. But as constants they differ, and so each is read from memory
    // by the one instruction that needs it. One constant for all would have a register, and a word of the state none.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Order(Vector128<byte> order, [ConstantExpected] byte use) => Vector256.Create(order, order | Vector128.Create(use));

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
            QuarterRound(ref a0, ref b0, ref c0, ref d0, 16);
            QuarterRound(ref a1, ref b1, ref c1, ref d1, 16);
            RotateRows(ref b0, ref c0, ref d0, 0b00_11_10_01, 0b10_01_00_11);
            RotateRows(ref b1, ref c1, ref d1, 0b00_11_10_01, 0b10_01_00_11);
            QuarterRound(ref a0, ref b0, ref c0, ref d0, 16);
            QuarterRound(ref a1, ref b1, ref c1, ref d1, 16);
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
