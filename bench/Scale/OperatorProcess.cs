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
        var (now, peak) = ProcessStatus.Memory(_id);
        return (now / 1048576.0, peak / 1048576.0);
    }

    /// <inheritdoc cref="ProcessStatus.Cpu"/>
    public TimeSpan Cpu() => ProcessStatus.Cpu(_id);

    public async Task KillAsync()
    {
        IsRunning = false;
        await _processes.KillAsync(Name);
    }
}
