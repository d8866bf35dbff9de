using System.Buffers.Binary;
using System.Numerics;
using Aead = System.Security.Cryptography.ChaCha20Poly1305; // the framework's

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>
/// The handshake of the WireGuard paper (sections 5.4.2 to 5.4.6) written a second time, from the paper alone and on
/// arithmetic of its own: BLAKE2s from RFC 7693, X25519 from RFC 7748 over big integers. Slow and plain; nothing in it is the
/// engine's.
/// </summary>
internal sealed class ReferenceNoise
{
    private static readonly byte[] Construction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8.ToArray();
    private static readonly byte[] Identifier = "WireGuard v1 zx2c4 Jason@zx2c4.com"u8.ToArray();

    public required byte[] InitiatorPrivate { get; init; }

    public required byte[] ResponderPrivate { get; init; }

    public required byte[] InitiatorEphemeral { get; init; }

    public required byte[] ResponderEphemeral { get; init; }

    public required uint InitiatorIndex { get; init; }

    public required uint ResponderIndex { get; init; }

    /// <summary>12 bytes.</summary>
    public required byte[] Timestamp { get; init; }

    public byte[] PresharedKey { get; init; } = new byte[32];

    public byte[] Initiation { get; private set; } = [];

    public byte[] Response { get; private set; } = [];

    public byte[] InitiatorToResponder { get; private set; } = [];

    public byte[] ResponderToInitiator { get; private set; } = [];

    public ReferenceNoise Run()
    {
        byte[] initiatorPublic = PublicKey(InitiatorPrivate), responderPublic = PublicKey(ResponderPrivate);

        // first message: initiator to responder
        var c = Hash(Construction);
        var h = Hash([.. Hash([.. c, .. Identifier]), .. responderPublic]);
        var ephemeral = PublicKey(InitiatorEphemeral);
        c = Kdf(c, ephemeral, 1)[0];
        h = Hash([.. h, .. ephemeral]);
        var k = Kdf(c, Dh(InitiatorEphemeral, responderPublic), 2);
        c = k[0];
        var sealedStatic = Seal(k[1], 0, initiatorPublic, h);
        h = Hash([.. h, .. sealedStatic]);
        k = Kdf(c, Dh(InitiatorPrivate, responderPublic), 2);
        c = k[0];
        var sealedTimestamp = Seal(k[1], 0, Timestamp, h);
        h = Hash([.. h, .. sealedTimestamp]);
        Initiation = WithMacs([1, 0, 0, 0, .. Word(InitiatorIndex), .. ephemeral, .. sealedStatic, .. sealedTimestamp], responderPublic);

        // second message: responder to initiator
        ephemeral = PublicKey(ResponderEphemeral);
        c = Kdf(c, ephemeral, 1)[0];
        h = Hash([.. h, .. ephemeral]);
        c = Kdf(c, Dh(ResponderEphemeral, PublicKey(InitiatorEphemeral)), 1)[0];
        c = Kdf(c, Dh(ResponderEphemeral, initiatorPublic), 1)[0];
        k = Kdf(c, PresharedKey, 3);
        c = k[0];
        h = Hash([.. h, .. k[1]]);
        var sealedNothing = Seal(k[2], 0, [], h);
        Response = WithMacs([2, 0, 0, 0, .. Word(ResponderIndex), .. Word(InitiatorIndex), .. ephemeral, .. sealedNothing], initiatorPublic);

        k = Kdf(c, [], 2);
        (InitiatorToResponder, ResponderToInitiator) = (k[0], k[1]);
        return this;
    }

    /// <summary>A transport message (section 5.4.6): the packet is padded with zeros to a multiple of 16.</summary>
    public static byte[] Transport(byte[] key, uint receiver, ulong counter, byte[] packet) =>
        [4, 0, 0, 0, .. Word(receiver), .. BitConverter.GetBytes(counter), .. Seal(key, counter, [.. packet, .. new byte[-packet.Length & 15]], [])];

    public static byte[] Hash(byte[] input) => Blake2s([], input, 32);

    /// <summary>RFC 7693, section 3, keyed or not.</summary>
    public static byte[] Blake2s(byte[] key, byte[] input, int outputLength)
    {
        uint[] iv = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];
        byte[][] sigma =
        [
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
            [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
            [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
            [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
            [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        ];
        var state = iv.ToArray();
        state[0] ^= 0x01010000 ^ ((uint)key.Length << 8) ^ (uint)outputLength;
        byte[] data = key.Length == 0 ? input : [.. key, .. new byte[64 - key.Length], .. input];
        for (var at = 0; at == 0 || at < data.Length; at += 64)
        {
            var block = new byte[64];
            data.AsSpan(at, Math.Min(64, data.Length - at)).CopyTo(block);
            var m = Enumerable.Range(0, 16).Select(i => BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(4 * i))).ToArray();
            uint[] v = [.. state, .. iv];
            v[12] ^= (uint)Math.Min(at + 64, data.Length);
            v[14] ^= at + 64 >= data.Length ? uint.MaxValue : 0;
            foreach (var s in sigma)
            {
                for (var i = 0; i < 8; i++)
                {
                    var (a, b, e, d) = i < 4
                        ? (i, 4 + i, 8 + i, 12 + i)
                        : (i - 4, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
                    v[a] += v[b] + m[s[2 * i]];
                    v[d] = BitOperations.RotateRight(v[d] ^ v[a], 16);
                    v[e] += v[d];
                    v[b] = BitOperations.RotateRight(v[b] ^ v[e], 12);
                    v[a] += v[b] + m[s[(2 * i) + 1]];
                    v[d] = BitOperations.RotateRight(v[d] ^ v[a], 8);
                    v[e] += v[d];
                    v[b] = BitOperations.RotateRight(v[b] ^ v[e], 7);
                }
            }

            for (var i = 0; i < 8; i++)
            {
                state[i] ^= v[i] ^ v[i + 8];
            }
        }

        return state.SelectMany(Word).Take(outputLength).ToArray();
    }

    public static byte[] PublicKey(byte[] privateKey) => Dh(privateKey, [9, .. new byte[31]]);

    /// <summary>RFC 7748, section 5: the Montgomery ladder.</summary>
    public static byte[] Dh(byte[] privateKey, byte[] publicKey)
    {
        var p = BigInteger.Pow(2, 255) - 19;
        BigInteger F(BigInteger value) => ((value % p) + p) % p;
        var clamped = privateKey.ToArray();
        clamped[0] &= 248;
        clamped[31] = (byte)((clamped[31] & 127) | 64);
        var k = new BigInteger(clamped, isUnsigned: true);
        byte[] masked = [.. publicKey[..31], (byte)(publicKey[31] & 127)];
        var u = new BigInteger(masked, isUnsigned: true);
        BigInteger x2 = 1, z2 = 0, x3 = u, z3 = 1;
        for (var bit = 254; bit >= 0; bit--)
        {
            var set = !((k >> bit) & 1).IsZero;
            if (set)
            {
                (x2, x3, z2, z3) = (x3, x2, z3, z2);
            }

            BigInteger a = F(x2 + z2), b = F(x2 - z2), da = F((x3 - z3) * a), cb = F((x3 + z3) * b);
            BigInteger aa = F(a * a), bb = F(b * b), e = F(aa - bb);
            (x3, z3) = (F((da + cb) * (da + cb)), F(u * (da - cb) * (da - cb)));
            (x2, z2) = (F(aa * bb), F(e * (aa + (121665 * e))));
            if (set)
            {
                (x2, x3, z2, z3) = (x3, x2, z3, z2);
            }
        }

        var result = new byte[32];
        F(x2 * BigInteger.ModPow(z2, p - 2, p)).TryWriteBytes(result, out _, isUnsigned: true);
        return result;
    }

    private static byte[] Hmac(byte[] key, byte[] input)
    {
        byte[] padded = [.. key, .. new byte[64 - key.Length]];
        byte[] Pad(byte with) => [.. padded.Select(b => (byte)(b ^ with))];
        return Hash([.. Pad(0x5c), .. Hash([.. Pad(0x36), .. input])]);
    }

    private static byte[][] Kdf(byte[] key, byte[] input, int outputs)
    {
        var extracted = Hmac(key, input);
        var all = new byte[outputs][];
        byte[] last = [];
        for (var i = 0; i < outputs; i++)
        {
            all[i] = last = Hmac(extracted, [.. last, (byte)(i + 1)]);
        }

        return all;
    }

    private static byte[] Seal(byte[] key, ulong counter, byte[] plaintext, byte[] associatedData)
    {
        byte[] nonce = [0, 0, 0, 0, .. BitConverter.GetBytes(counter)], sealedText = new byte[plaintext.Length], tag = new byte[16];
        using var aead = new Aead(key);
        aead.Encrypt(nonce, plaintext, sealedText, tag, associatedData);
        return [.. sealedText, .. tag];
    }

    private static byte[] WithMacs(byte[] message, byte[] receiverPublic) =>
        [.. message, .. Blake2s(Hash([.. "mac1----"u8, .. receiverPublic]), message, 16), .. new byte[16]];

    private static byte[] Word(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }
}
