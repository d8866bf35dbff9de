using System.CommandLine;
using System.Net;
using WgMesh.Operator.Hosting;

namespace WgMesh.Operator.Tests.Hosting;

public sealed class OperatorCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_folder_of_manifests_is_all_that_standalone_needs()
    {
        var options = await ReadAsync("--manifests", _folder.Path);
        Assert.Equal((_folder.Path, null, "/var/lib/wgmesh/operator"), (options.Manifests, options.Kubernetes, options.State));
        Assert.Equal(new IPEndPoint(IPAddress.Any, 7443), options.Listen);
    }

    [Fact]
    public async Task Kubernetes_needs_nothing_more_in_a_pod()
    {
        var options = await ReadAsync("--kubernetes");
        Assert.Null(options.Manifests);
        Assert.Equal(new KubernetesOptions(), options.Kubernetes);
    }

    [Fact]
    public async Task What_is_said_is_taken()
    {
        File.WriteAllText(_folder["config"], "");
        var options = await ReadAsync(
            "--kubernetes", "--kubeconfig", _folder["config"], "--namespace", "mesh", "--advertise-address", "2001:db8::1", "--identity", "one",
            "--agent-service-account", "agents", "--replica-token-file", "/token", "--mesh-settings", _folder["config"], "--listen", "[::]:8443", "--advertise", "mesh.example");
        Assert.Equal(
            new KubernetesOptions
            {
                KubeConfig = _folder["config"],
                Namespace = "mesh",
                AdvertiseAddress = IPEndPoint.Parse("[2001:db8::1]:0"),
                Identity = "one",
                AgentServiceAccount = "agents",
                ReplicaTokenFile = "/token",
                MeshSettings = _folder["config"],
            },
            options.Kubernetes);
        Assert.Equal(["mesh.example"], options.Advertise);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1:0")]
    [InlineData("192.0.2.1:7000", "192.0.2.1:7000")]
    [InlineData("[2001:db8::1]:7000", "[2001:db8::1]:7000")]
    public async Task An_address_may_have_a_port(string text, string expected)
    {
        var options = await ReadAsync("--kubernetes", "--advertise-address", text);
        Assert.Equal(IPEndPoint.Parse(expected), options.Kubernetes!.AdvertiseAddress);
    }

    [Fact]
    public void A_replica_does_not_guess_an_address_that_only_its_own_host_reaches()
    {
        var server = new Uri("https://127.0.0.1:6443");
        var anywhere = new OperatorOptions { Listen = IPEndPoint.Parse("0.0.0.0:7443"), MetricsListen = IPEndPoint.Parse("127.0.0.1:0") };
        var error = Assert.Throws<InvalidDataException>(() => KubernetesServices.AddressOf(anywhere, new KubernetesOptions(), server));
        Assert.Contains("give --advertise-address", error.Message, StringComparison.Ordinal);

        var said = new KubernetesOptions { AdvertiseAddress = IPEndPoint.Parse("192.0.2.1:0") };
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:7443"), KubernetesServices.AddressOf(anywhere, said, server));
        var here = new OperatorOptions { Listen = IPEndPoint.Parse("127.0.0.1:7443"), MetricsListen = anywhere.MetricsListen };
        Assert.Equal(here.Listen, KubernetesServices.AddressOf(here, new KubernetesOptions(), server));
    }

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("2m", 120)]
    [InlineData("1h", 3600)]
    public void An_uninstall_needs_nothing_more_in_a_pod_and_takes_a_time(string text, int seconds)
    {
        Assert.Empty(OperatorCommand.Create((_, _) => throw new InvalidOperationException("It ran.")).Parse("uninstall").Errors);
        var parsed = UninstallCommand.Create().Parse(["--timeout", text]);
        Assert.Empty(parsed.Errors);
        Assert.Equal(TimeSpan.FromSeconds(seconds), parsed.GetValue<TimeSpan?>("--timeout"));
    }

    [Theory]
    [InlineData("Give --manifests DIR to read the cluster from a folder, or --kubernetes")]
    [InlineData("--manifests and --kubernetes are two ways to run", "--manifests", "/tmp", "--kubernetes")]
    [InlineData("--kubeconfig has no meaning here: with --manifests", "--manifests", "/tmp", "--kubeconfig", "/dev/null")]
    [InlineData("--identity has no meaning here", "--manifests", "/tmp", "--identity", "one")]
    [InlineData("--state has no meaning here: with --kubernetes", "--kubernetes", "--state", "/tmp")]
    [InlineData("--token-file has no meaning here", "--kubernetes", "--token-file", "/dev/null")]
    [InlineData("--identity is 1 to 100 visible", "--kubernetes", "--identity", "a b")]
    [InlineData("\"0.0.0.0\" is not where others reach this replica", "--kubernetes", "--advertise-address", "0.0.0.0")]
    [InlineData("\"host:1\" is not where others", "--kubernetes", "--advertise-address", "host:1")]
    [InlineData("\"192.0.2.1:0\" is not where others", "--kubernetes", "--advertise-address", "192.0.2.1:0")]
    [InlineData("\"10.1\" is not where others", "--kubernetes", "--advertise-address", "10.1")]
    [InlineData("is not an address and a port", "--kubernetes", "--listen", "192.0.2.1")]
    [InlineData("\"0s\" is not a time", "uninstall", "--timeout", "0s")]
    [InlineData("\"90\" is not a time from 1s to 1h, such as 90s or 2m", "uninstall", "--timeout", "90")]
    [InlineData("\"61m\" is not a time", "uninstall", "--timeout", "61m")]
    [InlineData("\"s\" is not a time", "uninstall", "--timeout", "s")]
    [InlineData("\"99999999999s\" is not a time", "uninstall", "--timeout", "99999999999s")]
    [InlineData("File does not exist", "uninstall", "--kubeconfig", "/nowhere")]
    [InlineData("\"$(WGMESH_OPERATOR_SERVICE_HOST)\" is neither a DNS name nor an address", "--kubernetes", "--advertise=$(WGMESH_OPERATOR_SERVICE_HOST)")]
    [InlineData("--mesh-settings has no meaning here", "--manifests", "/tmp", "--mesh-settings", "/dev/null")]
    public void What_does_not_go_together_is_refused_and_says_what_would_be_right(string expected, params string[] arguments)
    {
        var errors = OperatorCommand.Create((_, _) => throw new InvalidOperationException("It ran.")).Parse(arguments).Errors;
        Assert.Contains(errors, error => error.Message.Contains(expected, StringComparison.Ordinal));
    }

    private static async Task<OperatorOptions> ReadAsync(params string[] arguments)
    {
        OperatorOptions? read = null;
        var command = OperatorCommand.Create((options, _) =>
        {
            read = options;
            return Task.FromResult(0);
        });
        var parsed = command.Parse(arguments);
        Assert.Empty(parsed.Errors);
        Assert.Equal(0, await parsed.InvokeAsync());
        return read!;
    }
}
