using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WgMesh.Kubernetes;
using WgMesh.Operator.Hosting;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

public sealed class AuthoritySetTests
{
    private readonly ManualTime _time = new();

    private DateTimeOffset Now => _time.GetUtcNow();

    [Fact]
    public void Whoever_looks_in_time_trusts_what_is_served_at_every_moment()
    {
        var set = AuthoritySet.Make(Now);
        var served = Serve(set);
        var rotations = 0;
        var trusted = set.Bundle;
        for (var day = 0; day < 3 * 365 * 3; day += 3)
        {
            _time.Advance(TimeSpan.FromDays(3));
            var stepped = set.Step(Now, set.Bundle);
            rotations += stepped.Current.Thumbprint == set.Current.Thumbprint ? 0 : 1;
            set = stepped;
            if (Certificates.RenewAt(served) <= Now || !Certificates.IsSignedBy(served, set.Current, Now))
                served = Serve(set);

            // an agent whose bundle is up to four weeks old
            if (day % 27 == 0)
                trusted = set.Bundle;
            Assert.True(IsTrusted(served, trusted), $"day {day}");
        }

        Assert.True(rotations >= 3, $"{rotations}");
    }

    [Fact]
    public void An_authority_that_nobody_was_told_of_does_not_sign()
    {
        var set = AuthoritySet.Make(Now);
        var before = set.Bundle;
        _time.Advance(TimeSpan.FromDays(2 * 365 + 1));
        set = set.Step(Now, before);
        Assert.NotNull(set.Next);
        _time.Advance(AuthoritySet.KnownBefore);
        Assert.Same(set, set.Step(Now, before));
        var stepped = set.Step(Now, set.Bundle);
        Assert.Equal(set.Next!.Thumbprint, stepped.Current.Thumbprint);
        Assert.Equal(set.Current.Thumbprint, stepped.Previous!.Thumbprint);
        Assert.False(stepped.Previous.HasPrivateKey);
    }

    [Fact]
    public void The_one_before_is_dropped_with_the_last_of_what_it_signed()
    {
        var set = AuthoritySet.Make(Now);
        _time.Advance(TimeSpan.FromDays(2 * 365 + 1));
        set = set.Step(Now, set.Bundle);
        _time.Advance(AuthoritySet.KnownBefore);
        var served = Serve(set);
        set = set.Step(Now, set.Bundle);
        Assert.NotNull(set.Previous);
        while (served.NotAfter > Now.LocalDateTime)
        {
            Assert.True(IsTrusted(served, set.Bundle));
            _time.Advance(TimeSpan.FromDays(1));
            set = set.Step(Now, set.Bundle);
        }

        _time.Advance(TimeSpan.FromDays(2));
        Assert.Null(set.Step(Now, set.Bundle).Previous);
    }

    [Fact]
    public void After_years_away_two_steps_are_enough()
    {
        var set = AuthoritySet.Make(Now);
        _time.Advance(AuthoritySet.Lifetime * 2);
        set = set.Step(Now, set.Bundle);
        set = set.Step(Now, set.Bundle);
        Assert.True(IsTrusted(Serve(set), set.Bundle));
        Assert.Same(set, set.Step(Now, set.Bundle));
    }

    [Fact]
    public void A_Secret_holds_all_of_it_and_what_else_was_in_it()
    {
        var set = AuthoritySet.Make(Now);
        _time.Advance(TimeSpan.FromDays(2 * 365 + 1));
        set = set.Step(Now, set.Bundle);
        var secret = new Secret { Data = { ["other"] = [1] } };
        set.WriteTo(secret);
        var read = AuthoritySet.From(secret, Now);
        Assert.Equal(set.Bundle, read.Bundle);
        Assert.True(read.Current.HasPrivateKey);
        Assert.True(read.Next!.HasPrivateKey);

        _time.Advance(AuthoritySet.KnownBefore);
        var rotated = read.Step(Now, read.Bundle);
        rotated.WriteTo(secret);
        Assert.Equal(["other", "previous.crt", "tls.crt", "tls.key"], secret.Data.Keys.Order(StringComparer.Ordinal));
        read = AuthoritySet.From(secret, Now);
        Assert.Equal(rotated.Bundle, read.Bundle);
        Assert.Equal(rotated.PreviousUntil, read.PreviousUntil);

        _time.Advance(TimeSpan.FromDays(100));
        read.Step(Now, read.Bundle).WriteTo(secret);
        Assert.Equal(["other", "tls.crt", "tls.key"], secret.Data.Keys.Order(StringComparer.Ordinal));
        Assert.Empty(secret.Metadata.Annotations);
    }

    [Theory]
    [InlineData("tls.crt", null, "tls.crt is missing")]
    [InlineData("tls.key", null, "tls.key is missing")]
    [InlineData("tls.crt", "hello", "tls.crt is not a certificate")]
    [InlineData("tls.key", "hello", "tls.key is not the elliptic-curve key")]
    [InlineData("tls.key", "other", "tls.key is not the elliptic-curve key (PEM) of tls.crt")]
    [InlineData("tls.key", "rsa", "tls.key is not the elliptic-curve key")]
    [InlineData("tls.crt", "leaf", "tls.crt is not a certificate authority's")]
    [InlineData("tls.crt", "silent", "tls.crt may not sign certificates")]
    [InlineData("tls.crt", "future", "tls.crt is not good before ")]
    [InlineData("next.crt", "hello", "next.crt is not a certificate")]
    [InlineData("next.key", "hello", "next.crt is missing")]
    [InlineData("previous.crt", "hello", "previous.crt is not a certificate")]
    public void A_broken_Secret_is_told_by_its_key_and_never_by_its_value(string key, string? value, string expected)
    {
        var set = AuthoritySet.Make(Now);
        var secret = new Secret { Metadata = { Name = "ca", Namespace = "mesh" } };
        set.WriteTo(secret);
        using var rsa = RSA.Create(2048);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var text = value switch
        {
            "other" => other.ExportPkcs8PrivateKeyPem(),
            "rsa" => rsa.ExportPkcs8PrivateKeyPem(),
            "leaf" => Serve(set).ExportCertificatePem(),
            "silent" => SilentAuthority(),
            "future" => Certificates.MakeAuthority(Now.AddDays(40), AuthoritySet.Lifetime).ExportCertificatePem(),
            _ => value,
        };
        if (text is null)
            secret.Data.Remove(key);
        else
            secret.Data[key] = Encoding.ASCII.GetBytes(text);

        var error = Assert.Throws<InvalidDataException>(() => AuthoritySet.From(secret, Now));
        Assert.Contains("Secret mesh/ca: " + expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hello", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", error.ToString(), StringComparison.Ordinal);
    }

    private X509Certificate2 Serve(AuthoritySet set) =>
        Certificates.MakeServing(set.Current, ["localhost"], Now, AuthoritySet.ServingLifetime);

    private bool IsTrusted(X509Certificate2 served, string bundle)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPem(bundle);
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = Now.LocalDateTime;
        return chain.Build(served);
    }

    private string SilentAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=silent", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        using var made = request.CreateSelfSigned(Now, Now.AddYears(1));
        return made.ExportCertificatePem();
    }
}
