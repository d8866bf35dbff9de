using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace WgMesh.Tests.Shared;

/// <summary>
/// Programs that a test started, each with a log in the folder. They end when this is disposed of, and also when the test's process is killed:
/// then a shell that waits for the end of its input, which is that of the process, ends them and removes the folder.
/// </summary>
internal sealed class ServerProcesses : IDisposable
{
    // the last line says who is to be ended; an empty one: nobody, and the folder is not touched
    private const string Watch = """while read -r line; do pids=$line; done; [ -z "$pids" ] || { kill -KILL $pids; rm -rf "$0"; }""";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly Process _watcher;
    private readonly Dictionary<string, Process> _processes = [];

    public ServerProcesses(string folder)
    {
        _folder = folder;
        _watcher = Process.Start(new ProcessStartInfo("sh", ["-c", Watch, folder]) { RedirectStandardInput = true, RedirectStandardError = true })!;
    }

    public void Start(string name, string program, string[] arguments)
    {
        // by a shell, for a log that needs nobody to read it
        var start = new ProcessStartInfo("sh", ["-c", """log=$1; shift; exec "$@" >"$log" 2>&1 </dev/null""", "sh", LogPath(name), program, .. arguments]);
        _processes[name] = Process.Start(start)!;
        TellWatcher();
    }

    public int Id(string name) => _processes[name].Id;

    public bool IsRunning(string name) => !_processes[name].HasExited;

    /// <summary>The end of what a program said.</summary>
    public string Log(string name)
    {
        using var stream = new FileStream(LogPath(name), FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(-Math.Min(stream.Length, 4000), SeekOrigin.End);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>Kills a program, if it runs, and waits until it is gone.</summary>
    public async Task KillAsync(string name)
    {
        if (!_processes.Remove(name, out var process))
            return;
        process.Kill();
        using var limit = new CancellationTokenSource(Limit);
        await process.WaitForExitAsync(limit.Token);
        process.Dispose();
        TellWatcher();
    }

    public void Dispose()
    {
        foreach (var process in _processes.Values)
        {
            process.Kill();
            process.WaitForExit(Limit);
            process.Dispose();
        }

        _processes.Clear();
        TellWatcher();
        _watcher.StandardInput.Close();
        _watcher.WaitForExit(Limit);
        _watcher.Dispose();
    }

    private string LogPath(string name) => Path.Combine(_folder, name + ".log");

    private void TellWatcher()
    {
        _watcher.StandardInput.WriteLine(string.Join(' ', _processes.Values.Select(process => process.Id)));
        _watcher.StandardInput.Flush();
    }
}

/// <summary>Ports below those that the system gives to connections, so that a server which was stopped finds its own again.</summary>
internal static class FreePorts
{
    public static int Next()
    {
        while (true)
        {
            var port = Random.Shared.Next(20000, 32000);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // taken
            }
        }
    }
}
