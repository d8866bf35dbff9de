using System.Diagnostics;
using System.Globalization;

namespace WgMesh.Idle;

/// <summary>What a process has used until a moment (proc(5)).</summary>
/// <param name="At">The moment, since some origin.</param>
/// <param name="Cpu">Processor time of all threads.</param>
/// <param name="Wakes">How often threads waited for something and went on.</param>
/// <param name="Memory">Resident, KiB.</param>
/// <param name="MostMemory">Resident at most until now, KiB.</param>
/// <param name="Threads">Processor time by thread name.</param>
internal sealed record Usage(TimeSpan At, TimeSpan Cpu, long Wakes, long Memory, long MostMemory, IReadOnlyDictionary<string, TimeSpan> Threads)
{
    public static Usage Of(int process)
    {
        var folder = $"/proc/{process}";
        var status = File.ReadAllLines($"{folder}/status");
        var wakes = 0L;
        var threads = new Dictionary<string, TimeSpan>();
        foreach (var task in Directory.GetDirectories($"{folder}/task"))
        {
            try
            {
                var name = File.ReadAllText($"{task}/comm").Trim();
                // nanoseconds on a processor come first
                var took = long.Parse(File.ReadAllText($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
                threads[name] = threads.GetValueOrDefault(name) + TimeSpan.FromMicroseconds(took / 1000);
                wakes += Field(File.ReadAllLines($"{task}/status"), "voluntary_ctxt_switches:");
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
            {
                // that thread has ended
            }
        }

        return new Usage(Stopwatch.GetElapsedTime(0), CpuOf(folder), wakes, Field(status, "VmRSS:"), Field(status, "VmHWM:"), threads);
    }

    private static TimeSpan CpuOf(string folder)
    {
        // behind the program's name in brackets; fields 14 and 15, in hundredths of a second
        var stat = File.ReadAllText($"{folder}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    private static long Field(string[] lines, string name) => long.Parse(
        lines.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
