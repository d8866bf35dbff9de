using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

/// <summary>The client against a real API server: the ways to it, and who asks.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class ApiServerAccessTests(KubernetesServer server) : IAsyncLifetime
{
    private const int Unknown = 401;

    /// <summary>Somebody without rights.</summary>
    private const int Known = 403;

    private readonly TemporaryFolder _folder = new();
    private readonly string _space = $"access-{Guid.NewGuid():n}"[..20];

    public async Task InitializeAsync()
    {
        await server.AddNamespaceAsync(_space);
        await server.AddServiceAccountAsync(_space, "nobody");
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task The_administrators_kubeconfig_leads_to_the_server()
    {
        using var client = new KubernetesClient(KubernetesClientConfiguration.FromKubeConfig(server.KubeconfigPath));
        Assert.Equal("kube-system", (await client.GetAsync(
            new ResourceType<ConfigMap>("v1", "Namespace", "namespaces", false, KubernetesJson.Default.ConfigMap), "kube-system", null, default)).Metadata.Name);
    }

    [Fact]
    public async Task A_server_of_another_authority_is_not_trusted()
    {
        using var others = new KubernetesCertificates();
        await Refused(new() { Host = server.Url, AccessToken = "t0ken", SslCaCerts = [others.Authority] });
        await Refused(new() { Host = server.Url, AccessToken = "t0ken" });
        var trusted = server.Admin.SslCaCerts!;
        await Refused(new() { Host = server.Url, AccessToken = "t0ken", SslCaCerts = trusted, TlsServerName = "other.example.org" });

        Assert.Equal(Unknown, await Code(new() { Host = server.Url, AccessToken = "t0ken", SslCaCerts = trusted }));
        Assert.Equal(Unknown, await Code(new() { Host = server.Url, AccessToken = "t0ken", SslCaCerts = trusted, TlsServerName = "kubernetes.default.svc" }));
        Assert.Equal(Unknown, await Code(new() { Host = server.Url, AccessToken = "t0ken", SkipTlsVerify = true }));

        async Task Refused(KubernetesClientConfiguration configuration)
        {
            using var client = new KubernetesClient(configuration);
            var e = await Assert.ThrowsAsync<HttpRequestException>(() => ReadAsync(client));
            Assert.Equal(HttpRequestError.SecureConnectionError, e.HttpRequestError);
            Assert.Contains("certificate", e.Message, StringComparison.Ordinal);
        }

        async Task<int> Code(KubernetesClientConfiguration configuration)
        {
            using var client = new KubernetesClient(configuration);
            return await CodeAsync(client);
        }
    }

    [Fact]
    public async Task A_token_file_that_rotates_is_followed()
    {
        var path = _folder.Write("token", "not.a.token");
        using var client = new KubernetesClient(new() { Host = server.Url, TokenFile = path, SslCaCerts = server.Admin.SslCaCerts });
        Assert.Equal(Unknown, await CodeAsync(client));
        // at once, for the one that it knows was refused
        _folder.Write("token", await server.RequestTokenAsync(_space, "nobody", KubernetesServer.Issuer) + "\n");
        Assert.Equal(Known, await CodeAsync(client));
    }

    [Fact]
    public async Task A_plugin_gives_a_token_and_another_once_it_was_refused()
    {
        _folder.Write("token", "not.a.token");
        using var client = new KubernetesClient(KubernetesClientConfiguration.FromKubeConfig(ExecConfig("""
            printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"%s"}}' "$(cat "$TOKEN")"
            """)));
        Assert.Equal(Unknown, await CodeAsync(client));
        _folder.Write("token", await server.RequestTokenAsync(_space, "nobody", KubernetesServer.Issuer));
        Assert.Equal(Known, await CodeAsync(client));
        _folder.Write("token", "not.a.token");
        Assert.Equal(Known, await CodeAsync(client)); // it is not run for each request
    }

    [Fact]
    public async Task A_plugin_gives_a_certificate_and_a_new_one_once_it_expired()
    {
        var time = new ManualTime();
        WriteAnswer("2026-01-01T01:00:00Z", new TestCertificate("nobody"));
        using var client = new KubernetesClient(KubernetesClientConfiguration.FromKubeConfig(ExecConfig($"cat '{_folder["answer"]}'")), time);
        await Assert.ThrowsAnyAsync<Exception>(() => ReadAsync(client)); // 401, or already the handshake

        File.WriteAllText(_folder["answer"], Answer("2026-01-01T02:00:00Z", File.ReadAllText(Path.Combine(server.Folder, "admin.crt")), File.ReadAllText(Path.Combine(server.Folder, "admin.key"))));
        time.Advance(TimeSpan.FromHours(1));
        await ReadAsync(client);

        void WriteAnswer(string expires, TestCertificate pair) => _folder.Write("answer", Answer(expires, pair.Certificate, pair.Key));
    }

    private Task ReadAsync(KubernetesClient client) =>
        client.ListAsync(ResourceTypes.ConfigMaps, new ListOptions { Namespace = _space }, default);

    private async Task<int> CodeAsync(KubernetesClient client) => (await Assert.ThrowsAsync<ApiException>(() => ReadAsync(client))).StatusCode;

    private static string Answer(string expires, string certificate, string key) => System.Text.Json.JsonSerializer.Serialize(new
    {
        kind = "ExecCredential",
        apiVersion = "client.authentication.k8s.io/v1beta1",
        status = new { clientCertificateData = certificate, clientKeyData = key, expirationTimestamp = expires },
    });

    /// <summary>A kubeconfig whose user is a script's.</summary>
    private string ExecConfig(string script)
    {
        _folder.Write("plugin.sh", script + "\n");
        return _folder.Write("config", $$"""
            clusters: [{name: c, cluster: {server: "{{server.Url}}", certificate-authority: {{server.Folder}}/ca.crt} }]
            users:
            - name: u
              user:
                exec:
                  apiVersion: client.authentication.k8s.io/v1beta1
                  command: /bin/sh
                  args: [{{_folder["plugin.sh"]}}]
                  env:
                  - name: TOKEN
                    value: {{_folder["token"]}}
            contexts: [{name: x, context: {cluster: c, user: u} }]
            current-context: x
            """);
    }
}
