using System.Diagnostics;
using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Tunnel;

/// <summary>An engine at work in a namespace, with one interface.</summary>
internal sealed class EngineProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly Task<string> _output, _error;
    private readonly string _socket;

    /// <summary>Starts it, and waits until its interface can be configured.</summary>
    /// <exception cref="InvalidOperationException">It ended, or made no interface; with what it printed.</exception>
    public EngineProcess(TunnelEngine engine, NetNamespace space, string name, CancellationToken stop)
    {
        _socket = $"/var/run/wireguard/{name}.sock";
        _process = space.Start(engine.Program!, [.. engine.Arguments, name]);
        _output = _process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        _error = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            var start = Stopwatch.GetTimestamp();
            while (!File.Exists(_socket))
            {
                if (HasEnded || Stopwatch.GetElapsedTime(start) > Patience)
                {
                    Kill();
                    throw new InvalidOperationException($"{engine.Name} made no interface: {_output.Result}{_error.Result}");
                }

                stop.WaitHandle.WaitOne(20);
                stop.ThrowIfCancellationRequested();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Which it does of itself only when something is wrong.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>CPU time so far, of user and kernel.</summary>
    public TimeSpan Cpu()
    {
        // behind the program's name in brackets; fields 14 and 15, in hundredths of a second (proc(5))
        var stat = File.ReadAllText($"/proc/{_process.Id}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    /// <summary>Resident memory now and at most, in MB (10⁶ bytes).</summary>
    public (double Now, double Peak) Memory()
    {
        var status = File.ReadAllLines($"/proc/{_process.Id}/status");
        return (Field("VmRSS:"), Field("VmHWM:"));

        double Field(string name) => double.Parse(
            status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture) * 1024 / 1e6;
    }

    public void Dispose()
    {
        // told first, so that it takes its socket along; it may be ending already, having heard the terminal's Ctrl-C too
        if (!HasEnded)
            NetNamespace.Command("sh", "-c", $"kill -TERM {_process.Id} 2>/dev/null || true");
        if (!_process.WaitForExit(Patience))
            Kill();
        _process.Dispose();
        File.Delete(_socket); // of one that was killed
    }

    private void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }
}
