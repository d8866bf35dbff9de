using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Kubernetes;

/// <summary>Where the API server is, and who asks. The names are those that the KubernetesClient package has for them.</summary>
public sealed class KubernetesClientConfiguration
{
    /// <summary>What a pod finds its service account in.</summary>
    private const string ServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <summary>From the environment and the files that every pod has; the token is read again as it rotates.</summary>
    /// <exception cref="KubeConfigException">This is no pod, or a file is missing.</exception>
    public static KubernetesClientConfiguration InClusterConfig() => InClusterConfig(ServiceAccountFolder, Environment.GetEnvironmentVariable);

    /// <summary>From a kubeconfig file. Null: what kubectl would take (KUBECONFIG, else ~/.kube/config).</summary>
    /// <exception cref="KubeConfigException">The file, or something it points to, does not hold; the message says which field.</exception>
    public static KubernetesClientConfiguration FromKubeConfig(string? path, string? context = null) =>
        (path is null ? KubeConfig.Load() : KubeConfig.Load([path], mustExist: true)).ToConfiguration(context);

    /// <summary>The server's URL.</summary>
    public required Uri Host { get; init; }

    /// <summary>The namespace of the pod or of the context; "default" if none is said.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>The authorities that the server's certificate is checked against; null: the system's.</summary>
    public X509Certificate2Collection? SslCaCerts { get; init; }

    /// <summary>Whether any certificate of the server will do, and so anybody who answers for it.</summary>
    public bool SkipTlsVerify { get; init; }

    /// <summary>The name that the server's certificate must have, if it is not that in <see cref="Host"/>.</summary>
    public string? TlsServerName { get; init; }

    /// <summary>With its private key; null: none, or from <see cref="Exec"/>.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>Sent along with <see cref="ClientCertificate"/>: what leads from it to an authority that the server knows.</summary>
    public X509Certificate2Collection ClientCertificateIntermediates { get; init; } = [];

    /// <summary>The bearer token; null: none, or from elsewhere.</summary>
    public string? AccessToken { get; init; }

    /// <summary>A file with the bearer token, which somebody renews. It wins over <see cref="AccessToken"/>.</summary>
    public string? TokenFile { get; init; }

    /// <summary>A program that knows who asks; null: none.</summary>
    public ExecCredentialPlugin? Exec { get; init; }

    /// <summary>How long an answer may take, watches apart.</summary>
    public TimeSpan HttpClientTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The same from elsewhere, for tests.</summary>
    internal static KubernetesClientConfiguration InClusterConfig(string folder, Func<string, string?> environment)
    {
        var (host, port) = (environment("KUBERNETES_SERVICE_HOST"), environment("KUBERNETES_SERVICE_PORT"));
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port))
        {
            throw new KubeConfigException(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set, so this is not a pod; outside of a cluster a kubeconfig file is needed.");
        }

        var bracketed = host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host;
        if (!Uri.TryCreate($"https://{bracketed}:{port}", UriKind.Absolute, out var url))
            throw new KubeConfigException($"KUBERNETES_SERVICE_HOST \"{host}\" and KUBERNETES_SERVICE_PORT \"{port}\" make no URL.");

        var tokenFile = Path.Combine(folder, "token");
        TokenFileCredentials.Read(tokenFile);
        var namespaceFile = Path.Combine(folder, "namespace");
        var space = File.Exists(namespaceFile) ? File.ReadAllText(namespaceFile).Trim() : "";
        return new KubernetesClientConfiguration
        {
            Host = url,
            Namespace = space.Length > 0 ? space : "default",
            SslCaCerts = Pem.ReadCertificates(Path.Combine(folder, "ca.crt")),
            TokenFile = tokenFile,
        };
    }
}

/// <summary>A kubeconfig, or what it points to, that cannot be used.</summary>
public sealed class KubeConfigException(string message, Exception? inner = null) : Exception(message, inner);
