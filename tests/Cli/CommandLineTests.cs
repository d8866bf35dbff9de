using System.CommandLine;
using WgMesh.Crds;

namespace WgMesh.Cli.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-cli-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Good_manifests_are_said_to_be_good()
    {
        Put("a.yaml", Peer("laptop", "allowedIPs: [10.1.2.0/24]") + "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");

        var (code, output, error) = await RunAsync("validate", "-f", _folder);

        Assert.Equal((0, ""), (code, output));
        Assert.Contains("a.yaml:7: Deployment/x: apps/v1 is not read here", error, StringComparison.Ordinal);
        Assert.Contains("1 file, 1 object in order, 0 problems", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_problem_is_a_line_with_file_line_object_field_and_message()
    {
        var a = Put("a.yaml", Peer("laptop", "allowedIPs: [10.1.2.3/24], colour: red"));
        var b = Put("b.yaml", Peer("laptop") + "---\nkind: [unfinished");

        var (code, output, _) = await RunAsync("validate", "-f", a, "-f", b);

        Assert.Equal(1, code);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        Assert.Contains(lines, line => line.StartsWith($"{a}:5: WireGuardPeer/laptop: spec.allowedIPs[0]: 10.1.2.3/24 has host bits",
            StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"{a}:5: WireGuardPeer/laptop: spec.colour: ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"{b}:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_objects_of_one_name_in_two_files_are_a_problem()
    {
        var (a, b) = (Put("a.yaml", Peer("laptop")), Put("b.yaml", Peer("laptop")));
        var (code, output, _) = await RunAsync("validate", "-f", a, b);
        Assert.Equal(1, code);
        Assert.StartsWith($"{b}:1: WireGuardPeer/laptop: metadata.name: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_a_problem()
    {
        var (code, output, _) = await RunAsync("validate", "-f", Path.Combine(_folder, "none.yaml"));
        Assert.Equal(1, code);
        Assert.Contains("none.yaml: the file cannot be read", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_definitions_of_the_resources_are_printed()
    {
        var (code, output, _) = await RunAsync("crds");
        Assert.Equal((0, CrdYaml.Generate()), (code, output));
        Assert.Contains("name: wireguardpeers.wgmesh.io", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_definitions_are_for_the_version_of_the_API_server_that_is_named()
    {
        Assert.Equal((0, CrdYaml.Generate(new Version(1, 20)), ""), await RunAsync("crds", "--kubernetes-version", "1.20"));
        Assert.Equal((0, CrdYaml.Generate(new Version(1, 20)), ""), await RunAsync("crds", "--kubernetes-version", "v1.20.2"));
        Assert.Equal((0, CrdYaml.Generate(new Version(1, 31)), ""), await RunAsync("crds", "--kubernetes-version", "v1.31.2-gke.100+1"));
        Assert.Equal((0, CrdYaml.ChartTemplate(), ""), await RunAsync("crds", "--chart-template"));
    }

    [Theory]
    [InlineData("1.19", "--kubernetes-version: 1.19 is older than 1.20, the oldest that there are definitions for.")]
    [InlineData("newest", "--kubernetes-version: newest is not a version such as 1.20 or v1.31.2.")]
    [InlineData("1", "--kubernetes-version: 1 is not a version such as 1.20 or v1.31.2.")]
    public async Task A_version_that_is_none_or_too_old_is_refused(string version, string message)
    {
        var (code, _, error) = await RunAsync("crds", "--kubernetes-version", version);
        Assert.Equal(1, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("crds", "--chart-template", "--kubernetes-version", "1.20")]
    [InlineData("validate")]
    [InlineData("peer-config")]
    [InlineData("status", "--operator", "http://127.0.0.1:1")]
    [InlineData("status", "--operator", "127.0.0.1:1")]
    public async Task Wrong_usage_is_refused(params string[] args)
    {
        var (code, _, error) = await RunAsync(args);
        Assert.Equal(1, code);
        Assert.NotEmpty(error);
    }

    private string Put(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static string Peer(string name, string spec = "") => $$"""
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardPeer
        metadata: {name: {{name}}}
        # a comment
        spec: {publicKey: {{Convert.ToBase64String(Enumerable.Repeat((byte)9, 32).ToArray())}}{{(spec.Length == 0 ? "" : ", " + spec)}}}

        """;

    internal static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.Create().Parse(args).InvokeAsync(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }
}
