using System.Buffers.Binary;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto;
using ChaCha20Poly1305 = WgMesh.Engine.Crypto.ChaCha20Poly1305; // not the framework's

namespace WgMesh.Engine.Protocol;

/// <summary>
/// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, line by line as in sections 5.4.2 and 5.4.3 of the paper: C is the chaining
/// key, H the hash. An instance is one side of one handshake; it is wiped when that ends.
/// </summary>
internal sealed class NoiseHandshake : IDisposable
{
    private const int KeyLength = 32;

    private readonly byte[] _secrets = GC.AllocateUninitializedArray<byte>(3 * KeyLength, pinned: true);
    private readonly byte[] _remoteEphemeral = new byte[KeyLength];

    private Span<byte> C => _secrets.AsSpan(0, KeyLength);

    private Span<byte> H => _secrets.AsSpan(KeyLength, KeyLength);

    private Span<byte> Ephemeral => _secrets.AsSpan(2 * KeyLength, KeyLength);

    /// <summary>Our index: what the other side puts into the receiver field.</summary>
    public uint LocalIndex { get; set; }

    /// <summary>The other side's index.</summary>
    public uint RemoteIndex { get; private set; }

    /// <summary>The version that the initiation is in, and so all that comes of it.</summary>
    public ProtocolVersion Version { get; private set; } = ProtocolVersion.One;

    /// <summary>Initiator: writes the first 116 bytes of an initiation; the macs are the caller's.</summary>
    /// <param name="version">Which construction to use.</param>
    /// <param name="self">Our key pair.</param>
    /// <param name="responder">The peer's public key.</param>
    /// <param name="staticStatic">DH of the two static keys.</param>
    /// <param name="timestamp">Greater than any sent to this peer before.</param>
    /// <param name="random">Gives the ephemeral key.</param>
    /// <param name="message">148 bytes.</param>
    /// <returns>False if a DH came out as zero.</returns>
    public bool TryCreateInitiation(
        ProtocolVersion version, StaticIdentity self, PublicKey responder, ReadOnlySpan<byte> staticStatic, Tai64n timestamp,
        RandomNumberGenerator random, Span<byte> message)
    {
        Span<byte> k = stackalloc byte[KeyLength];
        Span<byte> dh = stackalloc byte[KeyLength];
        Span<byte> responderKey = stackalloc byte[KeyLength];
        Span<byte> stamp = stackalloc byte[Tai64n.Length];
        responder.CopyTo(responderKey);
        try
        {
            BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)MessageType.Initiation);
            BinaryPrimitives.WriteUInt32LittleEndian(message[4..], LocalIndex);

            Start(version);                                    // C := HASH(CONSTRUCTION), H := HASH(C || IDENTIFIER)
            MixHash(responderKey);                             // H := HASH(H || Spub_r)

            GenerateEphemeral(random, message[8..40]);         // (Epriv, Epub) := DH-GENERATE()
            Hkdf.Kdf1(C, message[8..40], C);                    // C := KDF1(C, Epub)
            MixHash(message[8..40]);                           // H := HASH(H || msg.ephemeral)

            if (!X25519.TryAgree(Ephemeral, responderKey, dh)) // (C, k) := KDF2(C, DH(Epriv, Spub_r))
            {
                return false;
            }

            Hkdf.Kdf2(C, dh, C, k);
            SealAndMix(k, self.PublicKeyBytes, message[40..88]); // msg.static := AEAD(k, 0, Spub_i, H)

            Hkdf.Kdf2(C, staticStatic, C, k);                   // (C, k) := KDF2(C, DH(Spriv_i, Spub_r))
            timestamp.Write(stamp);
            SealAndMix(k, stamp, message[88..116]);            // msg.timestamp := AEAD(k, 0, TIMESTAMP(), H)
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(k);
            CryptographicOperations.ZeroMemory(dh);
        }
    }

    /// <summary>
    /// Responder, first half: reads who the initiator claims to be. What it says is authentic only after <see cref="TryFinishInitiation"/>.
    /// An initiation does not name its version: it is the one that opens it. The DH is the same in all, so that each version
    /// more than one costs some hashes and no DH.
    /// </summary>
    /// <param name="versions">To try, in this order.</param>
    /// <param name="self">Our key pair.</param>
    /// <param name="message">148 bytes.</param>
    /// <param name="initiator">The public key in it.</param>
    public bool TryReadInitiator(ReadOnlySpan<ProtocolVersion> versions, StaticIdentity self, ReadOnlySpan<byte> message, out PublicKey initiator)
    {
        Span<byte> k = stackalloc byte[KeyLength];
        Span<byte> dh = stackalloc byte[KeyLength];
        Span<byte> key = stackalloc byte[KeyLength];
        initiator = default;
        try
        {
            message[8..40].CopyTo(_remoteEphemeral);
            if (!X25519.TryAgree(self.PrivateKeyBytes, _remoteEphemeral, dh))
            {
                return false;
            }

            foreach (var version in versions)
            {
                Start(version);
                MixHash(self.PublicKeyBytes);
                Hkdf.Kdf1(C, _remoteEphemeral, C);
                MixHash(_remoteEphemeral);
                Hkdf.Kdf2(C, dh, C, k);
                if (OpenAndMix(k, message[40..88], key))
                {
                    initiator = new PublicKey(key);
                    RemoteIndex = Messages.Sender(message);
                    return true;
                }
            }

            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(k);
            CryptographicOperations.ZeroMemory(dh);
        }
    }

    /// <summary>Responder, second half: authenticates the initiator and reads the timestamp.</summary>
    public bool TryFinishInitiation(ReadOnlySpan<byte> staticStatic, ReadOnlySpan<byte> message, out Tai64n timestamp)
    {
        Span<byte> k = stackalloc byte[KeyLength];
        Span<byte> stamp = stackalloc byte[Tai64n.Length];
        try
        {
            Hkdf.Kdf2(C, staticStatic, C, k);
            var authentic = OpenAndMix(k, message[88..116], stamp);
            timestamp = authentic ? Tai64n.Read(stamp) : default;
            return authentic;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(k);
        }
    }

    /// <summary>Responder: writes the first 60 bytes of a response; the macs are the caller's.</summary>
    public bool TryCreateResponse(
        PublicKey initiator, ReadOnlySpan<byte> presharedKey, RandomNumberGenerator random, Span<byte> message)
    {
        Span<byte> k = stackalloc byte[KeyLength];
        Span<byte> tau = stackalloc byte[KeyLength];
        Span<byte> dh = stackalloc byte[KeyLength];
        Span<byte> initiatorKey = stackalloc byte[KeyLength];
        initiator.CopyTo(initiatorKey);
        try
        {
            BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)MessageType.Response);
            BinaryPrimitives.WriteUInt32LittleEndian(message[4..], LocalIndex);
            BinaryPrimitives.WriteUInt32LittleEndian(message[8..], RemoteIndex);

            GenerateEphemeral(random, message[12..44]);        // (Epriv, Epub) := DH-GENERATE()
            Hkdf.Kdf1(C, message[12..44], C);                   // C := KDF1(C, Epub)
            MixHash(message[12..44]);                          // H := HASH(H || msg.ephemeral)

            if (!X25519.TryAgree(Ephemeral, _remoteEphemeral, dh)) // C := KDF1(C, DH(Epriv_r, Epub_i))
            {
                return false;
            }

            Hkdf.Kdf1(C, dh, C);
            if (!X25519.TryAgree(Ephemeral, initiatorKey, dh)) // C := KDF1(C, DH(Epriv_r, Spub_i))
            {
                return false;
            }

            Hkdf.Kdf1(C, dh, C);
            Hkdf.Kdf3(C, presharedKey, C, tau, k);              // (C, tau, k) := KDF3(C, Q)
            MixHash(tau);                                      // H := HASH(H || tau)
            SealAndMix(k, [], message[44..60]);                // msg.empty := AEAD(k, 0, "", H)
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(k);
            CryptographicOperations.ZeroMemory(tau);
            CryptographicOperations.ZeroMemory(dh);
        }
    }

    /// <summary>
    /// Initiator: reads a response. The state of this instance changes only if it is authentic, so that a forged one
    /// does not spoil the handshake for the true one.
    /// </summary>
    public bool TryConsumeResponse(StaticIdentity self, ReadOnlySpan<byte> presharedKey, ReadOnlySpan<byte> message)
    {
        Span<byte> before = stackalloc byte[2 * KeyLength];
        Span<byte> k = stackalloc byte[KeyLength];
        Span<byte> tau = stackalloc byte[KeyLength];
        Span<byte> dh = stackalloc byte[KeyLength];
        _secrets.AsSpan(0, 2 * KeyLength).CopyTo(before);
        var authentic = false;
        try
        {
            var ephemeral = message[12..44];
            Hkdf.Kdf1(C, ephemeral, C);
            MixHash(ephemeral);
            if (!X25519.TryAgree(Ephemeral, ephemeral, dh))
            {
                return false;
            }

            Hkdf.Kdf1(C, dh, C);
            if (!X25519.TryAgree(self.PrivateKeyBytes, ephemeral, dh))
            {
                return false;
            }

            Hkdf.Kdf1(C, dh, C);
            Hkdf.Kdf3(C, presharedKey, C, tau, k);
            MixHash(tau);
            authentic = OpenAndMix(k, message[44..60], []);
            if (authentic)
            {
                RemoteIndex = Messages.Sender(message);
            }

            return authentic;
        }
        finally
        {
            if (!authentic)
            {
                before.CopyTo(_secrets);
            }

            CryptographicOperations.ZeroMemory(before);
            CryptographicOperations.ZeroMemory(k);
            CryptographicOperations.ZeroMemory(tau);
            CryptographicOperations.ZeroMemory(dh);
        }
    }

    /// <summary>Either side, after the response: the two transport keys, the initiator's sending key first (paper, section 5.4.5).</summary>
    public void DeriveTransportKeys(Span<byte> initiatorToResponder, Span<byte> responderToInitiator) =>
        Hkdf.Kdf2(C, [], initiatorToResponder, responderToInitiator);

    /// <summary>Wipes every secret of the handshake.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_secrets);

    private void Start(ProtocolVersion version)
    {
        Version = version;
        version.InitialChainingKey.CopyTo(C);
        version.InitialHash.CopyTo(H);
    }

    private void GenerateEphemeral(RandomNumberGenerator random, Span<byte> publicKey)
    {
        random.GetBytes(Ephemeral);
        X25519.Clamp(Ephemeral);
        X25519.PublicKey(Ephemeral, publicKey);
    }

    private void MixHash(ReadOnlySpan<byte> data) => Blake2s.Hash(H, data, H);

    private void SealAndMix(ReadOnlySpan<byte> key, ReadOnlySpan<byte> plaintext, Span<byte> sealedText)
    {
        ChaCha20Poly1305.Seal(key, 0, plaintext, sealedText, H);
        MixHash(sealedText);
    }

    private bool OpenAndMix(ReadOnlySpan<byte> key, ReadOnlySpan<byte> sealedText, Span<byte> plaintext)
    {
        if (!ChaCha20Poly1305.TryOpen(key, 0, sealedText, plaintext, H))
        {
            return false;
        }

        MixHash(sealedText);
        return true;
    }
}
