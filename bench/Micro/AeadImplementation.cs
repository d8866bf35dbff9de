using WgMesh.Engine.Crypto;

namespace WgMesh.Micro;

/// <summary>One way to compute ChaCha20-Poly1305: what <see cref="Aead"/> measures, side by side.</summary>
public abstract class AeadImplementation
{
    /// <summary>All that there are on this machine.</summary>
    public static IEnumerable<AeadImplementation> All => [new Libcrypto()];

    private protected const int KeyLength = ChaCha20Poly1305Key.KeyLength;

    /// <summary>Seals the first <paramref name="length"/> bytes in place and puts the tag behind them.</summary>
    public abstract void Seal(ulong counter, byte[] message, int length);

    /// <summary>Opens so many bytes, behind which is the tag.</summary>
    /// <returns>Whether they are authentic.</returns>
    public abstract bool Open(ulong counter, byte[] message, int length, byte[] output);

    private sealed class Libcrypto : AeadImplementation
    {
        private readonly ChaCha20Poly1305Key _key = new(new byte[KeyLength]);

        public override void Seal(ulong counter, byte[] message, int length) =>
            _key.TrySeal(counter, message.AsSpan(0, length), message.AsSpan(0, length + ChaCha20Poly1305Key.TagLength));

        public override bool Open(ulong counter, byte[] message, int length, byte[] output) =>
            _key.TryOpen(counter, message.AsSpan(0, length + ChaCha20Poly1305Key.TagLength), output);

        public override string ToString() => "libcrypto";
    }
}
