using System.Globalization;
using WgMesh.Bench;
using WgMesh.Idle;

// usage: e2e/publish.sh && dotnet run -c Release --project bench/Idle -- [--peers N] [--seconds S]
const double Mebibyte = 1 << 20;
const int SettleSeconds = 20; // code is compiled for good, and the first calls are over
var (peers, seconds) = (1000, 60);
for (var i = 0; i < args.Length; i += 2)
{
    ref var option = ref args[i] == "--peers" ? ref peers : ref seconds;
    if (args[i] is not ("--peers" or "--seconds") || i + 1 == args.Length || !int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out option) || option is < 1 or > 65_000)
    {
        Console.Error.WriteLine("usage: [--peers N (1 to 65000)] [--seconds S]");
        return 2;
    }
}

return await SystemRun.RunAsync(["wireguard-tools:wg", "iproute2:ip", "util-linux:nsenter"], MeasureAllAsync);

async Task<int> MeasureAllAsync(CancellationToken stop)
{
    var program = Path.GetFullPath("artifacts/bin/wgmesh-agent");
    if (!File.Exists(program))
    {
        Console.Error.WriteLine($"{program} is not there: e2e/publish.sh makes it");
        return 1;
    }

    Console.WriteLine("| peers | of a core | wake-ups a second | memory now | at most | busiest threads |");
    Console.WriteLine("|---|---|---|---|---|---|");
    await MeasureAsync(program, "none", 0, 0, stop);
    await MeasureAsync(program, $"{peers:N0}", peers, 0, stop);
    await MeasureAsync(program, $"{peers:N0}, called every 25 s, dead", peers, 25, stop);
    return 0;
}

async Task MeasureAsync(string program, string what, int count, int keepalive, CancellationToken stop)
{
    using var device = new IdleDevice(program, stop);
    device.Configure(count, keepalive);
    await Task.Delay(TimeSpan.FromSeconds(SettleSeconds), stop);
    var before = device.Read();
    await Task.Delay(TimeSpan.FromSeconds(seconds), stop);
    var after = device.Read();
    var share = (after.Cpu - before.Cpu).TotalSeconds / (after.At - before.At).TotalSeconds;
    var wakes = (after.Wakes - before.Wakes) / (after.At - before.At).TotalSeconds;
    var busiest = after.Threads.Select(thread => (thread.Key, Took: thread.Value - before.Threads.GetValueOrDefault(thread.Key)))
        .Where(thread => thread.Took > TimeSpan.Zero).OrderByDescending(thread => thread.Took).Take(3)
        .Select(thread => string.Create(CultureInfo.InvariantCulture, $"{thread.Key} {thread.Took.TotalMilliseconds:0} ms"));
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"| {what} | {share:0.00 %} | {wakes:0.0} | {after.Memory / Mebibyte:0} MiB | {after.MostMemory / Mebibyte:0} MiB | {string.Join(", ", busiest)} |"));
}
