using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static WgMesh.Engine.Crypto.Kernels.PortableChaCha20;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>
/// ChaCha20's key stream (RFC 8439, section 2.4) for many blocks at a time. A block is a chain of 240 dependent additions, exclusive ors and
/// rotations, so that several blocks cost hardly more than one: what counts is to have enough of them side by side, and no more than are needed.
/// </summary>
/// <remarks>
/// There are two ways to lay out blocks, of which the longest run takes both. By rows: a register has the same row of four blocks' states, and
/// rows are shuffled between a column round and a diagonal round. By words: a register has the same word of 16 blocks' states, which needs no
/// shuffles but a transposition at the end.
/// </remarks>
internal static unsafe class Avx512ChaCha20
{
    /// <summary>Most blocks of one run.</summary>
    public const int MostBlocks = 24;

    /// <summary>Writes at least as many blocks of key stream as are needed, and at most <see cref="MostBlocks"/>.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="nonce0">First 4 bytes of the nonce.</param>
    /// <param name="nonce">Last 8 bytes of the nonce.</param>
    /// <param name="counter">Number of the first block.</param>
    /// <param name="needed">How many blocks are of use.</param>
    /// <param name="keyStream">Room for <see cref="MostBlocks"/> blocks of 64 bytes, aligned to 64.</param>
    /// <returns>How many blocks were written.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Generate(byte* key, uint nonce0, ulong nonce, uint counter, int needed, byte* keyStream)
    {
        if (needed <= 4)
        {
            Generate4(key, nonce0, nonce, counter, keyStream);
            return 4;
        }

        if (needed <= 8)
        {
            Generate8(key, nonce0, nonce, counter, keyStream);
            return 8;
        }

        Generate24(key, nonce0, nonce, counter, keyStream);
        return 24;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Generate4(byte* key, uint nonce0, ulong nonce, uint counter, byte* keyStream)
    {
        var a0 = Constants();
        var b0 = Avx512F.BroadcastVector128ToVector512((uint*)key);
        var c0 = Avx512F.BroadcastVector128ToVector512((uint*)key + 4);
        var d0 = LastRow(nonce0, nonce, counter);
        Vector512<uint> a = a0, b = b0, c = c0, d = d0;
        for (var doubleRound = 0; doubleRound < 10; doubleRound++)
        {
            QuarterRounds(ref a, ref b, ref c, ref d);
            ToDiagonals(ref a, ref c, ref d);
            QuarterRounds(ref a, ref b, ref c, ref d);
            ToColumns(ref a, ref c, ref d);
        }

        Store(a + a0, b + b0, c + c0, d + d0, keyStream, 64);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Generate8(byte* key, uint nonce0, ulong nonce, uint counter, byte* keyStream)
    {
        var a0 = Constants();
        var b0 = Avx512F.BroadcastVector128ToVector512((uint*)key);
        var c0 = Avx512F.BroadcastVector128ToVector512((uint*)key + 4);
        var d0 = LastRow(nonce0, nonce, counter);
        var e0 = LastRow(nonce0, nonce, counter + 4);
        Vector512<uint> a = a0, b = b0, c = c0, d = d0;
        Vector512<uint> p = a0, q = b0, r = c0, s = e0;
        for (var doubleRound = 0; doubleRound < 10; doubleRound++)
        {
            QuarterRounds(ref a, ref b, ref c, ref d, ref p, ref q, ref r, ref s);
            ToDiagonals(ref a, ref c, ref d);
            ToDiagonals(ref p, ref r, ref s);
            QuarterRounds(ref a, ref b, ref c, ref d, ref p, ref q, ref r, ref s);
            ToColumns(ref a, ref c, ref d);
            ToColumns(ref p, ref r, ref s);
        }

        Store(a + a0, b + b0, c + c0, d + d0, keyStream, 64);
        Store(p + a0, q + b0, r + c0, s + e0, keyStream + 256, 64);
    }

    // 8 blocks by rows, 16 by words: together they fill the registers
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Generate24(byte* key, uint nonce0, ulong nonce, uint counter, byte* keyStream)
    {
        var words = (uint*)key;
        Vector512<uint> a = Constants(), b = Avx512F.BroadcastVector128ToVector512(words), c = Avx512F.BroadcastVector128ToVector512(words + 4);
        var d = LastRow(nonce0, nonce, counter);
        Vector512<uint> p = a, q = b, r = c, s = LastRow(nonce0, nonce, counter + 4);

        Vector512<uint> x0 = Vector512.Create(Word0), x1 = Vector512.Create(Word1), x2 = Vector512.Create(Word2), x3 = Vector512.Create(Word3);
        Vector512<uint> x4 = Vector512.Create(words[0]), x5 = Vector512.Create(words[1]), x6 = Vector512.Create(words[2]), x7 = Vector512.Create(words[3]);
        Vector512<uint> x8 = Vector512.Create(words[4]), x9 = Vector512.Create(words[5]), x10 = Vector512.Create(words[6]), x11 = Vector512.Create(words[7]);
        Vector512<uint> x12 = Counters(counter + 8), x13 = Vector512.Create(nonce0), x14 = Vector512.Create((uint)nonce), x15 = Vector512.Create((uint)(nonce >> 32));
        for (var doubleRound = 0; doubleRound < 10; doubleRound++)
        {
            QuarterRounds(
                ref x0, ref x4, ref x8, ref x12, ref x1, ref x5, ref x9, ref x13, ref x2, ref x6, ref x10, ref x14, ref x3, ref x7, ref x11, ref x15,
                ref a, ref b, ref c, ref d, ref p, ref q, ref r, ref s);
            ToDiagonals(ref a, ref c, ref d);
            ToDiagonals(ref p, ref r, ref s);
            QuarterRounds(
                ref x0, ref x5, ref x10, ref x15, ref x1, ref x6, ref x11, ref x12, ref x2, ref x7, ref x8, ref x13, ref x3, ref x4, ref x9, ref x14,
                ref a, ref b, ref c, ref d, ref p, ref q, ref r, ref s);
            ToColumns(ref a, ref c, ref d);
            ToColumns(ref p, ref r, ref s);
        }

        // the key of Poly1305 is in the first block: it comes first
        Vector512<uint> a0 = Constants(), b0 = Avx512F.BroadcastVector128ToVector512(words), c0 = Avx512F.BroadcastVector128ToVector512(words + 4);
        Store(a + a0, b + b0, c + c0, d + LastRow(nonce0, nonce, counter), keyStream, 64);
        Store(p + a0, q + b0, r + c0, s + LastRow(nonce0, nonce, counter + 4), keyStream + 256, 64);

        x0 += Vector512.Create(Word0);
        x1 += Vector512.Create(Word1);
        x2 += Vector512.Create(Word2);
        x3 += Vector512.Create(Word3);
        x4 += Vector512.Create(words[0]);
        x5 += Vector512.Create(words[1]);
        x6 += Vector512.Create(words[2]);
        x7 += Vector512.Create(words[3]);
        x8 += Vector512.Create(words[4]);
        x9 += Vector512.Create(words[5]);
        x10 += Vector512.Create(words[6]);
        x11 += Vector512.Create(words[7]);
        x12 += Counters(counter + 8);
        x13 += Vector512.Create(nonce0);
        x14 += Vector512.Create((uint)nonce);
        x15 += Vector512.Create((uint)(nonce >> 32));
        TransposeQuads(ref x0, ref x1, ref x2, ref x3);
        TransposeQuads(ref x4, ref x5, ref x6, ref x7);
        TransposeQuads(ref x8, ref x9, ref x10, ref x11);
        TransposeQuads(ref x12, ref x13, ref x14, ref x15);
        Store(x0, x4, x8, x12, keyStream + 512, 256);
        Store(x1, x5, x9, x13, keyStream + 576, 256);
        Store(x2, x6, x10, x14, keyStream + 640, 256);
        Store(x3, x7, x11, x15, keyStream + 704, 256);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Constants() => Vector512.Create(
        Word0, Word1, Word2, Word3, Word0, Word1, Word2, Word3, Word0, Word1, Word2, Word3, Word0, Word1, Word2, Word3);

    // counter and nonce of four blocks
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> LastRow(uint nonce0, ulong nonce, uint counter)
    {
        var first = Vector128.Create(counter | ((ulong)nonce0 << 32), nonce).AsUInt32();
        return Vector512.Create(first) + Vector512.Create(0u, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);
    }

    // counters of 16 blocks
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Counters(uint counter) => Vector512.Create(counter) + Vector512.Create(0u, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        a += b;
        d = Avx512F.RotateLeft(d ^ a, 16);
        c += d;
        b = Avx512F.RotateLeft(b ^ c, 12);
        a += b;
        d = Avx512F.RotateLeft(d ^ a, 8);
        c += d;
        b = Avx512F.RotateLeft(b ^ c, 7);
    }

    // two at a time, a step of the one beside the same step of the other
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d,
        ref Vector512<uint> p, ref Vector512<uint> q, ref Vector512<uint> r, ref Vector512<uint> s)
    {
        a += b;
        p += q;
        d = Avx512F.RotateLeft(d ^ a, 16);
        s = Avx512F.RotateLeft(s ^ p, 16);
        c += d;
        r += s;
        b = Avx512F.RotateLeft(b ^ c, 12);
        q = Avx512F.RotateLeft(q ^ r, 12);
        a += b;
        p += q;
        d = Avx512F.RotateLeft(d ^ a, 8);
        s = Avx512F.RotateLeft(s ^ p, 8);
        c += d;
        r += s;
        b = Avx512F.RotateLeft(b ^ c, 7);
        q = Avx512F.RotateLeft(q ^ r, 7);
    }

    // six at a time
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void QuarterRounds(
        ref Vector512<uint> a0, ref Vector512<uint> b0, ref Vector512<uint> c0, ref Vector512<uint> d0,
        ref Vector512<uint> a1, ref Vector512<uint> b1, ref Vector512<uint> c1, ref Vector512<uint> d1,
        ref Vector512<uint> a2, ref Vector512<uint> b2, ref Vector512<uint> c2, ref Vector512<uint> d2,
        ref Vector512<uint> a3, ref Vector512<uint> b3, ref Vector512<uint> c3, ref Vector512<uint> d3,
        ref Vector512<uint> a4, ref Vector512<uint> b4, ref Vector512<uint> c4, ref Vector512<uint> d4,
        ref Vector512<uint> a5, ref Vector512<uint> b5, ref Vector512<uint> c5, ref Vector512<uint> d5)
    {
        a0 += b0;
        a1 += b1;
        a2 += b2;
        a3 += b3;
        a4 += b4;
        a5 += b5;
        d0 = Avx512F.RotateLeft(d0 ^ a0, 16);
        d1 = Avx512F.RotateLeft(d1 ^ a1, 16);
        d2 = Avx512F.RotateLeft(d2 ^ a2, 16);
        d3 = Avx512F.RotateLeft(d3 ^ a3, 16);
        d4 = Avx512F.RotateLeft(d4 ^ a4, 16);
        d5 = Avx512F.RotateLeft(d5 ^ a5, 16);
        c0 += d0;
        c1 += d1;
        c2 += d2;
        c3 += d3;
        c4 += d4;
        c5 += d5;
        b0 = Avx512F.RotateLeft(b0 ^ c0, 12);
        b1 = Avx512F.RotateLeft(b1 ^ c1, 12);
        b2 = Avx512F.RotateLeft(b2 ^ c2, 12);
        b3 = Avx512F.RotateLeft(b3 ^ c3, 12);
        b4 = Avx512F.RotateLeft(b4 ^ c4, 12);
        b5 = Avx512F.RotateLeft(b5 ^ c5, 12);
        a0 += b0;
        a1 += b1;
        a2 += b2;
        a3 += b3;
        a4 += b4;
        a5 += b5;
        d0 = Avx512F.RotateLeft(d0 ^ a0, 8);
        d1 = Avx512F.RotateLeft(d1 ^ a1, 8);
        d2 = Avx512F.RotateLeft(d2 ^ a2, 8);
        d3 = Avx512F.RotateLeft(d3 ^ a3, 8);
        d4 = Avx512F.RotateLeft(d4 ^ a4, 8);
        d5 = Avx512F.RotateLeft(d5 ^ a5, 8);
        c0 += d0;
        c1 += d1;
        c2 += d2;
        c3 += d3;
        c4 += d4;
        c5 += d5;
        b0 = Avx512F.RotateLeft(b0 ^ c0, 7);
        b1 = Avx512F.RotateLeft(b1 ^ c1, 7);
        b2 = Avx512F.RotateLeft(b2 ^ c2, 7);
        b3 = Avx512F.RotateLeft(b3 ^ c3, 7);
        b4 = Avx512F.RotateLeft(b4 ^ c4, 7);
        b5 = Avx512F.RotateLeft(b5 ^ c5, 7);
    }

    // The second row is what the next step waits for, so it stays and the others are moved below and above it: a's lane j is then word j + 3
    // of its row, c's j + 1, d's j + 2 (modulo 4).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToDiagonals(ref Vector512<uint> a, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        a = Avx512F.Shuffle(a, 0b10_01_00_11);
        d = Avx512F.Shuffle(d, 0b01_00_11_10);
        c = Avx512F.Shuffle(c, 0b00_11_10_01);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ToColumns(ref Vector512<uint> a, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        a = Avx512F.Shuffle(a, 0b00_11_10_01);
        d = Avx512F.Shuffle(d, 0b01_00_11_10);
        c = Avx512F.Shuffle(c, 0b10_01_00_11);
    }

    // Four words of 16 blocks become, for each k, row k: the four words of blocks k, k + 4, k + 8, k + 12.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeQuads(ref Vector512<uint> x0, ref Vector512<uint> x1, ref Vector512<uint> x2, ref Vector512<uint> x3)
    {
        var low01 = Avx512F.UnpackLow(x0, x1).AsUInt64();
        var high01 = Avx512F.UnpackHigh(x0, x1).AsUInt64();
        var low23 = Avx512F.UnpackLow(x2, x3).AsUInt64();
        var high23 = Avx512F.UnpackHigh(x2, x3).AsUInt64();
        x0 = Avx512F.UnpackLow(low01, low23).AsUInt32();
        x1 = Avx512F.UnpackHigh(low01, low23).AsUInt32();
        x2 = Avx512F.UnpackLow(high01, high23).AsUInt32();
        x3 = Avx512F.UnpackHigh(high01, high23).AsUInt32();
    }

    // The rows of four blocks become those blocks, and go where they belong: one block each so many bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, byte* to, int distance)
    {
        var firstAB = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00);
        var firstCD = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00);
        var lastAB = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10);
        var lastCD = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        Avx512F.Shuffle4x128(firstAB, firstCD, 0b10_00_10_00).Store((uint*)to);
        Avx512F.Shuffle4x128(firstAB, firstCD, 0b11_01_11_01).Store((uint*)(to + distance));
        Avx512F.Shuffle4x128(lastAB, lastCD, 0b10_00_10_00).Store((uint*)(to + (2 * distance)));
        Avx512F.Shuffle4x128(lastAB, lastCD, 0b11_01_11_01).Store((uint*)(to + (3 * distance)));
    }
}
