using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace WgMesh.Bench;

/// <summary>A measurement that makes namespaces and tunnels on this machine. Whatever ends it takes down what was made.</summary>
internal static class SystemRun
{
    /// <summary>Measures as root, at the root of the repository. Ctrl-C, TERM and a terminal that is closed cancel the token.</summary>
    /// <param name="packages">What it needs of Debian, as <c>e2e/packages.sh</c> takes it.</param>
    /// <param name="measure">Its result is the exit code.</param>
    /// <returns>The exit code; what went wrong is on standard error.</returns>
    public static async Task<int> RunAsync(string[] packages, Func<CancellationToken, Task<int>> measure)
    {
        const string Packages = "e2e/packages.sh";
        if (!Environment.IsPrivilegedProcess || !File.Exists(Packages))
        {
            Console.Error.WriteLine("network namespaces and tunnels take root, and what is needed is fetched and built by scripts in e2e: run this as root, at the root of the repository");
            return 1;
        }

        using var stop = new CancellationTokenSource();
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            Programs.Script(Packages, packages);
            stop.Token.ThrowIfCancellationRequested();
            return await measure(stop.Token);
        }
        catch (Exception e) when (stop.IsCancellationRequested)
        {
            Console.Error.WriteLine(e is OperationCanceledException ? "interrupted" : $"interrupted: {e.Message}");
            return 130;
        }
        catch (Exception e) when (e is InvalidOperationException or IOException or TimeoutException or JsonException or SocketException or Win32Exception or PlatformNotSupportedException)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }
}
