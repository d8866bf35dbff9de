using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

/// <summary>Exec plugins here are scripts, run by /bin/sh.</summary>
[Trait("needs", "system")]
public sealed class CredentialsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_token_file_is_read_again_after_a_minute_and_when_the_token_was_refused()
    {
        var credentials = Credentials.From(Configuration(tokenFile: _folder.Write("token", "one\n")), _time);
        Assert.Equal("one", (await credentials.GetAsync(default)).Token);
        _folder.Write("token", "two");
        var first = await credentials.GetAsync(default);
        Assert.Equal("one", first.Token);
        _time.Advance(TimeSpan.FromMinutes(1));
        var second = await credentials.GetAsync(default);
        Assert.Equal("two", second.Token);

        _folder.Write("token", "three");
        Assert.Equal("two", (await credentials.RenewAsync(first, default)).Token); // another request found out already
        Assert.Equal("three", (await credentials.RenewAsync(second, default)).Token);
        var third = await credentials.GetAsync(default);
        Assert.Same(third, await credentials.RenewAsync(third, default)); // the file has nothing newer
    }

    [Fact]
    public async Task A_token_file_that_is_away_while_it_is_renewed_is_no_error()
    {
        var credentials = Credentials.From(Configuration(tokenFile: _folder.Write("token", "one")), _time);
        await credentials.GetAsync(default);
        File.Delete(_folder["token"]);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("one", (await credentials.GetAsync(default)).Token);

        var without = Credentials.From(Configuration(tokenFile: _folder["token"]), _time);
        await Assert.ThrowsAsync<KubeConfigException>(() => without.GetAsync(default).AsTask());
    }

    [Fact]
    public async Task A_plugin_is_run_again_when_its_token_expired_or_was_refused()
    {
        // counts its runs
        var credentials = Exec($$$"""
            echo x >>'{{{_folder["runs"]}}}'
            n=$(wc -l <'{{{_folder["runs"]}}}')
            echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t'$n'","expirationTimestamp":"2026-01-01T01:00:00Z"}}'
            """);
        var first = await credentials.GetAsync(default);
        Assert.Equal("t1", first.Token);
        Assert.Same(first, await credentials.GetAsync(default));
        var both = await Task.WhenAll(credentials.RenewAsync(first, default).AsTask(), credentials.RenewAsync(first, default).AsTask());
        Assert.Equal(["t2", "t2"], both.Select(credential => credential.Token));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal("t3", (await credentials.GetAsync(default)).Token);
    }

    [Fact]
    public async Task A_plugin_knows_what_it_is_asked_and_reads_nothing()
    {
        var credentials = Exec($$$"""
            cat >'{{{_folder["input"]}}}'
            printf %s "$KUBERNETES_EXEC_INFO" >'{{{_folder["info"]}}}'
            echo "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"$1-$SECRET\"}}"
            """, plugin => plugin with { Arguments = [.. plugin.Arguments, "arg"], Environment = [KeyValuePair.Create("SECRET", "value")] });
        Assert.Equal("arg-value", (await credentials.GetAsync(default)).Token);
        Assert.Equal("", await File.ReadAllTextAsync(_folder["input"]));
        Assert.Equal(
            """{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}""", await File.ReadAllTextAsync(_folder["info"]));
    }

    [Fact]
    public async Task A_plugin_may_give_a_certificate()
    {
        var pair = new TestCertificate("exec");
        var answer = System.Text.Json.JsonSerializer.Serialize(new
        {
            kind = "ExecCredential",
            apiVersion = "client.authentication.k8s.io/v1",
            status = new { clientCertificateData = pair.Certificate, clientKeyData = pair.Key },
        });
        var credentials = Exec($"cat '{_folder.Write("answer", answer)}'");
        var credential = await credentials.GetAsync(default);
        Assert.Equal("CN=exec", credential.Certificate!.Subject);
        Assert.True(credential.Certificate.HasPrivateKey);
        Assert.Null(credential.Token);
    }

    [Theory]
    [InlineData("exit 3", "ended with exit code 3")]
    [InlineData("echo t0p-s3cret", "not JSON")]
    [InlineData("echo '[]'", "not an ExecCredential")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"}'""", "answered in apiVersion \"client.authentication.k8s.io/v1beta1\"")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}'""", "without a status")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}'""", "neither status.token nor")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientKeyData":"t0p-s3cret"}}'""", "both are needed")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"x","clientKeyData":"t0p-s3cret"}}'""", "status.clientCertificateData of")]
    [InlineData("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t0p-s3cret","expirationTimestamp":"soon"}}'""", "status.expirationTimestamp")]
    [InlineData("cat /dev/zero", "more than an ExecCredential")]
    public async Task A_plugin_that_fails_is_an_error_without_what_it_printed(string script, string expected)
    {
        var e = await Assert.ThrowsAsync<KubeConfigException>(() => Exec(script).GetAsync(default).AsTask());
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Contains("/bin/sh", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_has_no_plugin_is_told_where_to_get_it()
    {
        var credentials = Exec("", plugin => plugin with { Command = _folder["missing"], InstallHint = "Install it from here." });
        var e = await Assert.ThrowsAsync<KubeConfigException>(() => credentials.GetAsync(default).AsTask());
        Assert.Contains(_folder["missing"], e.Message, StringComparison.Ordinal);
        Assert.EndsWith("\nInstall it from here.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plugin_that_does_not_end_is_ended()
    {
        // it is still there for as long as somebody has this open for writing
        Run("mkfifo", _folder["fifo"]);
        var getting = Exec($"exec 3>'{_folder["fifo"]}'; echo started >&3; sleep 600").GetAsync(default).AsTask();
        using var fifo = new StreamReader(new FileStream(_folder["fifo"], FileMode.Open, FileAccess.Read));
        Assert.Equal("started", await fifo.ReadLineAsync());
        _time.Advance(TimeSpan.FromSeconds(60));
        var e = await Assert.ThrowsAsync<KubeConfigException>(() => getting.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Contains("within 60 seconds", e.Message, StringComparison.Ordinal);
        Assert.Null(await fifo.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)));
    }

    private static void Run(string program, string argument)
    {
        using var process = System.Diagnostics.Process.Start(program, argument);
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, process.ExitCode);
    }

    private static KubernetesClientConfiguration Configuration(string? tokenFile = null, ExecCredentialPlugin? exec = null) =>
        new() { Host = new Uri("https://192.0.2.1"), TokenFile = tokenFile, Exec = exec };

    private Credentials Exec(string script, Func<ExecCredentialPlugin, ExecCredentialPlugin>? change = null)
    {
        var plugin = new ExecCredentialPlugin
        {
            ApiVersion = "client.authentication.k8s.io/v1",
            Command = "/bin/sh",
            Arguments = [_folder.Write("plugin.sh", script + "\n")],
        };
        return Credentials.From(Configuration(exec: change?.Invoke(plugin) ?? plugin), _time);
    }
}
