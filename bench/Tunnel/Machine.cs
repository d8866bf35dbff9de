using System.Globalization;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace WgMesh.Tunnel;

/// <summary>What the figures were measured on.</summary>
internal static class Machine
{
    public static string Describe()
    {
        var model = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] ?? "unknown processor";
        var vectors = Vector512.IsHardwareAccelerated ? " with AVX-512" : Avx2.IsSupported ? " with AVX2" : "";
        var kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} cores of {model}{vectors}, Linux {kernel}, {DateTime.UtcNow:yyyy-MM-dd}");
    }

    /// <summary>Of the last minute. What else is at work shows in it, and so does the measuring itself.</summary>
    public static string Load() => File.ReadAllText("/proc/loadavg").Split(' ')[0];
}
