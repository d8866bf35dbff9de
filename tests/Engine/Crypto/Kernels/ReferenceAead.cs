using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>RFC 8439 as it reads, in numbers of any size: for keys and messages that no other library lets a test choose.</summary>
internal static class ReferenceAead
{
    public static readonly BigInteger P = (BigInteger.One << 130) - 5;

    /// <summary>Section 2.5.</summary>
    public static byte[] Poly1305(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message)
    {
        var (r, s) = Halves(key);
        return Tag(Accumulate(r, 0, message), s);
    }

    /// <summary>Section 2.8: what Poly1305 is computed over.</summary>
    public static byte[] Authenticated(ReadOnlySpan<byte> ad, ReadOnlySpan<byte> ciphertext)
    {
        var message = new byte[Padded(ad.Length) + Padded(ciphertext.Length) + 16];
        ad.CopyTo(message);
        ciphertext.CopyTo(message.AsSpan(Padded(ad.Length)));
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(message.Length - 16), ad.Length);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(message.Length - 8), ciphertext.Length);
        return message;
    }

    /// <summary>Section 2.3: a block for a key and a nonce of 4 zero bytes and a counter, and the words that it is before the state is added that it began with.</summary>
    public static (uint[] Block, uint[] Rounds) ChaCha20(ReadOnlySpan<byte> key, ulong nonce, uint counter)
    {
        var state = new uint[16];
        (state[0], state[1], state[2], state[3]) = (0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);
        for (var i = 0; i < 8; i++)
        {
            state[4 + i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
        }

        (state[12], state[14], state[15]) = (counter, (uint)nonce, (uint)(nonce >> 32));
        var x = state.ToArray();
        for (var doubleRound = 0; doubleRound < 10; doubleRound++)
        {
            for (var i = 0; i < 4; i++)
            {
                QuarterRound(x, i, i + 4, i + 8, i + 12);
            }

            for (var i = 0; i < 4; i++)
            {
                QuarterRound(x, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
            }
        }

        return ([.. x.Zip(state, (word, start) => word + start)], x);
    }

    /// <summary>Section 2.6: the key of Poly1305 for a key and a nonce of 4 zero bytes and a counter.</summary>
    public static byte[] OneTimeKey(ReadOnlySpan<byte> key, ulong nonce) => MemoryMarshal.AsBytes(ChaCha20(key, nonce, 0).Block.AsSpan(0, 8)).ToArray();

    public static (BigInteger R, BigInteger S) Halves(ReadOnlySpan<byte> key) =>
        (Number(key[..16]) & ((new BigInteger(0x0ffffffc0ffffffc) << 64) | 0x0ffffffc0fffffff), Number(key[16..32]));

    public static BigInteger Accumulate(BigInteger r, BigInteger accumulator, ReadOnlySpan<byte> message)
    {
        for (; message.Length > 0; message = message[Math.Min(16, message.Length)..])
        {
            var block = message[..Math.Min(16, message.Length)];
            accumulator = (accumulator + Number(block) + (BigInteger.One << (8 * block.Length))) * r % P;
        }

        return accumulator;
    }

    public static byte[] Tag(BigInteger accumulator, BigInteger s) => Bytes((accumulator + s) % (BigInteger.One << 128));

    /// <summary>16 bytes, little-endian.</summary>
    public static byte[] Bytes(BigInteger number)
    {
        var bytes = new byte[16];
        Assert.True(number.TryWriteBytes(bytes, out _, isUnsigned: true));
        return bytes;
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true);

    private static int Padded(int length) => (length + 15) / 16 * 16;

    private static void QuarterRound(uint[] x, int a, int b, int c, int d)
    {
        x[a] += x[b];
        x[d] = BitOperations.RotateLeft(x[d] ^ x[a], 16);
        x[c] += x[d];
        x[b] = BitOperations.RotateLeft(x[b] ^ x[c], 12);
        x[a] += x[b];
        x[d] = BitOperations.RotateLeft(x[d] ^ x[a], 8);
        x[c] += x[d];
        x[b] = BitOperations.RotateLeft(x[b] ^ x[c], 7);
    }
}
