namespace WgMesh.Tunnel;

/// <summary>A row of the table.</summary>
/// <param name="Name">What is measured, with its unit.</param>
/// <param name="Target">What the ratio of WgMesh to wireguard-go, or WgMesh's figure, has to come to; null if nothing is asked.</param>
/// <param name="IsLess">Less is better: the target is the most, and not the least.</param>
/// <param name="IsRatio">Whether a ratio says something of it; what may be none at all has none.</param>
internal sealed record Measure(string Name, double? Target = null, bool IsLess = false, bool IsRatio = true)
{
    public static readonly Measure
        Tcp1 = new("TCP, 1 stream, Gb/s", 2.2),
        Tcp1Again = new("TCP, 1 stream, retransmissions", IsRatio: false),
        Tcp8 = new("TCP, 8 streams, Gb/s", 2.2),
        Tcp8Again = new("TCP, 8 streams, retransmissions", IsRatio: false),
        Reverse = new("TCP, reverse, Gb/s", 2.2),
        ReverseAgain = new("TCP, reverse, retransmissions", IsRatio: false),
        CpuPerGigabit = new("CPU seconds of both ends per gigabit of TCP", 0.4, IsLess: true),
        Udp1372 = new("UDP flood of 1,372 bytes, Gb/s received", 4),
        Udp1372Lost = new("UDP flood of 1,372 bytes, lost, %", IsRatio: false),
        Udp64 = new("UDP flood of 64 bytes, Gb/s received", 3),
        Udp64Lost = new("UDP flood of 64 bytes, lost, %", IsRatio: false),
        Ping50 = new("UDP request and answer, p50, µs", 1, IsLess: true),
        Ping99 = new("UDP request and answer, p99, µs", IsLess: true),
        Load50 = new("the same beside a TCP stream, p50, µs", IsLess: true),
        Load99 = new("the same beside a TCP stream, p99, µs", 1, IsLess: true),
        MemoryIdle = new("memory of one end, idle, MB", IsLess: true),
        MemoryPeak = new("memory of one end, peak, MB", 80, IsLess: true, IsRatio: false);

    /// <summary>In the table's order.</summary>
    public static IReadOnlyList<Measure> All { get; } =
    [
        Tcp1, Tcp1Again, Tcp8, Tcp8Again, Reverse, ReverseAgain, CpuPerGigabit, Udp1372, Udp1372Lost, Udp64, Udp64Lost,
        Ping50, Ping99, Load50, Load99, MemoryIdle, MemoryPeak,
    ];

    public bool IsMet(double value) => IsLess ? value <= Target : value >= Target;
}
