using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Hosting;

/// <summary><c>uninstall [--kubeconfig FILE] [--timeout TIME]</c>: what comes before the operator and its agents are deleted.</summary>
internal static class UninstallCommand
{
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(2), LongestLimit = TimeSpan.FromHours(1);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var kubeconfig = new Option<FileInfo>("--kubeconfig")
        {
            Description = "File that says where the API server is and who asks, if this is no pod.",
            HelpName = "FILE",
        };
        kubeconfig.AcceptExistingOnly();
        var limit = new Option<TimeSpan?>("--timeout")
        {
            Description = "How long nodes are waited for, such as 90s; 2m if left out.",
            HelpName = "TIME",
            CustomParser = ParseTime,
        };
        var command = new Command(
            "uninstall",
            "Takes the mesh off every node, by spec.released of WireGuardMesh default, and waits for the nodes. Run it before operator and agents are deleted.")
        {
            kubeconfig,
            limit,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            parsed.GetValue(kubeconfig)?.FullName, parsed.GetValue(limit) ?? DefaultLimit, parsed.InvocationConfiguration, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string? kubeconfig, TimeSpan limit, InvocationConfiguration console, CancellationToken cancellationToken)
    {
        // whoever ends it ends the waiting: what was asked is to be taken back
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        try
        {
            using var client = new KubernetesClient(KubernetesServices.Configuration(kubeconfig));
            return await new Uninstall(client, limit, TimeProvider.System, console.Output).RunAsync(ended.Token) ? 0 : 1;
        }
        catch (KubeConfigException e)
        {
            await console.Error.WriteLineAsync($"wgmesh-operator: {e.Message}");
            return 1;
        }
        catch (OperationCanceledException)
        {
            return 1;
        }

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            ended.Cancel();
        }
    }

    private static TimeSpan? ParseTime(ArgumentResult argument)
    {
        var text = argument.Tokens[0].Value;
        var unit = text.Length == 0 ? default : text[^1] switch
        {
            's' => TimeSpan.FromSeconds(1),
            'm' => TimeSpan.FromMinutes(1),
            'h' => TimeSpan.FromHours(1),
            _ => TimeSpan.Zero,
        };
        if (unit > TimeSpan.Zero && int.TryParse(text.AsSpan(..^1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number > 0 && unit * number <= LongestLimit)
            return unit * number;

        argument.AddError($"\"{text}\" is not a time from 1s to 1h, such as 90s or 2m.");
        return null;
    }
}
