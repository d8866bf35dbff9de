using WgMesh.Bench;
using WgMesh.Tunnel;

// usage: dotnet run -c Release --project bench/Tunnel -- [--rounds N] [--seconds S] [--engines NAMES] [--only NAMES]
if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

return await SystemRun.RunAsync(["iperf3:iperf3", "wireguard-tools:wg", "iproute2:ip", "util-linux:nsenter"], MeasureAsync);

async Task<int> MeasureAsync(CancellationToken stop)
{
    TunnelEngine[] engines = [.. options.Engines.Select(TunnelEngine.Prepare)];
    var load = Machine.Load(); // with what may have been built just now
    var figures = new Figures();
    for (var round = 0; round < options.Rounds; round++)
    {
        figures.BeginRound();
        foreach (var engine in InTurns(engines, round))
        {
            stop.ThrowIfCancellationRequested();
            var turn = await Turn.TakeAsync(engine, options, stop);
            figures.Add(engine.Name, turn);
            Console.Error.WriteLine($"round {round + 1}, {engine.Name}: {string.Join("; ", turn.Select(figure => $"{figure.Key.Name} {Figures.Text(figure.Value)}"))}");
        }
    }

    string[] versions = [.. engines.Select(engine => engine.Version).Where(version => version != ""), Programs.Output("iperf3", "--version").Split(" (")[0]];
    Console.WriteLine($"On {Machine.Describe()}; load before {load}. {string.Join("; ", versions)}.");
    Console.WriteLine($"Rounds: {options.Rounds}; seconds of each transfer: {options.Seconds}. `{string.Join(' ', ["dotnet run -c Release --project bench/Tunnel --", .. args])}`");
    Console.WriteLine();
    Console.Write(figures.Table(options.Engines));
    return 0;
}

// every order once before one comes again, if there are three
static IEnumerable<TunnelEngine> InTurns(TunnelEngine[] engines, int round)
{
    var first = round % engines.Length;
    TunnelEngine[] turned = [.. engines[first..], .. engines[..first]];
    return round / engines.Length % 2 == 0 ? turned : turned.Reverse();
}
