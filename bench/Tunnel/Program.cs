using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using WgMesh.Tunnel;

// usage: dotnet run -c Release --project bench/Tunnel -- [--rounds N] [--seconds S] [--engines NAMES] [--only NAMES]
if (Options.Parse(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}

if (!Environment.IsPrivilegedProcess || !File.Exists("e2e/publish.sh"))
{
    Console.Error.WriteLine("network namespaces and tunnels take root, and the programs are built by e2e/publish.sh: run this as root, at the root of the repository");
    return 1;
}

// whatever ends it takes down what was made
using var stop = new CancellationTokenSource();
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
try
{
    await MeasureAsync();
    return 0;
}
catch (Exception e) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine(e is OperationCanceledException ? "interrupted" : $"interrupted: {e.Message}");
    return 130;
}
catch (Exception e) when (e is InvalidOperationException or IOException or TimeoutException or JsonException or SocketException or Win32Exception)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

async Task MeasureAsync()
{
    TunnelEngine.Script("e2e/packages.sh", "iperf3:iperf3", "wireguard-tools:wg", "iproute2:ip", "util-linux:nsenter");
    var load = Machine.Load();
    TunnelEngine[] engines = [.. options.Engines.Select(TunnelEngine.Prepare)];
    var figures = new Figures();
    for (var round = 0; round < options.Rounds; round++)
    {
        figures.BeginRound();
        foreach (var engine in InTurns(engines, round))
        {
            stop.Token.ThrowIfCancellationRequested();
            var turn = await Turn.TakeAsync(engine, options, stop.Token);
            figures.Add(engine.Name, turn);
            Console.Error.WriteLine($"round {round + 1}, {engine.Name}: {string.Join("; ", turn.Select(figure => $"{figure.Key.Name} {Figures.Text(figure.Value)}"))}");
        }
    }

    string[] versions = [.. engines.Select(engine => engine.Version).Where(version => version != ""), TunnelEngine.Output("iperf3", "--version").Split(" (")[0]];
    Console.WriteLine($"On {Machine.Describe()}; load before {load}. {string.Join("; ", versions)}.");
    Console.WriteLine($"Rounds: {options.Rounds}; seconds of each transfer: {options.Seconds}. `{string.Join(' ', ["dotnet run -c Release --project bench/Tunnel --", .. args])}`");
    Console.WriteLine();
    Console.Write(figures.Table(options.Engines));
}

// every order once before one comes again, if there are three
static IEnumerable<TunnelEngine> InTurns(TunnelEngine[] engines, int round)
{
    var first = round % engines.Length;
    TunnelEngine[] turned = [.. engines[first..], .. engines[..first]];
    return round / engines.Length % 2 == 0 ? turned : turned.Reverse();
}

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
