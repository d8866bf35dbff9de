using System.Text;

namespace WgMesh.Kubernetes.Tests;

public sealed class KubeConfigTests : IDisposable
{
    private static readonly TestCertificate Authority = new("ca");
    private static readonly TestCertificate Client = new("client");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_are_found_beside_the_kubeconfig_that_names_them()
    {
        _folder.Write("conf/pki/ca.crt", Authority.Certificate);
        _folder.Write("conf/client.crt", Client.Certificate + Authority.Certificate);
        _folder.Write("client.key", Client.Key);
        _folder.Write("conf/token", "t0ken\n");
        var path = Write("""
            cluster: {server: "https://192.0.2.1:6443/base", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
            user: {client-certificate: ./client.crt, client-key: ../client.key, tokenFile: token, token: other}
            context: {namespace: wgmesh}
            """, "conf/config");

        var configuration = KubernetesClientConfiguration.FromKubeConfig(path);

        Assert.Equal(new Uri("https://192.0.2.1:6443/base"), configuration.Host);
        Assert.Equal("wgmesh", configuration.Namespace);
        Assert.Equal("CN=ca", Assert.Single(configuration.SslCaCerts!).Subject);
        Assert.Equal("CN=client", configuration.ClientCertificate!.Subject);
        Assert.True(configuration.ClientCertificate.HasPrivateKey);
        Assert.Equal("CN=ca", Assert.Single(configuration.ClientCertificateIntermediates).Subject);
        Assert.Equal(_folder["conf/token"], configuration.TokenFile);
        Assert.Equal("kubernetes", configuration.TlsServerName);
        Assert.False(configuration.SkipTlsVerify);
    }

    [Fact]
    public void What_is_in_the_file_wins_over_what_it_names()
    {
        var path = Write($$"""
            cluster: {server: "https://192.0.2.1", certificate-authority: missing, certificate-authority-data: {{Base64(Authority.Certificate)}}}
            user: {client-certificate: missing, client-certificate-data: {{Base64(Client.Certificate)}}, client-key: missing, client-key-data: {{Base64(Client.Key)}}, token: t0ken}
            """);
        var configuration = KubernetesClientConfiguration.FromKubeConfig(path);
        Assert.Equal("CN=ca", Assert.Single(configuration.SslCaCerts!).Subject);
        Assert.Equal("CN=client", configuration.ClientCertificate!.Subject);
        Assert.Empty(configuration.ClientCertificateIntermediates);
        Assert.Equal("t0ken", configuration.AccessToken);
        Assert.Equal("default", configuration.Namespace);
    }

    [Fact]
    public void A_context_needs_no_user_and_JSON_is_YAML_too()
    {
        var path = _folder.Write("config", """
            {"clusters": [{"name": "c", "cluster": {"server": "192.0.2.1:8080", "insecure-skip-tls-verify": true}}], "users": null,
             "contexts": [{"name": "x", "context": {"cluster": "c"}}], "current-context": "x"}
            """);
        var configuration = KubernetesClientConfiguration.FromKubeConfig(path);
        Assert.Equal(new Uri("http://192.0.2.1:8080"), configuration.Host);
        Assert.True(configuration.SkipTlsVerify);
        Assert.Null(configuration.SslCaCerts);
    }

    [Fact]
    public void Of_several_files_the_first_that_has_a_name_has_it_whole()
    {
        var first = _folder.Write("1/config", """
            current-context: ""
            contexts: [{name: mine, context: {cluster: c, user: u}}]
            users: [{name: u, user: {token: first}}]
            """);
        var second = _folder.Write("2/config", """
            current-context: mine
            contexts: [{name: mine, context: {cluster: other, user: other, namespace: other}}]
            clusters: [{name: c, cluster: {server: "https://192.0.2.2"}}, {name: c, cluster: {server: "https://192.0.2.3"}}]
            users: [{name: u, user: {token: second, tokenFile: missing}}]
            """);
        var third = _folder.Write("3/config", "current-context: other");
        var config = KubeConfig.Load([_folder["missing"], first, _folder.Write("empty", ""), second, third], mustExist: false).ToConfiguration(null);
        Assert.Equal(new Uri("https://192.0.2.2"), config.Host);
        Assert.Equal(("first", null, "default"), (config.AccessToken, config.TokenFile, config.Namespace));
    }

    [Fact]
    public void A_file_that_is_named_must_be_there_and_one_of_a_list()
    {
        Assert.Contains(_folder["missing"], Error(() => KubernetesClientConfiguration.FromKubeConfig(_folder["missing"])), StringComparison.Ordinal);
        Assert.Contains("none is there", Error(() => KubeConfig.Load([_folder["a"], _folder["b"]], mustExist: false)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_context_can_be_chosen()
    {
        var path = _folder.Write("config", """
            current-context: a
            contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}]
            clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}, {name: b, cluster: {server: "https://192.0.2.2"}}]
            """);
        Assert.Equal(new Uri("https://192.0.2.2"), KubernetesClientConfiguration.FromKubeConfig(path, "b").Host);
        Assert.Contains(
            "\"c\", and there is no such context; there are: a, b", Error(() => KubernetesClientConfiguration.FromKubeConfig(path, "c")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cluster: {}\nuser: {}", "clusters[0].cluster.server is missing")]
    [InlineData("cluster: {server: 'https://'}\nuser: {}", "config:3: clusters[0].cluster.server is not the URL of a server")]
    [InlineData("cluster: {server: 'ftp://a'}\nuser: {}", "clusters[0].cluster.server is not the URL of a server")]
    [InlineData("cluster: {server: 5}\nuser: {}", "clusters[0].cluster.server must be a text")]
    [InlineData("cluster: {server: a, certificate-authority: nowhere}\nuser: {}", "clusters[0].cluster.certificate-authority names a file that cannot be read")]
    [InlineData("cluster: {server: a, certificate-authority-data: '!'}\nuser: {}", "clusters[0].cluster.certificate-authority-data is not base64")]
    [InlineData("cluster: {server: a, certificate-authority-data: aGVsbG8=}\nuser: {}", "certificate-authority-data has no certificate in PEM")]
    [InlineData("cluster: {server: a, insecure-skip-tls-verify: 'yes'}\nuser: {}", "clusters[0].cluster.insecure-skip-tls-verify must be true or false")]
    [InlineData("cluster: {server: a, insecure-skip-tls-verify: true, certificate-authority-data: CA}\nuser: {}", "insecure-skip-tls-verify is true beside a certificate-authority")]
    [InlineData("cluster: {server: a, proxy-url: 'http://p'}\nuser: {}", "clusters[0].cluster.proxy-url is not supported")]
    [InlineData("cluster: {server: a}\nuser: {client-certificate-data: CERT}", "users[0].user.client-key is missing")]
    [InlineData("cluster: {server: a}\nuser: {client-key-data: KEY}", "users[0].user.client-certificate is missing")]
    [InlineData("cluster: {server: a}\nuser: {client-certificate-data: CA, client-key-data: KEY}", "client-key-data is not the private key of")]
    [InlineData("cluster: {server: a}\nuser: {username: u, password: p}", "users[0].user.username is not supported")]
    [InlineData("cluster: {server: a}\nuser: {token: t, as: root}", "users[0].user.as is not supported")]
    [InlineData("cluster: {server: a}\nuser: {auth-provider: {name: x}}", "users[0].user.auth-provider is not supported")]
    [InlineData("cluster: {server: a}\nuser: {token: {}}", "users[0].user.token must be a text")]
    [InlineData("cluster: {server: a}\nuser: {exec: {command: c}}", "users[0].user.exec.apiVersion is missing")]
    [InlineData("cluster: {server: a}\nuser: {exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: c}}", "exec.apiVersion is \"client.authentication.k8s.io/v1alpha1\"; it must be")]
    [InlineData("cluster: {server: a}\nuser: {exec: {apiVersion: client.authentication.k8s.io/v1}}", "users[0].user.exec.command is missing")]
    [InlineData("cluster: {server: a}\nuser: {exec: {apiVersion: client.authentication.k8s.io/v1, command: c, interactiveMode: Always}}", "exec.interactiveMode is \"Always\"")]
    [InlineData("cluster: {server: a}\nuser: {exec: {apiVersion: client.authentication.k8s.io/v1, command: c, args: [1]}}", "users[0].user.exec.args must be a list of texts")]
    [InlineData("cluster: {server: a}\nuser: {exec: {apiVersion: client.authentication.k8s.io/v1, command: c, env: [{value: v}]}}", "users[0].user.exec.env[0].name is missing")]
    [InlineData("cluster: 5\nuser: {}", "clusters[0].cluster must be a mapping")]
    [InlineData("cluster: {server: a}\nuser: {}\ncontext: {cluster: z}", "contexts[0].context.cluster is \"z\", and there is no such cluster; there are: c")]
    [InlineData("cluster: {server: a}\nuser: {}\ncontext: {cluster: c, user: z}", "contexts[0].context.user is \"z\", and there is no such user; there are: u")]
    public void An_error_names_the_file_and_the_field(string parts, string expected)
    {
        var path = Write(parts.Replace("data: CERT", $"data: {Base64(Client.Certificate)}", StringComparison.Ordinal)
            .Replace("data: CA", $"data: {Base64(Authority.Certificate)}", StringComparison.Ordinal)
            .Replace("data: KEY", $"data: {Base64(Client.Key)}", StringComparison.Ordinal));
        var message = Error(() => KubernetesClientConfiguration.FromKubeConfig(path));
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.DoesNotContain(Base64(Client.Key)[..40], message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kind: Deployment", "kind is \"Deployment\"; a kubeconfig is of kind Config")]
    [InlineData("clusters: {a: b}", "clusters must be a list")]
    [InlineData("clusters: [a]", "clusters must be a list of mappings")]
    [InlineData("users: [{user: {}}]", "users[0].name is missing")]
    [InlineData("contexts: [{name: 5}]", "contexts[0].name must be a text")]
    [InlineData("contexts: [{name: a}]", "current-context is not set; the contexts are: a")]
    [InlineData("current-context: a", "current-context is \"a\", and there is no such context; there are: (none)")]
    [InlineData("a: [", "config:")]
    [InlineData("", "current-context is not set; the contexts are: (none)")]
    public void A_file_that_is_no_kubeconfig_is_refused(string text, string expected)
    {
        var path = _folder.Write("config", text);
        Assert.Contains(expected, Error(() => KubernetesClientConfiguration.FromKubeConfig(path)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_exec_plugin_is_told_what_it_asks_for()
    {
        var path = Write($$"""
            cluster: {server: "https://192.0.2.1", certificate-authority-data: {{Base64(Authority.Certificate)}}, extensions: [{name: client.authentication.k8s.io/exec, extension: {region: x} }]}
            user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./bin/login, args: [a, "1"], env: [{name: E, value: v}], provideClusterInfo: true, installHint: get it, interactiveMode: IfAvailable} }
            """);
        var plugin = KubernetesClientConfiguration.FromKubeConfig(path).Exec!;
        Assert.Equal(_folder["bin/login"], plugin.Command);
        Assert.Equal(["a", "1"], plugin.Arguments);
        Assert.Equal([KeyValuePair.Create("E", "v")], plugin.Environment);
        Assert.Equal("https://192.0.2.1", (string?)plugin.Cluster!["server"]);
        Assert.Equal("x", (string?)plugin.Cluster["config"]!["region"]);
        Assert.Equal(Base64(Authority.Certificate), (string?)plugin.Cluster["certificate-authority-data"]);
        Assert.Equal(_folder["bin/login"], plugin.ToString());
    }

    [Fact]
    public void A_pod_knows_its_server_from_its_environment()
    {
        _folder.Write("ca.crt", Authority.Certificate);
        _folder.Write("token", "t0ken");
        _folder.Write("namespace", "wgmesh\n");
        var configuration = InCluster("fd00::1", "443");
        Assert.Equal(new Uri("https://[fd00::1]:443"), configuration.Host);
        Assert.Equal("wgmesh", configuration.Namespace);
        Assert.Equal(_folder["token"], configuration.TokenFile);
        Assert.Equal("CN=ca", Assert.Single(configuration.SslCaCerts!).Subject);

        Assert.Equal(new Uri("https://192.0.2.1:6443"), InCluster("192.0.2.1", "6443").Host);
        Assert.Contains("this is not a pod", Error(() => InCluster(null, "443")), StringComparison.Ordinal);
        Assert.Contains("KUBERNETES_SERVICE_PORT \"x\"", Error(() => InCluster("192.0.2.1", "x")), StringComparison.Ordinal);
        File.Delete(_folder["namespace"]);
        Assert.Equal("default", InCluster("192.0.2.1", "443").Namespace);
        _folder.Write("token", " \n");
        Assert.Contains(_folder["token"], Error(() => InCluster("192.0.2.1", "443")), StringComparison.Ordinal);
        File.Delete(_folder["token"]);
        Assert.Contains(_folder["token"], Error(() => InCluster("192.0.2.1", "443")), StringComparison.Ordinal);
        _folder.Write("token", "t0ken");
        File.Delete(_folder["ca.crt"]);
        Assert.Contains(_folder["ca.crt"], Error(() => InCluster("192.0.2.1", "443")), StringComparison.Ordinal);
    }

    private KubernetesClientConfiguration InCluster(string? host, string port) => KubernetesClientConfiguration.InClusterConfig(
        _folder.Path, name => name switch { "KUBERNETES_SERVICE_HOST" => host, "KUBERNETES_SERVICE_PORT" => port, _ => null });

    /// <summary>A kubeconfig of one cluster, one user and one context that is theirs unless it is given.</summary>
    private string Write(string parts, string name = "config")
    {
        var lines = parts.ReplaceLineEndings("\n").Split('\n');
        string Part(string part) => lines.FirstOrDefault(line => line.StartsWith(part, StringComparison.Ordinal)) ?? $"{part}: {{}}";
        var context = Part("context");
        if (!context.Contains("cluster:", StringComparison.Ordinal))
            context = context.Replace("{", "{cluster: c, user: u, ", StringComparison.Ordinal);
        return _folder.Write(name, $$"""
            apiVersion: v1
            kind: Config
            clusters: [{name: c, {{Part("cluster")}} }]
            users: [{name: u, {{Part("user")}} }]
            contexts: [{name: x, {{context}} }]
            current-context: x
            """);
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static string Error(Action action) => Assert.Throws<KubeConfigException>(action).Message;
}
