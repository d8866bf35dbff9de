using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Tests.Shared;

/// <summary>The keys and certificates of a test's API server, made anew for each.</summary>
internal sealed class KubernetesCertificates : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2 _serving;

    public KubernetesCertificates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=wgmesh-test-ca", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        Authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        _serving = Issue("CN=kube-apiserver", ServerAuthentication);
        Admin = Issue("O=system:masters, CN=admin", ClientAuthentication);
    }

    public X509Certificate2 Authority { get; }

    public X509Certificate2 Admin { get; }

    public ECDsa ServiceAccountKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public bool IsServing(X509Certificate? certificate) =>
        certificate is not null && certificate.GetRawCertData().AsSpan().SequenceEqual(_serving.RawData);

    /// <summary>A certificate that the server takes for this user.</summary>
    /// <param name="subject">E.g. <c>O=GROUP, CN=USER</c>.</param>
    public X509Certificate2 Issue(string subject, string usage = ClientAuthentication)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        names.AddDnsName("kubernetes.default.svc");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Authority, true, false));
        using var made = request.Create(Authority, Authority.NotBefore, Authority.NotAfter, RandomNumberGenerator.GetBytes(16));
        return made.CopyWithPrivateKey(key);
    }

    public void Write(string folder)
    {
        Write("ca.crt", Authority.ExportCertificatePem());
        Write("apiserver.crt", _serving.ExportCertificatePem());
        Write("apiserver.key", Key(_serving));
        Write("admin.crt", Admin.ExportCertificatePem());
        Write("admin.key", Key(Admin));
        Write("serviceaccount.key", ServiceAccountKey.ExportECPrivateKeyPem());

        void Write(string name, string pem) => File.WriteAllText(Path.Combine(folder, name), pem + "\n");
        static string Key(X509Certificate2 certificate) => certificate.GetECDsaPrivateKey()!.ExportECPrivateKeyPem();
    }

    public void Dispose()
    {
        Authority.Dispose();
        Admin.Dispose();
        ServiceAccountKey.Dispose();
        _serving.Dispose();
    }
}
