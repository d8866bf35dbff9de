using System.Collections.Immutable;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>A version of the protocol: the number that the UAPI carries and the strings its handshakes are bound to.</summary>
public sealed class ProtocolVersion
{
    /// <summary>The only version there is (paper, section 5.4: CONSTRUCTION and IDENTIFIER).</summary>
    public static readonly ProtocolVersion One =
        new(1, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8);

    /// <summary>What this engine speaks. The first is that of a peer for which none is configured.</summary>
    public static readonly ImmutableArray<ProtocolVersion> Spoken = [One];

    private readonly byte[] _chainingKey = new byte[32];
    private readonly byte[] _hash = new byte[32];

    internal ProtocolVersion(uint number, ReadOnlySpan<byte> construction, ReadOnlySpan<byte> identifier)
    {
        Number = number;
        Blake2s.Hash(construction, [], _chainingKey);
        Blake2s.Hash(_chainingKey, identifier, _hash);
    }

    /// <summary>As in the UAPI's <c>protocol_version</c>.</summary>
    public uint Number { get; }

    /// <summary>HASH(CONSTRUCTION), 32 bytes.</summary>
    public ReadOnlySpan<byte> InitialChainingKey => _chainingKey;

    /// <summary>HASH(HASH(CONSTRUCTION) || IDENTIFIER), 32 bytes.</summary>
    public ReadOnlySpan<byte> InitialHash => _hash;
}
