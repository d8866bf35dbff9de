using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Scale;

/// <summary>A replica of the real operator, as its own process.</summary>
internal sealed class OperatorProcess
{
    private readonly ServerProcesses _processes;
    private readonly int _id;

    public OperatorProcess(ServerProcesses processes, string program, string name, string kubeconfig, string tokenFile)
    {
        (_processes, Name, Port, MetricsPort) = (processes, name, FreePorts.Next(), FreePorts.Next());
        processes.Start(name, program,
        [
            "--kubernetes", "--kubeconfig", kubeconfig, "--namespace", "wgmesh", "--identity", name,
            "--listen", $"127.0.0.1:{Port}", "--advertise-address", $"127.0.0.1:{Port}", "--metrics-listen", $"127.0.0.1:{MetricsPort}",
            "--replica-token-file", tokenFile,
        ]);
        _id = processes.Id(name);
    }

    public string Name { get; }

    public int Port { get; }

    public int MetricsPort { get; }

    public Uri Address => new($"https://127.0.0.1:{Port}");

    public bool IsRunning { get; private set; } = true;

    /// <summary>Resident memory now and at most, MiB.</summary>
    public (double Now, double Peak) Memory()
    {
        var status = File.ReadAllLines($"/proc/{_id}/status");
        return (Field("VmRSS:"), Field("VmHWM:"));

        double Field(string name) => double.Parse(
            status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>CPU time so far.</summary>
    public TimeSpan Cpu()
    {
        // behind the program's name in brackets; fields 14 and 15, in hundredths of a second (proc(5))
        var stat = File.ReadAllText($"/proc/{_id}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    public async Task KillAsync()
    {
        IsRunning = false;
        await _processes.KillAsync(Name);
    }
}
