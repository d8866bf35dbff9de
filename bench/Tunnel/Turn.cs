namespace WgMesh.Tunnel;

/// <summary>One engine's turn of a round: new processes, everything measured once.</summary>
internal static class Turn
{
    private const int IdlePings = 5_000;

    // code that is compiled as it runs, buffers that grow: not what a long-lived tunnel is about
    private static readonly TimeSpan TcpWarmUp = TimeSpan.FromSeconds(3), UdpWarmUp = TimeSpan.FromSeconds(0.5);

    /// <summary>What can be measured alone, in the order it happens; CPU goes with the first two, memory with any.</summary>
    public static IReadOnlyList<string> Steps { get; } = ["tcp1", "tcp8", "reverse", "udp1372", "udp64", "ping", "load"];

    /// <exception cref="InvalidOperationException">The engine does not work, or a program that measures it.</exception>
    public static async Task<Dictionary<Measure, double>> TakeAsync(TunnelEngine engine, Options options, CancellationToken stop)
    {
        using var pair = new TunnelPair(engine, stop);
        try
        {
            return await MeasureAsync(pair, engine, options, stop);
        }
        catch (Exception e) when (pair.HasLostEngine && !stop.IsCancellationRequested)
        {
            throw new InvalidOperationException($"{engine.Name} ended while it was measured", e);
        }
    }

    private static async Task<Dictionary<Measure, double>> MeasureAsync(TunnelPair pair, TunnelEngine engine, Options options, CancellationToken stop)
    {
        var figures = new Dictionary<Measure, double>();
        var time = TimeSpan.FromSeconds(options.Seconds);
        if (UdpPing.Run(pair, requests: 1000, TimeSpan.FromSeconds(5), stop).Answered == 0)
            throw new InvalidOperationException($"nothing comes through {engine.Name}");
        if (pair.HasEngine)
            figures[Measure.MemoryIdle] = pair.Memory().Now;
        await Iperf.RunAsync(pair, 1, reverse: false, TcpWarmUp, stop);
        UdpFlood.Run(pair, 1372, UdpWarmUp, stop);

        var (cpu, gigabits) = (TimeSpan.Zero, 0.0);
        if (options.Only.Contains("tcp1"))
            await TransferAsync(Measure.Tcp1, Measure.Tcp1Again, 1);
        if (options.Only.Contains("tcp8"))
            await TransferAsync(Measure.Tcp8, Measure.Tcp8Again, 8);
        if (pair.HasEngine && gigabits > 0)
            figures[Measure.CpuPerGigabit] = cpu.TotalSeconds / gigabits;
        if (options.Only.Contains("reverse"))
        {
            var transfer = await Iperf.RunAsync(pair, 1, reverse: true, time, stop);
            (figures[Measure.Reverse], figures[Measure.ReverseAgain]) = (transfer.Rate, transfer.Retransmissions);
        }

        if (options.Only.Contains("udp1372"))
            Flood(Measure.Udp1372, Measure.Udp1372Lost, 1372);
        if (options.Only.Contains("udp64"))
            Flood(Measure.Udp64, Measure.Udp64Lost, 64);
        if (options.Only.Contains("ping"))
        {
            var ping = UdpPing.Run(pair, IdlePings, time, stop);
            (figures[Measure.Ping50], figures[Measure.Ping99]) = (ping.Median, ping.P99);
        }

        if (options.Only.Contains("load"))
        {
            var load = Iperf.RunAsync(pair, 1, reverse: false, time + TimeSpan.FromSeconds(2), stop);
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(1), stop);
                var ping = UdpPing.Run(pair, int.MaxValue, time, stop);
                (figures[Measure.Load50], figures[Measure.Load99]) = (ping.Median, ping.P99);
            }
            finally
            {
                await load;
            }
        }

        if (pair.HasEngine)
            figures[Measure.MemoryPeak] = pair.Memory().Peak;
        return figures;

        async Task TransferAsync(Measure rate, Measure again, int streams)
        {
            var before = pair.Cpu();
            var transfer = await Iperf.RunAsync(pair, streams, reverse: false, time, stop);
            cpu += pair.Cpu() - before;
            gigabits += transfer.Gigabits;
            (figures[rate], figures[again]) = (transfer.Rate, transfer.Retransmissions);
        }

        void Flood(Measure rate, Measure lost, int payload)
        {
            var flood = UdpFlood.Run(pair, payload, time, stop);
            (figures[rate], figures[lost]) = (flood.Rate, flood.Loss);
        }
    }
}
