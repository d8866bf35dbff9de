using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>A program that prints credentials (client.authentication.k8s.io), as cloud providers have them.</summary>
public sealed record ExecCredentialPlugin
{
    /// <summary><c>client.authentication.k8s.io/v1</c> or <c>v1beta1</c> of it.</summary>
    public required string ApiVersion { get; init; }

    /// <summary>A path, or a name that is looked for in PATH.</summary>
    public required string Command { get; init; }

    /// <summary>Its arguments.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Added to its environment.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>What to tell people who do not have it.</summary>
    public string? InstallHint { get; init; }

    /// <summary>What it is told of the cluster; null: nothing.</summary>
    public JsonObject? Cluster { get; init; }

    /// <summary>The program's name alone: arguments and environment may hold secrets.</summary>
    public override string ToString() => Command;
}

/// <summary>Credentials that a program prints: kept until they expire or the server refuses them.</summary>
internal sealed class ExecCredentials(ExecCredentialPlugin plugin, KubernetesClientConfiguration configuration, TimeProvider time) : Credentials
{
    /// <summary>Some ask a service on the Internet.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private const int MaxOutput = 1 << 20;

    private readonly SemaphoreSlim _gate = new(1);
    private Credential? _credential;
    private DateTimeOffset? _expires;

    public override async ValueTask<Credential> GetAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return _credential is not null && (_expires is null || _expires > time.GetUtcNow()) ? _credential : await RunAsync(cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    public override async ValueTask<Credential> RenewAsync(Credential refused, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // of many requests that are refused at once, the first runs it
            return ReferenceEquals(_credential, refused) ? await RunAsync(cancellationToken) : _credential!;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<Credential> RunAsync(CancellationToken cancellationToken)
    {
        using var deadline = Deadline.In(Limit, time, cancellationToken);
        using var process = Start();
        string output;
        try
        {
            process.StandardInput.Close();
            output = await ReadOutputAsync(process, deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (Exception e)
        {
            // whoever gives up takes the program along
            process.Kill(entireProcessTree: true);
            if (e is OperationCanceledException && deadline.IsOver)
                throw Error($"did not end within {Limit.TotalSeconds:0} seconds");
            throw;
        }

        if (process.ExitCode != 0)
            throw Error($"ended with exit code {process.ExitCode}; what it had to say of it went to standard error", withHint: true);
        (_credential, _expires) = Parse(output);
        return _credential;
    }

    private Process Start()
    {
        // its standard error is this program's: there it says what people must know, and it may be a secret
        var start = new ProcessStartInfo(plugin.Command, plugin.Arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in plugin.Environment)
            start.Environment[name] = value;
        var spec = new JsonObject { ["interactive"] = false };
        if (plugin.Cluster is { } cluster)
            spec["cluster"] = cluster.DeepClone();
        start.Environment["KUBERNETES_EXEC_INFO"] =
            new JsonObject { ["apiVersion"] = plugin.ApiVersion, ["kind"] = "ExecCredential", ["spec"] = spec }.ToJsonString();
        try
        {
            return Process.Start(start)!;
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            throw Error($"could not be started: {e.Message}", withHint: true);
        }
    }

    private async Task<string> ReadOutputAsync(Process process, CancellationToken cancellationToken)
    {
        var output = new StringBuilder();
        var buffer = new char[4096];
        for (int read; (read = await process.StandardOutput.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (output.Append(buffer, 0, read).Length > MaxOutput)
                throw Error("printed more than an ExecCredential can be");
        }

        return output.ToString();
    }

    private (Credential Credential, DateTimeOffset? Expires) Parse(string output)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(output);
        }
        catch (JsonException)
        {
            throw Error("printed something that is not JSON"); // which is not shown: it may be a secret
        }

        if (root is not JsonObject answer || Text(answer, "kind") != "ExecCredential")
            throw Error("printed something that is not an ExecCredential");
        if (Text(answer, "apiVersion") is var version && version != plugin.ApiVersion)
            throw Error($"answered in apiVersion {MessageText.Quote(version ?? "")}; the kubeconfig says {plugin.ApiVersion}");
        if (answer["status"] is not JsonObject status)
            throw Error("printed an ExecCredential without a status");

        var token = Text(status, "token");
        var (certificate, key) = (Text(status, "clientCertificateData"), Text(status, "clientKeyData"));
        if (string.IsNullOrEmpty(certificate) != string.IsNullOrEmpty(key))
            throw Error("gave one of status.clientCertificateData and status.clientKeyData; both are needed");
        if (string.IsNullOrEmpty(token) && string.IsNullOrEmpty(certificate))
            throw Error("gave neither status.token nor status.clientCertificateData");

        DateTimeOffset? expires = null;
        if (Text(status, "expirationTimestamp") is { } stamp)
        {
            expires = DateTimeOffset.TryParse(stamp, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
                ? time
                : throw Error("gave a status.expirationTimestamp that is not a time");
        }

        if (string.IsNullOrEmpty(certificate))
            return (new(token, configuration.ClientCertificate, configuration.ClientCertificateIntermediates), expires);
        var (pair, intermediates) = Pem.ParsePair(
            certificate, key!, $"status.clientCertificateData of {plugin.Command}", $"status.clientKeyData of {plugin.Command}");
        return (new(token, pair, intermediates), expires);
    }

    private KubeConfigException Error(string what, bool withHint = false) => new(
        $"the exec plugin {plugin.Command} {what}{(withHint && plugin.InstallHint is { Length: > 0 } hint ? $"\n{hint}" : "")}");

    private static string? Text(JsonObject parent, string name) =>
        parent[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
