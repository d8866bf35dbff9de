using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Kubernetes;
using WgMesh.Operator.Tests.Distribution;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

/// <summary>The authority that replicas share, with a real API server and the rights that the operator has in a cluster.</summary>
[Trait("needs", "system")]
[Collection(WgMeshClusterCollection.Name)]
public sealed class OperatorAuthorityTests(WgMeshCluster cluster) : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly ListLogger<OperatorAuthority> _log = new();
    private readonly List<OperatorAuthority> _opened = [];
    private KubernetesClient _client = null!;
    private KubernetesClient _admin = null!;

    public async Task InitializeAsync()
    {
        _time.SetUtcNow(DateTimeOffset.UtcNow);
        _client = new KubernetesClient(await cluster.AsOperatorAsync());
        _admin = new KubernetesClient(cluster.Server.Admin);
        await DeleteAsync();
    }

    public async Task DisposeAsync()
    {
        await DeleteAsync();
        _opened.ForEach(authority => authority.Dispose());
        _client.Dispose();
        _admin.Dispose();
    }

    [Fact]
    public async Task Whoever_trusts_the_ConfigMap_trusts_what_is_served()
    {
        var authority = Open();
        await authority.LookAfterAsync(CancellationToken.None);
        Assert.True(await TrustsAsync(authority, "localhost"));
        Assert.True(await TrustsAsync(authority, "127.0.0.1"));
        Assert.False(await TrustsAsync(authority, "elsewhere.example"));
        Assert.Contains("BEGIN PRIVATE KEY", await ValueAsync("tls.key"), StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE", await BundleAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("PRIVATE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Replicas_that_begin_together_come_to_one_authority()
    {
        var replicas = Enumerable.Range(0, 5).Select(_ => Open()).ToList();
        await Task.WhenAll(replicas.Select(replica => replica.LookAfterAsync(CancellationToken.None)));
        foreach (var replica in replicas)
            Assert.True(await TrustsAsync(replica, "localhost"));
        Assert.Single(replicas.Select(replica => replica.Authorities.Single().Thumbprint).Distinct());
        Assert.Equal(5, replicas.Select(replica => replica.Current!.Thumbprint).Distinct().Count());
    }

    [Fact]
    public async Task Authorities_follow_each_other_and_what_is_served_is_trusted_all_the_time()
    {
        var (one, two) = (Open(), Open());
        await one.LookAfterAsync(CancellationToken.None);
        var first = one.Authorities.Single().Thumbprint;
        var known = await BundleAsync();
        for (var week = 0; week < 52 * 3; week++)
        {
            _time.Advance(TimeSpan.FromDays(7));
            await Task.WhenAll(one.LookAfterAsync(CancellationToken.None), two.LookAfterAsync(CancellationToken.None));
            Assert.True(IsTrusted(one.Current!, known), $"week {week}");
            Assert.True(IsTrusted(two.Current!, known), $"week {week}");
            known = await BundleAsync();
        }

        Assert.DoesNotContain(first, one.Authorities.Select(authority => authority.Thumbprint));
        Assert.Equal(one.Authorities.Select(authority => authority.Thumbprint), two.Authorities.Select(authority => authority.Thumbprint));
        Assert.Equal(["tls.crt", "tls.key"], (await SecretAsync())!.Data.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_is_deleted_is_put_back_as_it_was()
    {
        var (one, two) = (Open(), Open());
        await one.LookAfterAsync(CancellationToken.None);
        await two.LookAfterAsync(CancellationToken.None);
        var (bundle, served) = (await BundleAsync(), one.Current);
        await DeleteAsync();
        await Task.WhenAll(one.LookAfterAsync(CancellationToken.None), two.LookAfterAsync(CancellationToken.None));
        Assert.Equal(bundle, await BundleAsync());
        Assert.Same(served, one.Current);
        Assert.Single(_log.Lines, line => line.Contains("was gone", StringComparison.Ordinal));

        // and one that comes later takes it
        var three = Open();
        await three.LookAfterAsync(CancellationToken.None);
        Assert.True(await TrustsAsync(three, "localhost"));
    }

    [Fact]
    public async Task A_ConfigMap_that_somebody_changed_is_put_right_and_what_else_is_in_it_is_kept()
    {
        var authority = Open();
        await authority.LookAfterAsync(CancellationToken.None);
        var map = await _admin.GetAsync(ResourceTypes.ConfigMaps, OperatorAuthority.ConfigMapName, WgMeshCluster.Namespace, CancellationToken.None);
        var right = map.Data[OperatorAuthority.BundleKey];
        map.Data[OperatorAuthority.BundleKey] = "nonsense";
        map.Data["other"] = "kept";
        await _admin.ReplaceAsync(ResourceTypes.ConfigMaps, map, CancellationToken.None);
        await authority.LookAfterAsync(CancellationToken.None);
        map = await _admin.GetAsync(ResourceTypes.ConfigMaps, OperatorAuthority.ConfigMapName, WgMeshCluster.Namespace, CancellationToken.None);
        Assert.Equal((right, "kept"), (map.Data[OperatorAuthority.BundleKey], map.Data["other"]));
    }

    [Fact]
    public async Task A_broken_Secret_is_an_error_that_names_the_key_and_serving_goes_on()
    {
        var authority = Open();
        await authority.LookAfterAsync(CancellationToken.None);
        var served = authority.Current!.Thumbprint;
        var secret = (await SecretAsync())!;
        secret.Data["tls.key"] = Encoding.ASCII.GetBytes("hello");
        await _admin.ReplaceAsync(ResourceTypes.Secrets, secret, CancellationToken.None);

        var error = await Assert.ThrowsAsync<InvalidDataException>(() => authority.LookAfterAsync(CancellationToken.None));
        Assert.Contains("Secret wgmesh/wgmesh-operator-ca: tls.key", error.Message, StringComparison.Ordinal);
        Assert.Equal(served, authority.Current!.Thumbprint);
        Assert.Equal("hello", await ValueAsync("tls.key"));

        // the certificate is renewed all the same
        _time.Advance(TimeSpan.FromDays(25));
        await Assert.ThrowsAsync<InvalidDataException>(() => authority.LookAfterAsync(CancellationToken.None));
        Assert.NotEqual(served, authority.Current!.Thumbprint);
        Assert.True(await TrustsAsync(authority, "localhost"));

        // who has nothing in memory serves nothing, and what others trust stays
        var late = Open();
        await Assert.ThrowsAsync<InvalidDataException>(() => late.LookAfterAsync(CancellationToken.None));
        Assert.Null(late.Current);
    }

    [Fact]
    public async Task An_authority_that_is_replaced_by_hand_is_taken_up()
    {
        var authority = Open();
        await authority.LookAfterAsync(CancellationToken.None);
        var secret = (await SecretAsync())!;
        AuthoritySet.Make(_time.GetUtcNow()).WriteTo(secret);
        await _admin.ReplaceAsync(ResourceTypes.Secrets, secret, CancellationToken.None);
        await authority.LookAfterAsync(CancellationToken.None);
        Assert.True(await TrustsAsync(authority, "localhost"));
        Assert.Equal(await ValueAsync("tls.crt"), await BundleAsync());
    }

    private OperatorAuthority Open()
    {
        var events = new EventRecorder(_client, "wgmesh-operator", "test", _time, NullLogger.Instance);
        var authority = new OperatorAuthority(_client, events, WgMeshCluster.Namespace, ["localhost", "127.0.0.1"], _time, _log);
        _opened.Add(authority);
        return authority;
    }

    private async Task DeleteAsync()
    {
        foreach (var path in (string[])[$"secrets/{OperatorAuthority.SecretName}", $"configmaps/{OperatorAuthority.ConfigMapName}"])
        {
            if (await cluster.Server.FindAsync($"/api/v1/namespaces/{WgMeshCluster.Namespace}/{path}") is not null)
                await cluster.Server.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{WgMeshCluster.Namespace}/{path}");
        }
    }

    private Task<Secret?> SecretAsync() =>
        _admin.FindAsync(ResourceTypes.Secrets, OperatorAuthority.SecretName, WgMeshCluster.Namespace, CancellationToken.None);

    private async Task<string> ValueAsync(string key) => Encoding.ASCII.GetString((await SecretAsync())!.Data[key]);

    private async Task<string> BundleAsync() =>
        (await _admin.GetAsync(ResourceTypes.ConfigMaps, OperatorAuthority.ConfigMapName, WgMeshCluster.Namespace, CancellationToken.None))
            .Data[OperatorAuthority.BundleKey];

    private bool IsTrusted(X509Certificate2 served, string bundle)
    {
        using var chain = new X509Chain { ChainPolicy = Policy(bundle) };
        return chain.Build(served);
    }

    private X509ChainPolicy Policy(string bundle)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            VerificationTime = _time.GetUtcNow().LocalDateTime,
        };
        policy.CustomTrustStore.ImportFromPem(bundle);
        return policy;
    }

    /// <summary>Whether a TLS client that trusts what the ConfigMap says takes the certificate for this name.</summary>
    private async Task<bool> TrustsAsync(OperatorAuthority authority, string name)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptTcpClientAsync();
        await using var served = new SslStream(server.GetStream());
        await using var called = new SslStream(client.GetStream());
        var serving = served.AuthenticateAsServerAsync(authority.Current!);
        try
        {
            await called.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = name,
                CertificateChainPolicy = Policy(await BundleAsync()),
            }).WaitAsync(TimeSpan.FromSeconds(60));
            await serving.WaitAsync(TimeSpan.FromSeconds(60));
            return true;
        }
        catch (System.Security.Authentication.AuthenticationException)
        {
            client.Close();
            await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return false;
        }
    }
}
