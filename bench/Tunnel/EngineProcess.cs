using System.Diagnostics;
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

    /// <inheritdoc cref="ProcessStatus.Cpu"/>
    public TimeSpan Cpu() => ProcessStatus.Cpu(_process.Id);

    /// <summary>Resident memory now and at most, in MB (10⁶ bytes).</summary>
    public (double Now, double Peak) Memory()
    {
        var (now, peak) = ProcessStatus.Memory(_process.Id);
        return (now / 1e6, peak / 1e6);
    }

    public void Dispose()
    {
        try
        {
            // told first, so that it takes its socket along; it may be ending already, having heard the terminal's Ctrl-C too
            if (!HasEnded)
                NetNamespace.Command("sh", "-c", $"kill -TERM {_process.Id} 2>/dev/null || true");
            if (!_process.WaitForExit(Patience))
                Kill();
        }
        finally
        {
            _process.Dispose();
            if (File.Exists(_socket))
                File.Delete(_socket); // of one that was killed; an engine that never started leaves not even the folder
        }
    }

    private void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }
}
