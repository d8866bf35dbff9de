using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Versions of the protocol that there are only in tests.</summary>
internal static class TestVersions
{
    /// <summary>The messages of version 1 bound to another construction, as a successor would be: neither can open the other's handshakes.</summary>
    public static readonly ProtocolVersion Two =
        new(2, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s/2"u8, "WgMesh's tests, version 2 of the protocol"u8);
}
