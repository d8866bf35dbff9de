using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Hosting;

/// <summary>
/// A certificate authority of the operator's own (<c>ca.crt</c>, which agents and tools are given, and <c>ca.key</c>) and the serving
/// certificate it signs (<c>tls.crt</c>, <c>tls.key</c>). Both are made when they are missing; the serving certificate is made anew
/// when it is near its end or lacks a name.
/// </summary>
internal sealed class ServingCertificate
{
    /// <summary>id-kp-serverAuth, RFC 5280 4.2.1.12.</summary>
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private static readonly TimeSpan AuthorityLifetime = TimeSpan.FromDays(20 * 365);
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(60);

    /// <summary>The clock of an agent may be behind.</summary>
    private static readonly TimeSpan Backdating = TimeSpan.FromDays(1);

    private readonly string _folder;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private volatile X509Certificate2 _current;

    /// <summary>Loads what is there, and makes what is missing.</summary>
    /// <param name="folder">Where the files are. It exists.</param>
    /// <param name="names">DNS names and addresses that the certificate must be good for.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of what was made.</param>
    /// <exception cref="CryptographicException">A file is there and cannot be read.</exception>
    /// <exception cref="InvalidDataException">The authority is there in part, or its key is another's.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public ServingCertificate(string folder, IEnumerable<string> names, TimeProvider time, ILogger<ServingCertificate> logger)
    {
        (_folder, _time, _logger) = (folder, time, logger);
        Names = [.. names.Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal)];
        _current = Load();
    }

    /// <summary>DNS names and addresses that the certificate is good for.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The certificate to serve with now.</summary>
    public X509Certificate2 Current => _current;

    private string AuthorityPath => Path.Combine(_folder, "ca.crt");

    private string AuthorityKeyPath => Path.Combine(_folder, "ca.key");

    private string CertificatePath => Path.Combine(_folder, "tls.crt");

    private string KeyPath => Path.Combine(_folder, "tls.key");

    /// <summary>Makes a new certificate if the one in use is near its end.</summary>
    public void Renew()
    {
        if (!IsGood(_current))
            _current = Load();
    }

    private X509Certificate2 Load()
    {
        using var authority = LoadAuthority();
        if (File.Exists(CertificatePath) && File.Exists(KeyPath))
        {
            try
            {
                var found = X509Certificate2.CreateFromPemFile(CertificatePath, KeyPath);
                if (IsGood(found) && IsSignedBy(found, authority))
                    return found;
                found.Dispose();
            }
            catch (Exception e) when (e is ArgumentException or CryptographicException)
            {
                // a crash between the two writes left a key that is not the certificate's: it costs nothing to make both anew
            }
        }

        return Make(authority);
    }

    private X509Certificate2 LoadAuthority()
    {
        if (File.Exists(AuthorityPath) && File.Exists(AuthorityKeyPath))
        {
            try
            {
                return X509Certificate2.CreateFromPemFile(AuthorityPath, AuthorityKeyPath);
            }
            catch (ArgumentException e)
            {
                throw new InvalidDataException(
                    $"{AuthorityKeyPath} is not the key of {AuthorityPath}. Restore the pair, or delete both to make a new authority.", e);
            }
        }

        // agents know the certificate, and a new one would lock them out; a key alone, as a crash leaves it, nobody knows
        if (File.Exists(AuthorityPath))
        {
            throw new InvalidDataException(
                $"{AuthorityPath} is there and {AuthorityKeyPath} is not. Restore it, or delete the other to make a new authority.");
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = $"CN=wgmesh-operator-ca-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = _time.GetUtcNow();
        using var made = request.CreateSelfSigned(now - Backdating, now + AuthorityLifetime);
        Write(AuthorityKeyPath, key.ExportPkcs8PrivateKeyPem(), AtomicFile.Private);
        Write(AuthorityPath, made.ExportCertificatePem(), AtomicFile.Public);
        Log.AuthorityMade(_logger, AuthorityPath);
        return X509Certificate2.CreateFromPemFile(AuthorityPath, AuthorityKeyPath);
    }

    private X509Certificate2 Make(X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=wgmesh-operator", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in Names)
        {
            if (IPAddress.TryParse(name, out var address))
                names.AddIpAddress(address);
            else
                names.AddDnsName(name);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));

        var now = _time.GetUtcNow();
        using var made = request.Create(authority, now - Backdating, now + Lifetime, RandomNumberGenerator.GetBytes(16));
        Write(KeyPath, key.ExportPkcs8PrivateKeyPem(), AtomicFile.Private);
        Write(CertificatePath, made.ExportCertificatePem(), AtomicFile.Public);
        Log.CertificateMade(_logger, string.Join(", ", Names), made.NotAfter);
        return X509Certificate2.CreateFromPemFile(CertificatePath, KeyPath);
    }

    private bool IsGood(X509Certificate2 certificate)
    {
        var now = _time.GetUtcNow();
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        return certificate.NotAfter - RenewBefore > now.LocalDateTime && certificate.NotBefore <= now.LocalDateTime && names is not null
            && Names.All(name => IPAddress.TryParse(name, out var address)
                ? names.EnumerateIPAddresses().Contains(address)
                : names.EnumerateDnsNames().Contains(name, StringComparer.OrdinalIgnoreCase));
    }

    private bool IsSignedBy(X509Certificate2 certificate, X509Certificate2 authority)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = _time.GetUtcNow().LocalDateTime;
        return chain.Build(certificate);
    }

    private static void Write(string path, string pem, UnixFileMode mode) =>
        AtomicFile.Write(path, Encoding.ASCII.GetBytes(pem + "\n"), mode);
}

/// <summary>Looks after the serving certificate twice a day.</summary>
internal sealed class CertificateRenewal(ServingCertificate certificate, TimeProvider time, ILogger<CertificateRenewal> logger)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(12);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                certificate.Renew();
            }
            catch (Exception e) when (e is IOException or CryptographicException or UnauthorizedAccessException or InvalidDataException)
            {
                Log.CertificateNotRenewed(logger, e.Message);
            }
        }
    }
}
