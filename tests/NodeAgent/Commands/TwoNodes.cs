using System.Globalization;
using System.Net;
using System.Text.Json;
using WgMesh.NodeAgent.Tests.Sync;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using Xunit.Abstractions;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Commands;

/// <summary>Two nodes with a real agent each, and an operator, in three namespaces.</summary>
internal sealed class TwoNodes(ITestOutputHelper output) : IAsyncDisposable
{
    private const string Token = "t0ken";

    private static int _count;

    private readonly TestAuthority _authority = new(IPAddress.Parse("198.51.100.1"), IPAddress.Parse("203.0.113.1"));
    private readonly List<(string Node, RunningProgram Agent)> _started = [];

    internal TemporaryFolder Folder { get; } = new();

    internal NetNamespace A { get; } = new();

    internal NetNamespace B { get; } = new();

    internal NetNamespace O { get; } = new();

    /// <summary>Of node a. Sockets for <c>wg</c> are files, so their names are shared by all namespaces, and by all tests.</summary>
    internal string Interface { get; } = $"wgr{Environment.ProcessId}n{Interlocked.Increment(ref _count)}";

    internal FakeOperator Operator { get; private set; } = null!;

    internal Dictionary<string, AgentStream> Streams { get; private set; } = [];

    internal async Task InitializeAsync()
    {
        File.WriteAllText(Folder.File("ca.pem"), _authority.Pem);
        File.WriteAllText(Folder.File("token"), Token);
        NetNamespace.Connect(A, B);
        Address(A, "eth0", "192.0.2.1/24", "10.244.1.10/32");
        Address(B, "eth0", "192.0.2.2/24", "10.244.2.10/32");
        NetNamespace.Connect(O, A, "op-a");
        NetNamespace.Connect(O, B, "op-b");
        O.Ip("addr add 198.51.100.1/30 dev op-a");
        A.Ip("addr add 198.51.100.2/30 dev op-a");
        O.Ip("addr add 203.0.113.1/30 dev op-b");
        B.Ip("addr add 203.0.113.2/30 dev op-b");
        Operator = await O.Run(() => FakeOperator.StartAsync(_authority, new IPEndPoint(IPAddress.Any, 7443)));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (node, agent) in _started)
        {
            agent.Dispose();
            output.WriteLine($"--- {node}\n{agent.Output}");
        }

        await Operator.DisposeAsync();
        A.Dispose();
        B.Dispose();
        O.Dispose();
        _authority.Dispose();
        Folder.Dispose();
    }

    /// <summary>Starts an agent on a node; of several on one node each asks the one before it for the data plane.</summary>
    /// <param name="node">a or b.</param>
    /// <param name="more">Options; folders in place of its own ones.</param>
    internal RunningProgram Start(string node, params string[] more)
    {
        string[] folders = ["--state-dir", Folder.File(node), "--run-dir", RunFolder(node)];
        var agent = new RunningProgram(
            node == "a" ? A : B,
            [
                "run",
                "--node", node,
                "--operator", node == "a" ? "https://198.51.100.1:7443" : "https://203.0.113.1:7443",
                "--ca", Folder.File("ca.pem"),
                "--token-file", Folder.File("token"),
                .. folders.Chunk(2).Where(folder => !more.Contains(folder[0])).SelectMany(folder => folder),
                "--interface", node == "a" ? Interface : Interface + "b",
                .. more,
            ]);
        _started.Add((node, agent));
        return agent;
    }

    internal string RunFolder(string node) => Folder.File($"run-{node}");

    /// <summary>Leaves nothing of node a's agent.</summary>
    internal void CleanUp() => A.Exec(
        RunningProgram.Path,
        "cleanup", "--interface", Interface, "--state-dir", Folder.File("a"), "--run-dir", RunFolder("a"), "--cni-conf-dir", Folder.Path, "--cni-bin-dir", Folder.Path,
        "--cni-store-dir", Folder.File("networks"));

    /// <summary>Starts both agents, and has each be the other's peer.</summary>
    internal async Task<(RunningProgram A, RunningProgram B)> ConnectAsync(Action<NodeConfig>? change = null)
    {
        var agents = (Start("a"), Start("b"));
        Streams = new[] { await Operator.NextStreamAsync(), await Operator.NextStreamAsync() }.ToDictionary(s => s.Hello.Node);
        foreach (var node in Streams.Keys)
        {
            await Streams[node].SendAsync(ConfigOf(node, 7).With(change ?? (_ => { })));
        }

        await Wait.Until(() => File.Exists(Folder.File("a/config.json")) && File.Exists(Folder.File("b/config.json")));
        return agents;
    }

    /// <summary>What a node is told: its peer is the other one.</summary>
    internal NodeConfig ConfigOf(string node, ulong revision)
    {
        var other = node == "a" ? "b" : "a";
        return Config(revision, Node(other).With(p => p.PublicKey = Streams[other].Hello.PublicKey)).With(c =>
        {
            c.Settings.Node = node;
            c.Settings.Addresses.Clear();
            c.Settings.Addresses.Add(node == "a" ? "10.90.0.1/32" : "10.90.0.2/32");
            c.Settings.PodCidrs[0] = node == "a" ? "10.244.1.0/24" : "10.244.2.0/24";
        });
    }

    internal bool PingAToB(int seconds = 5) => Ping(A, "10.244.1.10", "10.244.2.10", seconds);

    /// <param name="seconds">Until the answer; more where there is no second try.</param>
    internal static bool Ping(NetNamespace from, string source, string to, int seconds = 5)
    {
        try
        {
            from.Exec("ping", "-n", "-q", "-c", "1", "-W", seconds.ToString(CultureInfo.InvariantCulture), "-I", source, to);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>What the agent answers, also if that is no; null: nobody listens.</summary>
    internal static JsonElement? Get(NetNamespace ns, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(ns.Exec("curl", "-sS", "-m", "30", $"http://127.0.0.1:9586/{path}"));
            return document.RootElement.Clone();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether an agent answers that it is ready.</summary>
    internal static bool IsReady(NetNamespace ns, string path = "readyz") => Get(ns, path)?.GetProperty("ready").GetBoolean() == true;

    /// <summary>The agent's metrics, as soon as it listens.</summary>
    internal static string Metrics(NetNamespace ns) =>
        ns.Exec("curl", "-fsS", "-m", "30", "--retry", "60", "--retry-delay", "1", "--retry-connrefused", "http://127.0.0.1:9586/metrics");

    private static void Address(NetNamespace ns, string link, string underlay, string pod)
    {
        ns.Ip($"addr add {underlay} dev {link}");
        ns.Ip($"addr add {pod} dev lo");
    }
}
