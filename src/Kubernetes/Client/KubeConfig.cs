using System.Text;
using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>
/// Kubeconfig files as kubectl reads them: of several, the first that has a cluster, user or context of a name, or a current context, wins, whole;
/// paths are relative to the file they stand in.
/// </summary>
internal sealed class KubeConfig
{
    private static readonly string[] ExecVersions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

    private readonly Dictionary<string, KubeConfigEntry> _clusters = [];
    private readonly Dictionary<string, KubeConfigEntry> _users = [];
    private readonly Dictionary<string, KubeConfigEntry> _contexts = [];
    private readonly string _origin;
    private string? _currentContext;

    private KubeConfig(string origin) => _origin = origin;

    /// <summary>What kubectl would take.</summary>
    public static KubeConfig Load()
    {
        var list = Environment.GetEnvironmentVariable("KUBECONFIG");
        return string.IsNullOrEmpty(list)
            ? Load([Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config")], mustExist: true)
            : Load(list.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), mustExist: false);
    }

    /// <summary>Reads files.</summary>
    /// <param name="mustExist">Whether each must be there; if not, one that is there will do.</param>
    /// <exception cref="KubeConfigException">None is there, or one does not hold.</exception>
    public static KubeConfig Load(IReadOnlyList<string> paths, bool mustExist)
    {
        var config = new KubeConfig(string.Join(", ", paths));
        var isThere = false;
        foreach (var path in paths.Where(path => mustExist || File.Exists(path)))
        {
            isThere = true;
            config.Add(path);
        }

        return isThere ? config : throw new KubeConfigException($"of the kubeconfig files {config._origin} none is there.");
    }

    /// <summary>The server and the user of a context.</summary>
    /// <param name="contextName">Null: the current one.</param>
    /// <exception cref="KubeConfigException">The context, or something it points to, does not hold.</exception>
    public KubernetesClientConfiguration ToConfiguration(string? contextName)
    {
        var name = contextName ?? _currentContext
            ?? throw new KubeConfigException($"{_origin}: current-context is not set; the contexts are: {Names(_contexts)}");
        var context = Find(_contexts, "context", name, contextName is null ? $"{_origin}: current-context" : "the context that was asked for");
        var cluster = Find(_clusters, "cluster", context.RequiredText("cluster"), context.At("cluster"));
        var user = context.Text("user") is { } userName ? Find(_users, "user", userName, context.At("user")) : null;

        var certificateAuthority = Content(cluster, "certificate-authority");
        var skipVerify = cluster.Flag("insecure-skip-tls-verify");
        if (skipVerify && certificateAuthority is not null)
            throw cluster.Error("insecure-skip-tls-verify", "is true beside a certificate-authority; remove one of them");
        if (cluster.Text("proxy-url") is not null)
            throw cluster.Error("proxy-url", "is not supported; set HTTPS_PROXY in the environment");

        var (certificate, key) = (user is null ? null : Content(user, "client-certificate"), user is null ? null : Content(user, "client-key"));
        if ((certificate is null) != (key is null))
            throw user!.Error(certificate is null ? "client-certificate" : "client-key", "is missing; a client certificate and its key come together");
        var pair = certificate is var (certificatePem, certificateOrigin) && key is var (keyPem, keyOrigin)
            ? Pem.ParsePair(certificatePem, keyPem, certificateOrigin, keyOrigin)
            : default;

        foreach (var unsupported in (string[])["username", "password", "auth-provider", "as", "as-uid", "as-groups", "as-user-extra"])
        {
            if (user?.Has(unsupported) == true)
                throw user.Error(unsupported, "is not supported; use a certificate, a token or an exec plugin");
        }

        var space = context.Text("namespace");
        return new KubernetesClientConfiguration
        {
            Host = Server(cluster),
            Namespace = string.IsNullOrEmpty(space) ? "default" : space,
            SslCaCerts = certificateAuthority is var (pem, origin) ? Pem.ParseCertificates(pem, origin) : null,
            SkipTlsVerify = skipVerify,
            TlsServerName = cluster.Text("tls-server-name"),
            ClientCertificate = pair.Certificate,
            ClientCertificateIntermediates = pair.Intermediates ?? [],
            AccessToken = user?.Text("token"),
            TokenFile = user?.Path("tokenFile"),
            Exec = user?.Child("exec") is { } exec ? Plugin(exec, cluster) : null,
        };
    }

    private void Add(string path)
    {
        var file = ManifestFile.Read(path);
        if (file.Errors.Count > 0)
            throw new KubeConfigException(file.Errors[0].ToString());
        if (file.Manifests.Count == 0)
            return; // an empty file, as `touch` makes it

        var root = new KubeConfigEntry(file.Manifests[0], file.Manifests[0].Content, "");
        if (root.Text("kind") is { } kind && kind != "Config")
            throw root.Error("kind", $"is {MessageText.Quote(kind)}; a kubeconfig is of kind Config");
        _currentContext ??= root.Text("current-context") is { Length: > 0 } current ? current : null;
        AddNamed(root, "clusters", "cluster", _clusters);
        AddNamed(root, "users", "user", _users);
        AddNamed(root, "contexts", "context", _contexts);
    }

    private static void AddNamed(KubeConfigEntry root, string list, string kind, Dictionary<string, KubeConfigEntry> entries)
    {
        foreach (var item in root.Children(list))
            entries.TryAdd(item.RequiredText("name"), item.Child(kind) ?? item.Empty(kind));
    }

    private static KubeConfigEntry Find(Dictionary<string, KubeConfigEntry> entries, string kind, string name, string origin) =>
        entries.TryGetValue(name, out var entry)
            ? entry
            : throw new KubeConfigException($"{origin} is {MessageText.Quote(name)}, and there is no such {kind}; there are: {Names(entries)}");

    private static string Names(Dictionary<string, KubeConfigEntry> entries) =>
        entries.Count == 0 ? "(none)" : string.Join(", ", entries.Keys.Order(StringComparer.Ordinal).Select(name => MessageText.Printable(name)));

    private static Uri Server(KubeConfigEntry cluster)
    {
        var text = cluster.RequiredText("server");
        // as kubectl does
        if (!text.Contains("://", StringComparison.Ordinal))
            text = "http://" + text;
        return Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "https" or "http" && url.Query.Length == 0 && url.UserInfo.Length == 0
            ? url
            : throw cluster.Error("server", "is not the URL of a server, such as https://192.0.2.1:6443");
    }

    /// <summary>The text of FIELD-data, else of the file that FIELD names; null: neither is there.</summary>
    private static (string Text, string Origin)? Content(KubeConfigEntry entry, string field)
    {
        if (entry.Text($"{field}-data") is { Length: > 0 } encoded)
        {
            try
            {
                return (Encoding.UTF8.GetString(Convert.FromBase64String(encoded)), entry.At($"{field}-data"));
            }
            catch (FormatException)
            {
                throw entry.Error($"{field}-data", "is not base64");
            }
        }

        return entry.Path(field) is { } path ? (entry.ReadFile(field, path), $"{entry.At(field)} ({path})") : null;
    }

    private static ExecCredentialPlugin Plugin(KubeConfigEntry exec, KubeConfigEntry cluster)
    {
        var version = exec.RequiredText("apiVersion");
        if (!ExecVersions.Contains(version))
            throw exec.Error("apiVersion", $"is {MessageText.Quote(version)}; it must be {string.Join(" or ", ExecVersions)}");
        var mode = exec.Text("interactiveMode");
        if (mode is not (null or "" or "Never" or "IfAvailable"))
            throw exec.Error("interactiveMode", $"is {MessageText.Quote(mode)}; there is nobody to ask here, so it must be Never or IfAvailable");

        var command = exec.RequiredText("command");
        return new ExecCredentialPlugin
        {
            ApiVersion = version,
            // with a slash in it, it is a path
            Command = command.Contains('/', StringComparison.Ordinal) ? exec.Path("command")! : command,
            Arguments = exec.Texts("args"),
            Environment = [.. exec.Children("env").Select(item => KeyValuePair.Create(item.RequiredText("name"), item.Text("value") ?? ""))],
            InstallHint = exec.Text("installHint"),
            Cluster = exec.Flag("provideClusterInfo") ? ClusterInfo(cluster) : null,
        };
    }

    private static JsonObject ClusterInfo(KubeConfigEntry cluster)
    {
        var info = new JsonObject { ["server"] = cluster.Text("server") };
        if (cluster.Text("tls-server-name") is { } name)
            info["tls-server-name"] = name;
        if (cluster.Flag("insecure-skip-tls-verify"))
            info["insecure-skip-tls-verify"] = true;
        if (Content(cluster, "certificate-authority") is var (pem, _))
            info["certificate-authority-data"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(pem));
        // what the cluster's provider has put there for the plugin
        foreach (var extension in cluster.Children("extensions"))
        {
            if (extension.Text("name") == "client.authentication.k8s.io/exec")
                info["config"] = extension.Copy("extension");
        }

        return info;
    }
}
