using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Operator.Hosting;

/// <summary>Makes and judges the operator's certificates, wherever they are kept.</summary>
internal static class Certificates
{
    /// <summary>id-kp-serverAuth, RFC 5280 4.2.1.12.</summary>
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>The clock of an agent may be behind.</summary>
    public static readonly TimeSpan Backdating = TimeSpan.FromDays(1);

    /// <summary>A certificate authority, with its key.</summary>
    /// <param name="now">It is good from a little before.</param>
    /// <param name="lifetime">For so long after <paramref name="now"/> is it good.</param>
    public static X509Certificate2 MakeAuthority(DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"CN=wgmesh-operator-ca-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now - Backdating, now + lifetime);
    }

    /// <summary>A serving certificate, with its key. It ends with its authority at the latest.</summary>
    /// <param name="authority">Signs it; with its key.</param>
    /// <param name="names">DNS names and addresses that it is good for.</param>
    public static X509Certificate2 MakeServing(
        X509Certificate2 authority, IEnumerable<string> names, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=wgmesh-operator", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));

        var (from, until) = (now - Backdating, now + lifetime);
        var (earliest, latest) = (new DateTimeOffset(authority.NotBefore), new DateTimeOffset(authority.NotAfter));
        using var made = request.Create(
            authority, from < earliest ? earliest : from, until > latest ? latest : until, RandomNumberGenerator.GetBytes(16));
        return made.CopyWithPrivateKey(key);
    }

    /// <summary>The key of a certificate as PEM (PKCS #8).</summary>
    public static string KeyPem(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey() ?? throw new CryptographicException("The certificate's key is not an elliptic curve's.");
        return key.ExportPkcs8PrivateKeyPem();
    }

    /// <summary>When a certificate that was made here is to be replaced: after two thirds of its time.</summary>
    public static DateTimeOffset RenewAt(X509Certificate2 certificate)
    {
        var (made, until) = (MadeAt(certificate), new DateTimeOffset(certificate.NotAfter));
        return made + ((until - made) * 2 / 3);
    }

    /// <summary>When a certificate was made here.</summary>
    public static DateTimeOffset MadeAt(X509Certificate2 certificate) => new DateTimeOffset(certificate.NotBefore) + Backdating;

    /// <summary>Whether the certificate is good for every one of the names.</summary>
    public static bool Covers(X509Certificate2 certificate, IEnumerable<string> names) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } alternatives
        && names.All(name => IPAddress.TryParse(name, out var address)
            ? alternatives.EnumerateIPAddresses().Contains(address)
            : alternatives.EnumerateDnsNames().Contains(name, StringComparer.OrdinalIgnoreCase));

    /// <summary>Whether it was signed by this authority and both are good at <paramref name="now"/>.</summary>
    public static bool IsSignedBy(X509Certificate2 certificate, X509Certificate2 authority, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.LocalDateTime;
        return chain.Build(certificate);
    }
}
