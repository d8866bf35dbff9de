using System.Diagnostics;

namespace WgMesh.Tests.Shared;

/// <summary>The real kubectl, as the administrator of a server.</summary>
internal static class Kubectl
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Runs <c>kubectl</c> with a text as its input.</summary>
    public static async Task<(int Code, string Output, string Error)> RunAsync(KubernetesServer server, string? input, params string[] arguments)
    {
        var program = Environment.GetEnvironmentVariable("WGMESH_KUBECTL");
        if (!File.Exists(program))
        {
            throw new InvalidOperationException(
                $"there is no kubectl where WGMESH_KUBECTL says ({program ?? "it is not set"}). Run the tests by ./test.sh, which fetches one and sets the "
                + "variable, or set it to the path of a kubectl.");
        }

        // nothing is remembered of a server whose resources come and go
        var cache = Path.Combine(server.Folder, $"kubectl-{Guid.NewGuid():N}");
        var start = new ProcessStartInfo(program, ["--kubeconfig", server.KubeconfigPath, "--cache-dir", cache, "--request-timeout", "60s", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"kubectl {string.Join(' ', arguments)} did not end within {Limit.TotalSeconds:0} seconds");
        }
    }

    /// <summary>Runs <c>kubectl</c>, which is to succeed. What it printed.</summary>
    public static async Task<string> SucceedAsync(KubernetesServer server, string? input, params string[] arguments)
    {
        var (code, output, error) = await RunAsync(server, input, arguments);
        return code == 0 ? output : throw new InvalidOperationException($"kubectl {string.Join(' ', arguments)} ended with {code}: {error}");
    }
}
