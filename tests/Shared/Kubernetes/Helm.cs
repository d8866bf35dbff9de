using System.Diagnostics;

namespace WgMesh.Tests.Shared;

/// <summary>The real helm, and the chart of this repository.</summary>
internal static class Helm
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>The folder of the chart.</summary>
    public static string Chart => Path.Combine(Root, "deploy/helm/wgmesh");

    /// <summary>The root of the repository, which holds whoever runs this.</summary>
    public static string Root
    {
        get
        {
            var root = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
                root = root.Parent ?? throw new DirectoryNotFoundException($"No WgMesh.sln above {AppContext.BaseDirectory}.");
            return root.FullName;
        }
    }

    /// <summary>Runs <c>helm</c>; with a server, as its administrator.</summary>
    public static async Task<(int Code, string Output, string Error)> RunAsync(KubernetesServer? server, params string[] arguments)
    {
        var kubectl = Environment.GetEnvironmentVariable("WGMESH_KUBECTL");
        var program = kubectl is null ? null : Path.Combine(Path.GetDirectoryName(kubectl)!, "helm");
        if (!File.Exists(program))
        {
            throw new InvalidOperationException(
                $"there is no helm beside the kubectl that WGMESH_KUBECTL names ({kubectl ?? "it is not set"}). Run the tests by ./test.sh, which fetches "
                + "both and sets the variable, or set it to the path of a kubectl that has a helm beside it.");
        }

        // nothing of this machine's, and nothing is left behind
        var home = Directory.CreateTempSubdirectory("wgmesh-helm-");
        try
        {
            var start = new ProcessStartInfo(program, server is null ? arguments : ["--kubeconfig", server.KubeconfigPath, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment =
                {
                    ["HOME"] = home.FullName,
                    ["HELM_CACHE_HOME"] = home.FullName,
                    ["HELM_CONFIG_HOME"] = home.FullName,
                    ["HELM_DATA_HOME"] = home.FullName,
                    ["KUBECONFIG"] = "/dev/null",
                },
            };
            using var process = Process.Start(start)!;
            using var limit = new CancellationTokenSource(Limit);
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(limit.Token);
                var error = process.StandardError.ReadToEndAsync(limit.Token);
                await process.WaitForExitAsync(limit.Token);
                return (process.ExitCode, await output, await error);
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                throw new TimeoutException($"helm {string.Join(' ', arguments)} did not end within {Limit.TotalMinutes:0} minutes");
            }
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }

    /// <summary>Runs <c>helm</c>, which is to succeed. What it printed.</summary>
    public static async Task<string> SucceedAsync(KubernetesServer? server, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(server, arguments);
        return code == 0 ? output : throw new InvalidOperationException($"helm {string.Join(' ', arguments)} ended with {code}: {error}");
    }

    /// <summary>The rights of operator, agents and tools, as the chart gives them.</summary>
    public static Task<string> RightsAsync(string space) =>
        SucceedAsync(null, "template", "wgmesh", Chart, "--namespace", space, "--show-only", "templates/rbac.yaml");
}
