using System.Diagnostics;

namespace WgMesh.Bench;

/// <summary>Programs that are run to their end before anything is measured.</summary>
internal static class Programs
{
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
