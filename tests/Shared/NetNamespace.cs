using System.Diagnostics;
using System.Runtime.ExceptionServices;
using WgMesh.Engine.Linux;

namespace WgMesh.Tests.Shared;

/// <summary>
/// A network namespace of a test's own, with its loopback up, removed by <see cref="Dispose"/> with everything in it. Sockets belong to the
/// namespace their thread is in, so <see cref="Run{T}"/> runs an action on a thread in there; what it opened may then be used from anywhere.
/// </summary>
public sealed class NetNamespace : IDisposable
{
    private static int _count;

    public NetNamespace()
    {
        Name = $"wgt-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";
        Command("ip", "netns", "add", Name);
        try
        {
            Ip("link set lo up");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name { get; }

    /// <summary>As <c>NetworkNamespace.Enter</c> takes it.</summary>
    public string Path => $"/run/netns/{Name}";

    /// <summary>Joins two namespaces by a pair of veth interfaces of one name, both up.</summary>
    public static void Connect(NetNamespace left, NetNamespace right, string name = "eth0")
    {
        left.Ip($"link add {name} type veth peer name {name} netns {right.Name}");
        left.Ip($"link set {name} up");
        right.Ip($"link set {name} up");
    }

    /// <summary>Runs an action on a thread of its own in the namespace; its exception is thrown here.</summary>
    public T Run<T>(Func<T> action)
    {
        var result = default(T);
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                NetworkNamespace.Enter(Path);
                result = action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result!;
    }

    /// <inheritdoc cref="Run{T}"/>
    public void Run(Action action) => Run(() =>
    {
        action();
        return true;
    });

    /// <summary><c>ip -n NAME …</c>; the arguments are split at spaces. Its output; a failure is an exception with its error text.</summary>
    public string Ip(string arguments) => Command("ip", ["-n", Name, .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

    /// <summary>Runs a program in the namespace to its end. Its output; a failure is an exception with its error text.</summary>
    public string Exec(string program, params string[] arguments) => Command("ip", ["netns", "exec", Name, program, .. arguments]);

    /// <summary>Starts a program in the namespace; whoever starts it ends it. Its standard input is open, and ends with this process.</summary>
    public Process Start(string program, params string[] arguments)
    {
        var start = Information("nsenter", [$"--net={Path}", program, .. arguments]);
        start.RedirectStandardInput = true;
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
    }

    public void Dispose() => Command("ip", "netns", "del", Name);

    /// <summary>Runs a program here to its end. Its output; a failure is an exception with its error text.</summary>
    public static string Command(string program, params string[] arguments)
    {
        using var process = Process.Start(Information(program, arguments)) ?? throw new InvalidOperationException($"{program} did not start");
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromSeconds(60)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within 60 seconds");
        }

        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} exited with {process.ExitCode}: {error.Result}{output}");
    }

    private static ProcessStartInfo Information(string program, string[] arguments) =>
        new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
}
