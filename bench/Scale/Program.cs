using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using WgMesh.Scale;
using WgMesh.Tests.Shared;

// usage: e2e/publish.sh && WGMESH_KUBERNETES=$(e2e/kubernetes.sh) dotnet run -c Release --project bench/Scale -- [--nodes 100,500,1000,2000]
const int Replicas = 2, Peers = 20, Joins = 5;
if (args is not ([] or ["--nodes", _]))
{
    Console.Error.WriteLine("usage: [--nodes N,N,...]");
    return 2;
}

int[] sizes = args is ["--nodes", var list] ? [.. list.Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))] : [100, 500, 1000, 2000];
var program = Path.GetFullPath("artifacts/bin/wgmesh-operator");
if (!File.Exists(program))
{
    Console.Error.WriteLine($"{program} is not there: e2e/publish.sh makes it (run this at the root of the repository)");
    return 1;
}

var results = new List<(int, Figures)>();
foreach (var size in sizes)
{
    Console.Error.WriteLine($"{size} nodes");
    results.Add((size, await MeasureAsync(size)));
}

Console.WriteLine(Figures.Table(results));
return 0;

async Task<Figures> MeasureAsync(int nodes)
{
    var figures = new Figures();
    var folder = Directory.CreateTempSubdirectory("wgmesh-scale-").FullName;
    var server = new KubernetesServer();
    await server.InitializeAsync();
    await using var rig = new Rig(server, program, folder);
    await rig.PrepareAsync();
    var tokens = new List<string>();
    for (var i = 0; i < nodes; i++)
        tokens.Add(await rig.AddNodeAsync(i));
    await rig.StartOperatorsAsync(Replicas);
    var mesh = new SimulatedMesh([.. rig.Operators.Select(replica => replica.Address)], await rig.AuthoritiesAsync()) { Nodes = nodes };
    using var stop = new CancellationTokenSource();
    var running = new List<Task>();

    // all at once, as after a power cut: done when everybody has everybody
    var last = mesh.Watch(SimulatedMesh.NodeName(nodes - 1), nodes - 1);
    var start = Stopwatch.GetTimestamp();
    for (var i = 0; i < nodes - 1; i++)
        running.Add(new SimulatedAgent(mesh, i, tokens[i]).RunAsync(stop.Token));
    await Rig.UntilAsync("all agents to be configured", () => Task.FromResult(mesh.ConfiguredSince(start) == nodes - 1));
    figures.Add("all agents connected at once, each with its configuration", $"{Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
    running.Add(new SimulatedAgent(mesh, nodes - 1, tokens[^1]).RunAsync(stop.Token));
    await last.All;
    await QuietAsync(35); // what changes all the time is written once a minute at most

    // a quiet minute
    var cpu = rig.Operators.Select(replica => replica.Cpu()).ToArray();
    var (counters, bytes) = (await rig.CountersAsync(), mesh.Bytes);
    await Task.Delay(TimeSpan.FromMinutes(1));
    var quiet = (await rig.CountersAsync()).Since(counters);
    figures.Add("writes at the API server in a quiet minute", $"{quiet}");
    figures.Add("watch events at the API server in a quiet minute", $"{quiet.WatchEvents:0}");
    figures.Add("CPU of both replicas in a quiet minute", $"{rig.Operators.Select((replica, i) => (replica.Cpu() - cpu[i]).TotalSeconds).Sum():0.00} s");
    figures.Add("bytes between operator and agents in a quiet minute", $"{mesh.Bytes.FromOperator - bytes.FromOperator + mesh.Bytes.ToOperator - bytes.ToOperator:N0}");

    // one peer, again and again
    var acknowledged = new List<double>();
    (cpu, bytes) = ([.. rig.Operators.Select(replica => replica.Cpu())], mesh.Bytes);
    for (var i = 0; i < Peers; i++)
    {
        var watched = mesh.Watch($"device-{i}", nodes);
        await rig.ApplyAsync("wireguardpeers", $"device-{i}", PeerBody(i));
        await watched.All;
        acknowledged.AddRange(watched.Seconds);
        await Task.Delay(500);
    }

    await QuietAsync();
    figures.Add("one peer applied → every agent acknowledged, p50 / p99 / most", $"{Figures.Spread(acknowledged)}");
    figures.Add("bytes to agents per peer applied", $"{(mesh.Bytes.FromOperator - bytes.FromOperator) / Peers:N0}");
    figures.Add("CPU of both replicas per peer applied", $"{rig.Operators.Select((replica, i) => (replica.Cpu() - cpu[i]).TotalMilliseconds).Sum() / Peers:0} ms");

    // a node more
    var joined = new List<double>();
    for (var i = 0; i < Joins; i++)
    {
        var number = nodes + i;
        var token = await rig.AddNodeAsync(number);
        mesh.Nodes = number + 1;
        var watched = mesh.Watch(SimulatedMesh.NodeName(number), number);
        running.Add(new SimulatedAgent(mesh, number, token).RunAsync(stop.Token));
        await watched.All;
        joined.Add(watched.Seconds[^1]);
        await Task.Delay(500);
    }

    figures.Add("a new node's agent starts → all others have its peer, median / most", $"{joined.Order().ElementAt(Joins / 2) * 1000:0} / {joined.Max() * 1000:0} ms");
    await QuietAsync();
    figures.Add("memory of a replica, now / at most", $"{rig.Operators.Max(replica => replica.Memory().Now):0} / {rig.Operators.Max(replica => replica.Memory().Peak):0} MiB");

    // the leader is killed: from its death to the first status that the next one writes
    var leader = await rig.LeaderAsync();
    var dead = rig.Operators.Single(replica => leader!.StartsWith(replica.Name, StringComparison.Ordinal));
    start = Stopwatch.GetTimestamp();
    await dead.KillAsync();
    await rig.ApplyAsync("wireguardpeers", "after", PeerBody(Peers + 1));
    await Rig.UntilAsync("another leader", async () => await rig.LeaderAsync() is { Length: > 0 } next && next != leader);
    var elected = Stopwatch.GetElapsedTime(start);
    await Rig.UntilAsync("the next leader to write a status", async () => (await rig.PeerAsync("after"))?["status"]?["conditions"] is not null);
    var wrote = Stopwatch.GetElapsedTime(start);
    await Rig.UntilAsync("its agents to be with the other", () => Task.FromResult(mesh.ConfiguredSince(start) >= nodes / Replicas));
    figures.Add("leader killed → another leads / writes status", $"{elected.TotalSeconds:0.0} / {wrote.TotalSeconds:0.0} s");
    await QuietAsync();
    var left = rig.Operators.Single(replica => replica.IsRunning);
    figures.Add("memory of the replica that is left, with all agents, at most", $"{left.Memory().Peak:0} MiB");
    if (mesh.Troubles.Length > 0)
        Console.Error.WriteLine($"   streams ended: {mesh.Troubles}");

    await stop.CancelAsync();
    await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    return figures;

    // nothing more to say to agents, and nothing more to write
    async Task QuietAsync(int looks = 3)
    {
        var before = await rig.CountersAsync();
        for (var calm = 0; calm < looks;)
        {
            await Task.Delay(TimeSpan.FromSeconds(2));
            var now = await rig.CountersAsync();
            var writes = now.Since(before).Writes.Where(entry => entry.Key != "leases").Sum(entry => entry.Value);
            calm = writes <= 1 && mesh.Silence > TimeSpan.FromSeconds(2) ? calm + 1 : 0;
            before = now;
        }
    }
}

static JsonObject PeerBody(int number) => new()
{
    ["spec"] = new JsonObject
    {
        ["publicKey"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)),
        ["allowedIPs"] = new JsonArray($"192.168.{number}.0/24"),
    },
};
