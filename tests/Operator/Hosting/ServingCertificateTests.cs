using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Operator.Hosting;

namespace WgMesh.Operator.Tests.Hosting;

public sealed class ServingCertificateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_made_once_and_then_used_again()
    {
        var first = Open("localhost", "192.0.2.1", "2001:db8::1");
        var again = Open("192.0.2.1", "localhost");

        Assert.Equal(first.Current.Thumbprint, again.Current.Thumbprint);
        Assert.True(first.Current.MatchesHostname("localhost"));
        Assert.True(first.Current.MatchesHostname("192.0.2.1"));
        Assert.True(first.Current.MatchesHostname("2001:db8::1"));
        Assert.False(first.Current.MatchesHostname("example.org"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["ca.key"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["tls.key"]));
        Assert.True(IsTrusted(first.Current));
    }

    [Fact]
    public void A_new_name_makes_a_new_certificate_under_the_same_authority()
    {
        var first = Open("localhost").Current;
        var authority = File.ReadAllText(_folder["ca.crt"]);
        var second = Open("localhost", "mesh.example.org").Current;

        Assert.NotEqual(first.Thumbprint, second.Thumbprint);
        Assert.True(second.MatchesHostname("mesh.example.org"));
        Assert.Equal(authority, File.ReadAllText(_folder["ca.crt"]));
        Assert.True(IsTrusted(second));
    }

    [Fact]
    public void Near_its_end_it_is_renewed_while_it_serves()
    {
        var certificate = Open("localhost");
        var first = certificate.Current.Thumbprint;

        _time.Advance(TimeSpan.FromDays(300));
        certificate.Renew();
        Assert.Equal(first, certificate.Current.Thumbprint);

        _time.Advance(TimeSpan.FromDays(10));
        certificate.Renew();
        Assert.NotEqual(first, certificate.Current.Thumbprint);
        Assert.True(IsTrusted(certificate.Current));
    }

    [Fact]
    public void A_certificate_of_another_authority_is_replaced()
    {
        var first = Open("localhost").Current;
        File.Delete(_folder["ca.crt"]);
        File.Delete(_folder["ca.key"]);
        var second = Open("localhost").Current;

        Assert.NotEqual(first.Thumbprint, second.Thumbprint);
        Assert.True(IsTrusted(second));
    }

    [Fact]
    public void Half_an_authority_is_an_error_and_not_a_new_one()
    {
        Open("localhost");
        File.Delete(_folder["ca.key"]);
        Assert.Contains("ca.key", Assert.Throws<InvalidDataException>(() => Open("localhost")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_serving_key_of_another_certificate_makes_a_new_pair()
    {
        var first = Open("localhost").Current;
        using var other = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        File.WriteAllText(_folder["tls.key"], other.ExportPkcs8PrivateKeyPem());

        var second = Open("localhost").Current;
        Assert.NotEqual(first.Thumbprint, second.Thumbprint);
        Assert.True(IsTrusted(second));
    }

    [Fact]
    public void An_authoritys_key_alone_is_what_a_crash_at_the_first_start_leaves()
    {
        Open("localhost");
        File.Delete(_folder["ca.crt"]);
        Assert.True(IsTrusted(Open("localhost").Current));
    }

    private ServingCertificate Open(params string[] names) => new(_folder.Path, names, _time, NullLogger<ServingCertificate>.Instance);

    private bool IsTrusted(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificateFromFile(_folder["ca.crt"]));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = _time.GetUtcNow().LocalDateTime;
        return chain.Build(certificate);
    }
}
