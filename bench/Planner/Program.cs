using System.Globalization;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Planner;

// usage: dotnet run -c Release --project bench/Planner -- [NODES...] [--rounds N]
var rounds = 15;
var sizes = new List<int>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--rounds" && i + 1 < args.Length && int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out rounds) && rounds > 0)
    {
        i++;
    }
    else if (int.TryParse(args[i], CultureInfo.InvariantCulture, out var nodes) && nodes is > 3 and <= 30_000)
    {
        sizes.Add(nodes);
    }
    else
    {
        Console.Error.WriteLine("usage: [NODES (4 to 30000)...] [--rounds N]");
        return 2;
    }
}

// an operator has its code compiled for good after its first minutes: so has what is measured
var output = Console.Out;
Console.SetOut(TextWriter.Null);
for (var i = 0; i < 5; i++)
{
    Measure(100);
    Thread.Sleep(TimeSpan.FromMilliseconds(300));
}

Console.SetOut(output);
Console.WriteLine("milliseconds of processor time, median (lowest to highest) of the rounds; bytes on the wire for all nodes together");
Console.WriteLine();
Console.WriteLine("| nodes | what | ms | bytes |");
Console.WriteLine("|---|---|---|---|");
foreach (var nodes in sizes.Count > 0 ? sizes : [100, 1_000, 5_000, 10_000])
    Measure(nodes);
return 0;

void Measure(int nodes)
{
    var state = BigCluster.Of(nodes);
    var memory = GC.GetTotalMemory(forceFullCollection: true);
    var published = PublishedPlan.None;
    Row("first plan", 1, () => published = published.Next(MeshPlanner.Plan(state, published.Plan), []));
    memory = GC.GetTotalMemory(forceFullCollection: true) - memory;

    Row("plan from nothing", rounds, () => MeshPlanner.Plan(state));
    Row("configurations for all nodes", rounds, () => state.Nodes.Sum(node => published.Plan.ConfigFor(node.Name, 1)!.Bytes.Length));

    var (first, last) = (state.Nodes[0].Name, state.Nodes[^1].Name);
    Change("a device comes or goes", with: state with { Peers = state.Peers.Add(BigCluster.Device(nodes)) });
    Change("a node gets another key", with: state with
    {
        Announcements = state.Announcements.SetItem(last, BigCluster.Announced(nodes - 1, 2_000_000)),
    });
    Change("a node comes or goes", with: state with
    {
        Nodes = state.Nodes.Add(BigCluster.Node(nodes)),
        Announcements = state.Announcements.Add(BigCluster.NameOf(nodes), BigCluster.Announced(nodes, 2_000_000)),
    });
    Change("a gateway fails over", with: state with
    {
        Gateways = state.Gateways.AddRange(state.Peers.Where(peer => peer.GatewaySelector is not null)
            .Select(peer => KeyValuePair.Create(peer.Name, BigCluster.NameOf(1)))),
    });
    Change("every peer changes (keepalive)", with: state with { Mesh = state.Mesh with { PersistentKeepalive = 25 } });
    Row("nothing changes", rounds, () => published = published.Next(MeshPlanner.Plan(state, published.Plan), []));
    Console.WriteLine($"| {nodes} | memory of a plan | | {memory} |");

    // from the cluster's change to every node's message: addresses, plan, comparison, messages
    void Change(string what, ClusterState with)
    {
        var (from, to) = (state, with);
        Row(what, rounds, () =>
        {
            to = BigCluster.Settled(to);
            var next = published.Next(MeshPlanner.Plan(to, published.Plan), []);
            var bytes = 0L;
            foreach (var node in from.Nodes.Length < to.Nodes.Length ? from.Nodes : to.Nodes)
                bytes += next.Plan.ChangeFor(published.Plan, published.Revision, node.Name, next.Revision)?.Bytes.Length ?? 0;
            published = next;
            (from, to) = (to, from);
            return bytes;
        });
        if (to != state) // an odd number of rounds
            return;
        published = published.Next(MeshPlanner.Plan(state, published.Plan), []);
    }

    void Row<T>(string what, int times, Func<T> action)
    {
        var taken = new List<double>();
        long bytes = 0;
        for (var round = 0; round < times; round++)
        {
            GC.Collect();
            var before = Environment.CpuUsage.TotalTime;
            var result = action();
            taken.Add((Environment.CpuUsage.TotalTime - before).TotalMilliseconds);
            bytes = result is long length ? length : 0;
        }

        taken.Sort();
        var spread = times > 1 ? $"{Text(taken[times / 2])} ({Text(taken[0])} to {Text(taken[^1])})" : Text(taken[0]);
        Console.WriteLine($"| {nodes} | {what} | {spread} | {(bytes > 0 ? bytes.ToString(CultureInfo.InvariantCulture) : "")} |");
    }

    static string Text(double milliseconds) => milliseconds.ToString(milliseconds < 10 ? "0.0" : "0", CultureInfo.InvariantCulture);
}
