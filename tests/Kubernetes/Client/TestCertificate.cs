using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Kubernetes.Tests;

/// <summary>A certificate with its key, as PEM.</summary>
internal sealed class TestCertificate
{
    public TestCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        (Certificate, Key) = (made.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    public string Certificate { get; }

    public string Key { get; }
}
