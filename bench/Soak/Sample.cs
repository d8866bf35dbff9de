using System.Globalization;

namespace WgMesh.Soak;

/// <summary>The memory of this process at one moment, and what the tunnel had carried by then.</summary>
/// <param name="At">Since the load began.</param>
/// <param name="Resident">Bytes of memory in use, as the kernel counts them.</param>
/// <param name="Heap">Bytes of the managed heap that are in use.</param>
/// <param name="Allocated">Bytes that were allocated on the managed heap, ever.</param>
/// <param name="Collections">Garbage collections, of any generation.</param>
/// <param name="Packets">Inner packets that arrived at either end.</param>
/// <param name="Bytes">Of UDP payload that arrived at either end.</param>
internal sealed record Sample(TimeSpan At, long Resident, long Heap, long Allocated, int Collections, ulong Packets, ulong Bytes)
{
    public const string Header = "| s | Gb/s | packets | resident | managed heap | allocated | per 1,000 packets | collections |\n|---|---|---|---|---|---|---|---|";

    private const double Kibibyte = 1024, Mebibyte = 1024 * Kibibyte;

    public static Sample Take(TimeSpan at, LoadedTunnel tunnel)
    {
        var (packets, bytes) = tunnel.Carried();
        return new Sample(at, Environment.WorkingSet, GC.GetTotalMemory(forceFullCollection: false), GC.GetTotalAllocatedBytes(), GC.CollectionCount(0), packets, bytes);
    }

    /// <summary>A row of the table; rates are since the sample before.</summary>
    public string Row(Sample? before)
    {
        before ??= new Sample(TimeSpan.Zero, 0, 0, 0, 0, 0, 0);
        var packets = Packets - before.Packets;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {At.TotalSeconds:0} | {(Bytes - before.Bytes) * 8 / (At - before.At).TotalSeconds / 1e9:0.00} | {packets:N0} | {Resident / Mebibyte:0.0} MiB "
            + $"| {Heap / Mebibyte:0.00} MiB | {Allocated / Mebibyte:0.00} MiB | {(Allocated - before.Allocated) * 1000.0 / Math.Max(1, packets):0} B | {Collections} |");
    }

    /// <summary>First and last, and the slope of the line that fits best (least squares).</summary>
    public static string Trend(IReadOnlyList<Sample> samples)
    {
        var (first, last) = (samples[0], samples[^1]);
        return $"resident     {Of(s => s.Resident)}\nmanaged heap {Of(s => s.Heap)}\n" + string.Create(
            CultureInfo.InvariantCulture,
            $"allocated    {(last.Allocated - first.Allocated) / Kibibyte:N0} KiB for {last.Packets - first.Packets:N0} packets, "
            + $"{(last.Allocated - first.Allocated) / (double)(last.Packets - first.Packets):0.0000} bytes each; {last.Collections - first.Collections} collections");

        string Of(Func<Sample, long> value)
        {
            var (meanAt, mean) = (samples.Average(s => s.At.TotalMinutes), samples.Average(value));
            var slope = samples.Sum(s => (s.At.TotalMinutes - meanAt) * (value(s) - mean)) / samples.Sum(s => Math.Pow(s.At.TotalMinutes - meanAt, 2));
            return string.Create(
                CultureInfo.InvariantCulture,
                $"first {value(first) / Mebibyte:0.0} MiB, last {value(last) / Mebibyte:0.0} MiB, most {samples.Max(value) / Mebibyte:0.0} MiB, {slope / Kibibyte:+0.0;-0.0;0} KiB a minute");
        }
    }
}
