using System.Diagnostics;
using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Idle;

/// <summary>What a process has used until a moment (proc(5)).</summary>
/// <param name="At">The moment, since some origin.</param>
/// <param name="Cpu">Processor time of all threads.</param>
/// <param name="Wakes">How often threads waited for something and went on.</param>
/// <param name="Memory">Resident, bytes.</param>
/// <param name="MostMemory">Resident at most until now, bytes.</param>
/// <param name="Threads">Processor time by thread name.</param>
internal sealed record Usage(TimeSpan At, TimeSpan Cpu, long Wakes, long Memory, long MostMemory, IReadOnlyDictionary<string, TimeSpan> Threads)
{
    public static Usage Of(int process)
    {
        var wakes = 0L;
        var threads = new Dictionary<string, TimeSpan>();
        foreach (var task in Directory.GetDirectories($"/proc/{process}/task"))
        {
            try
            {
                var name = File.ReadAllText($"{task}/comm").Trim();
                // nanoseconds on a processor come first
                var took = long.Parse(File.ReadAllText($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
                threads[name] = threads.GetValueOrDefault(name) + TimeSpan.FromMicroseconds(took / 1000);
                wakes += ProcessStatus.Field(File.ReadAllLines($"{task}/status"), "voluntary_ctxt_switches");
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
            {
                // that thread has ended
            }
        }

        var (memory, most) = ProcessStatus.Memory(process);
        return new Usage(Stopwatch.GetElapsedTime(0), ProcessStatus.Cpu(process), wakes, memory, most, threads);
    }
}
