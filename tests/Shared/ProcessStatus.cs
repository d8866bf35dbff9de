using System.Globalization;

namespace WgMesh.Tests.Shared;

/// <summary>What the kernel tells of a process (proc(5)).</summary>
internal static class ProcessStatus
{
    /// <summary>CPU time so far, of user and kernel.</summary>
    public static TimeSpan Cpu(int process)
    {
        // behind the program's name in brackets; fields 14 and 15, in hundredths of a second
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    /// <summary>Resident memory in bytes, now and at most until now.</summary>
    public static (long Now, long Peak) Memory(int process)
    {
        var status = File.ReadAllLines($"/proc/{process}/status");
        return (1024 * Field(status, "VmRSS"), 1024 * Field(status, "VmHWM"));
    }

    /// <summary>A number of a status file, of a process or of a thread (<c>/proc/PID/task/TID/status</c>). Memory is in KiB there.</summary>
    /// <param name="status">The file's lines.</param>
    /// <param name="name">Without its colon.</param>
    public static long Field(IEnumerable<string> status, string name) => long.Parse(
        status.First(line => line.StartsWith($"{name}:", StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
