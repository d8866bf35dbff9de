using System.Diagnostics;
using System.Globalization;

namespace WgMesh.Scale;

/// <summary>A replica of the real operator, as its own process.</summary>
internal sealed class OperatorProcess : IDisposable
{
    private readonly Process _process;

    public OperatorProcess(string program, string name, int port, int metricsPort, string kubeconfig, string tokenFile, string log)
    {
        (Name, Port, MetricsPort) = (name, port, metricsPort);
        var start = new ProcessStartInfo("setpriv")
        {
            ArgumentList =
            {
                "--pdeathsig", "KILL", "bash", "-c", "exec \"$@\" >>\"$0\" 2>&1", log,
                program, "--kubernetes", "--kubeconfig", kubeconfig, "--namespace", "wgmesh", "--identity", name,
                "--listen", $"127.0.0.1:{port}", "--advertise-address", $"127.0.0.1:{port}", "--metrics-listen", $"127.0.0.1:{metricsPort}",
                "--replica-token-file", tokenFile,
            },
        };
        _process = Process.Start(start) ?? throw new InvalidOperationException("the operator did not start");
    }

    public string Name { get; }

    public int Port { get; }

    public int MetricsPort { get; }

    public Uri Address => new($"https://127.0.0.1:{Port}");

    public bool IsRunning => !_process.HasExited;

    /// <summary>Resident memory now and at most, MiB.</summary>
    public (double Now, double Peak) Memory()
    {
        var status = File.ReadAllLines($"/proc/{_process.Id}/status");
        return (Field("VmRSS:"), Field("VmHWM:"));

        double Field(string name) => double.Parse(
            status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>CPU time so far.</summary>
    public TimeSpan Cpu()
    {
        _process.Refresh();
        return _process.TotalProcessorTime;
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }
}
