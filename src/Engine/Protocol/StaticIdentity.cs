using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Protocol;

/// <summary>A device's long-term key pair.</summary>
public sealed class StaticIdentity : IDisposable
{
    private readonly SecretKey _privateKey;
    private readonly byte[] _publicKey = new byte[WgMesh.Engine.PublicKey.Length];

    /// <summary>Computes the public key. The private key is kept, clamped.</summary>
    public StaticIdentity(SecretKey privateKey)
    {
        ArgumentNullException.ThrowIfNull(privateKey);
        Span<byte> clamped = stackalloc byte[SecretKey.Length];
        privateKey.Bytes.CopyTo(clamped);
        X25519.Clamp(clamped);
        _privateKey = new SecretKey(clamped);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(clamped);
        X25519.PublicKey(_privateKey.Bytes, _publicKey);
        PublicKey = new PublicKey(_publicKey);
    }

    /// <summary>The secret half.</summary>
    public SecretKey PrivateKey => _privateKey;

    /// <summary>The public half.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>Wipes the secret half.</summary>
    public void Dispose() => _privateKey.Dispose();

    internal ReadOnlySpan<byte> PrivateKeyBytes => _privateKey.Bytes;

    internal ReadOnlySpan<byte> PublicKeyBytes => _publicKey;
}
