using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Commands;

/// <summary>The real program in a namespace; ended at the end, if it is still there.</summary>
internal sealed class RunningProgram : IDisposable
{
    internal static readonly string Path = System.IO.Path.Combine(AppContext.BaseDirectory, "wgmesh-agent");

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = [];

    internal RunningProgram(NetNamespace ns, params string[] arguments)
        : this(ns.Start(Path, arguments))
    {
    }

    internal RunningProgram(Process process)
    {
        _process = process;
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Standard output and standard error.</summary>
    internal string Output => string.Join('\n', _output);

    internal bool HasExited => _process.HasExited;

    internal static void Terminate(int pid) => NetNamespace.Command("kill", "-TERM", pid.ToString(CultureInfo.InvariantCulture));

    internal async Task<int> ExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    internal Task<int> TerminateAsync()
    {
        Terminate(_process.Id);
        return ExitAsync();
    }

    internal void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        // told first, so that it takes its socket along
        if (!_process.HasExited)
        {
            Terminate(_process.Id);
            if (!_process.WaitForExit(TimeSpan.FromSeconds(60)))
            {
                Kill();
            }
        }

        _process.Dispose();
    }
}
