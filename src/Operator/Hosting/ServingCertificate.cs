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
internal sealed class ServingCertificate : ICertificateSource
{
    private static readonly TimeSpan AuthorityLifetime = TimeSpan.FromDays(20 * 365);
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(60);

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

    X509Certificate2? ICertificateSource.Current => _current;

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
                if (IsGood(found) && Certificates.IsSignedBy(found, authority, _time.GetUtcNow()))
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

        using var made = Certificates.MakeAuthority(_time.GetUtcNow(), AuthorityLifetime);
        Write(AuthorityKeyPath, Certificates.KeyPem(made), AtomicFile.Private);
        Write(AuthorityPath, made.ExportCertificatePem(), AtomicFile.Public);
        Log.AuthorityMade(_logger, AuthorityPath);
        return X509Certificate2.CreateFromPemFile(AuthorityPath, AuthorityKeyPath);
    }

    private X509Certificate2 Make(X509Certificate2 authority)
    {
        using var made = Certificates.MakeServing(authority, Names, _time.GetUtcNow(), Lifetime);
        Write(KeyPath, Certificates.KeyPem(made), AtomicFile.Private);
        Write(CertificatePath, made.ExportCertificatePem(), AtomicFile.Public);
        Log.CertificateMade(_logger, string.Join(", ", Names), made.NotAfter);
        return X509Certificate2.CreateFromPemFile(CertificatePath, KeyPath);
    }

    private bool IsGood(X509Certificate2 certificate)
    {
        var now = _time.GetUtcNow().LocalDateTime;
        return certificate.NotAfter - RenewBefore > now && certificate.NotBefore <= now && Certificates.Covers(certificate, Names);
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
