using System.Diagnostics;

namespace WgMesh.Tunnel;

/// <summary>What makes a tunnel's end: a program that is run with an interface's name and configured by <c>wg</c>.</summary>
/// <param name="Name">As the table has it.</param>
/// <param name="Program">Path; null for no tunnel at all, which shows what the wire itself carries.</param>
/// <param name="Arguments">Before the interface's name.</param>
/// <param name="Version">With the name, as the program tells it; empty if there is no program.</param>
internal sealed record TunnelEngine(string Name, string? Program, string[] Arguments, string Version)
{
    public const string WgMesh = "wgmesh", WireGuardGo = "wireguard-go", Wire = "veth";

    public static IReadOnlyList<string> Names { get; } = [WgMesh, WireGuardGo, Wire];

    /// <summary>Builds or fetches what the name stands for.</summary>
    /// <exception cref="InvalidOperationException">It could not be had.</exception>
    public static TunnelEngine Prepare(string name)
    {
        switch (name)
        {
            case WgMesh:
                Script("e2e/publish.sh");
                var agent = Path.GetFullPath("artifacts/bin/wgmesh-agent");
                return new TunnelEngine(name, agent, ["device", "--foreground"], $"{name} {Output(agent, "--version")}");
            case WireGuardGo:
                var program = Output("e2e/wireguard-go.sh");
                return new TunnelEngine(name, program, ["--foreground"], Output(program, "--version").Split('\n')[0]);
            default:
                return new TunnelEngine(name, null, [], "");
        }
    }

    /// <summary>Runs a script of the project that prints for people, on standard error.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static void Script(string path, params string[] arguments) => Run("sh", ["-c", "exec \"$@\" >&2", "-", path, .. arguments], read: false);

    /// <summary>What a program prints, without the last end of line.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static string Output(string program, params string[] arguments) => Run(program, arguments, read: true);

    private static string Run(string program, string[] arguments, bool read)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = read };
        // a build server that stays behind would have our output open, and the caller's locks
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        var output = read ? process.StandardOutput.ReadToEnd() : "";
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.TrimEnd()
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} exited with {process.ExitCode}");
    }
}
