using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WgMesh.Kubernetes;
using WgMesh.Operator.Hosting;

namespace WgMesh.Operator.Trust;

/// <summary>
/// The certificate authorities of a cluster at one moment, as a Secret keeps them: the one that signs, the next one, which everybody is told of
/// long before it signs, and the one before, which is trusted until what it signed is over. Immutable.
/// </summary>
internal sealed record AuthoritySet
{
    /// <summary>An authority is good for so long.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(3 * 365);

    /// <summary>For so long is an authority known before it signs: somebody may have to carry it to hosts by hand.</summary>
    public static readonly TimeSpan KnownBefore = TimeSpan.FromDays(30);

    /// <summary>What an authority signs is good for so long.</summary>
    public static readonly TimeSpan ServingLifetime = TimeSpan.FromDays(30);

    private const string CertificateKey = "tls.crt", PrivateKey = "tls.key";
    private const string NextCertificateKey = "next.crt", NextPrivateKey = "next.key";
    private const string PreviousCertificateKey = "previous.crt";

    /// <summary>An annotation: when the previous authority is over.</summary>
    private const string PreviousUntilKey = "wgmesh.io/previous-until";

    /// <summary>Signs; with its key.</summary>
    public required X509Certificate2 Current { get; init; }

    /// <summary>Will sign; with its key. Null: there is none yet.</summary>
    public X509Certificate2? Next { get; init; }

    /// <summary>Signed before; without its key. Null: there is none any more.</summary>
    public X509Certificate2? Previous { get; init; }

    /// <summary>When nothing that <see cref="Previous"/> signed is good any more.</summary>
    public DateTimeOffset PreviousUntil { get; init; }

    /// <summary>All that are to be trusted.</summary>
    public IEnumerable<X509Certificate2> All => new[] { Current, Next, Previous }.OfType<X509Certificate2>();

    /// <summary>All that are to be trusted, as PEM.</summary>
    public string Bundle => string.Concat(All.Select(authority => authority.ExportCertificatePem() + "\n"));

    /// <summary>The first one.</summary>
    public static AuthoritySet Make(DateTimeOffset now) => new() { Current = Certificates.MakeAuthority(now, Lifetime) };

    /// <summary>
    /// What is due: a next authority once two thirds of the current one's time are over; that one signs when it has been known long enough, or the
    /// current one is over; and one that signed before is dropped with the last of what it signed.
    /// </summary>
    /// <param name="published">What everybody is told to trust, as PEM. An authority that is not in it does not begin to sign.</param>
    /// <returns>This one itself if nothing is due.</returns>
    public AuthoritySet Step(DateTimeOffset now, string published)
    {
        var stepped = this;
        if (Previous is not null && PreviousUntil <= now)
            stepped = stepped with { Previous = null, PreviousUntil = default };
        if (Next is null)
            return Certificates.RenewAt(Current) <= now ? stepped with { Next = Certificates.MakeAuthority(now, Lifetime) } : stepped;

        var until = now + ServingLifetime + Certificates.Backdating;
        var isDue = SignsFrom(Next) <= now || Current.NotAfter <= now.LocalDateTime;
        return isDue && published.Contains(Next.ExportCertificatePem(), StringComparison.Ordinal)
            ? new AuthoritySet { Current = Next, Previous = X509CertificateLoader.LoadCertificate(Current.RawData), PreviousUntil = until }
            : stepped;
    }

    /// <summary>From when on a next authority signs.</summary>
    public static DateTimeOffset SignsFrom(X509Certificate2 next) => Certificates.MadeAt(next) + KnownBefore;

    /// <summary>Reads what a Secret holds.</summary>
    /// <exception cref="InvalidDataException">Some of it cannot be used; the message names the key and shows no value.</exception>
    public static AuthoritySet From(Secret secret, DateTimeOffset now)
    {
        var previous = secret.Find(PreviousCertificateKey) is null ? null : Certificate(secret, PreviousCertificateKey, now);
        return new AuthoritySet
        {
            Current = WithKey(secret, CertificateKey, PrivateKey, now),
            Next = secret.Find(NextCertificateKey) is null && secret.Find(NextPrivateKey) is null
                ? null
                : WithKey(secret, NextCertificateKey, NextPrivateKey, now),
            Previous = previous,
            PreviousUntil = previous is null ? default
                : secret.Metadata.Annotations.TryGetValue(PreviousUntilKey, out var text)
                    && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var until) ? until
                : previous.NotAfter,
        };
    }

    /// <summary>Puts all of it into a Secret, and leaves what else is in there.</summary>
    public void WriteTo(Secret secret)
    {
        Set(CertificateKey, Current.ExportCertificatePem());
        Set(PrivateKey, Certificates.KeyPem(Current));
        Set(NextCertificateKey, Next?.ExportCertificatePem());
        Set(NextPrivateKey, Next is null ? null : Certificates.KeyPem(Next));
        Set(PreviousCertificateKey, Previous?.ExportCertificatePem());
        secret.Metadata.Annotations.Remove(PreviousUntilKey);
        if (Previous is not null)
            secret.Metadata.Annotations[PreviousUntilKey] = PreviousUntil.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

        void Set(string key, string? pem)
        {
            if (pem is null)
                secret.Data.Remove(key);
            else
                secret.Data[key] = Encoding.ASCII.GetBytes(pem + "\n");
        }
    }

    private static X509Certificate2 WithKey(Secret secret, string certificateKey, string privateKey, DateTimeOffset now)
    {
        using var certificate = Certificate(secret, certificateKey, now);
        if (secret.Find(privateKey) is not { } pem)
            throw Broken(secret, privateKey, "is missing");

        using var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(Encoding.UTF8.GetString(pem));
            return certificate.CopyWithPrivateKey(key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or InvalidOperationException)
        {
            // the cause says nothing that helps, and might say too much
            throw Broken(secret, privateKey, $"is not the elliptic-curve key (PEM) of {certificateKey}");
        }
    }

    private static X509Certificate2 Certificate(Secret secret, string key, DateTimeOffset now)
    {
        if (secret.Find(key) is not { } pem)
            throw Broken(secret, key, "is missing");

        X509Certificate2 certificate;
        try
        {
            certificate = X509Certificate2.CreateFromPem(Encoding.UTF8.GetString(pem));
        }
        catch (CryptographicException)
        {
            throw Broken(secret, key, "is not a certificate (PEM)");
        }

        if (!certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(constraints => constraints.CertificateAuthority))
            throw Broken(secret, key, "is not a certificate authority's");
        if (certificate.Extensions.OfType<X509KeyUsageExtension>().Any(usage => !usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign)))
            throw Broken(secret, key, "may not sign certificates, by its key usage");
        return certificate.NotBefore <= now.LocalDateTime
            ? certificate
            : throw Broken(secret, key, $"is not good before {new DateTimeOffset(certificate.NotBefore):u}");
    }

    private static InvalidDataException Broken(Secret secret, string key, string what) => new(
        $"Secret {secret.Metadata.Namespace}/{secret.Metadata.Name}: {key} {what}. Restore it, or delete the Secret: an operator that runs puts back "
        + "the authorities that it knows, and one that starts makes new ones.");
}
