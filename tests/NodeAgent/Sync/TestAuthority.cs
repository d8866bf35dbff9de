using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.NodeAgent.Tests.Sync;

/// <summary>An authority of one test, and a certificate of its for 127.0.0.1 and the addresses given.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly X509Certificate2 _root;

    internal TestAuthority(params IPAddress[] addresses)
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest("CN=test authority", rootKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _root = root.CreateSelfSigned(DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddHours(1));

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var server = new CertificateRequest("CN=test operator", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        foreach (var address in addresses)
        {
            names.AddIpAddress(address);
        }

        server.CertificateExtensions.Add(names.Build());
        using var signed = server.Create(_root, _root.NotBefore, _root.NotAfter, RandomNumberGenerator.GetBytes(8));
        Server = signed.CopyWithPrivateKey(key);
    }

    internal string Pem => _root.ExportCertificatePem();

    internal X509Certificate2 Server { get; }

    public void Dispose()
    {
        _root.Dispose();
        Server.Dispose();
    }
}
