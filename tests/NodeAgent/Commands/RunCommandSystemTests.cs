using System.Globalization;
using System.Net;
using System.Text.Json;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.NodeAgent.Tests.Sync;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using Xunit.Abstractions;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Commands;

/// <summary>Two nodes with a real agent each, and an operator, in three namespaces.</summary>
[Trait("needs", "system")]
public sealed class RunCommandSystemTests : IAsyncLifetime
{
    private const string Token = "t0ken";

    private readonly ITestOutputHelper _output;
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new(IPAddress.Parse("198.51.100.1"), IPAddress.Parse("203.0.113.1"));
    private readonly NetNamespace _a = new(), _b = new(), _o = new();
    private readonly Dictionary<string, RunningProgram> _agents = [];
    // sockets for `wg` are files, so their names are shared by all namespaces
    private readonly string _interface = $"wgr{Environment.ProcessId}";
    private FakeOperator? _operator;

    public RunCommandSystemTests(ITestOutputHelper output) => _output = output;

    public async Task InitializeAsync()
    {
        File.WriteAllText(_folder.File("ca.pem"), _authority.Pem);
        File.WriteAllText(_folder.File("token"), Token);
        NetNamespace.Connect(_a, _b);
        Address(_a, "eth0", "192.0.2.1/24", "10.244.1.10/32");
        Address(_b, "eth0", "192.0.2.2/24", "10.244.2.10/32");
        NetNamespace.Connect(_o, _a, "op-a");
        NetNamespace.Connect(_o, _b, "op-b");
        _o.Ip("addr add 198.51.100.1/30 dev op-a");
        _a.Ip("addr add 198.51.100.2/30 dev op-a");
        _o.Ip("addr add 203.0.113.1/30 dev op-b");
        _b.Ip("addr add 203.0.113.2/30 dev op-b");
        _operator = await _o.Run(() => FakeOperator.StartAsync(_authority, new IPEndPoint(IPAddress.Any, 7443)));
    }

    public async Task DisposeAsync()
    {
        foreach (var (name, agent) in _agents)
        {
            agent.Dispose();
            _output.WriteLine($"--- {name}\n{agent.Output}");
        }

        await _operator!.DisposeAsync();
        _a.Dispose();
        _b.Dispose();
        _o.Dispose();
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Two_agents_carry_traffic_and_outlive_their_operator_and_a_crash()
    {
        await Connect();
        await Wait.Until(() => Ping(_a, "10.244.1.10", "10.244.2.10"));
        await Wait.Until(() => Ping(_b, "10.244.2.10", "10.90.0.1"));

        var ready = Get(_a, "readyz");
        Assert.Equal("connected", ready.GetProperty("operator").GetProperty("state").GetString());
        Assert.Equal("operator", ready.GetProperty("source").GetString());
        Assert.Equal(7UL, ready.GetProperty("revision").GetUInt64());
        Assert.Equal((1, 1), (ready.GetProperty("links").GetProperty("up").GetInt32(), ready.GetProperty("links").GetProperty("total").GetInt32()));
        Assert.Empty(ready.GetProperty("errors").EnumerateArray());

        await _operator!.DisposeAsync();
        await Wait.Until(() => Get(_a, "readyz").GetProperty("operator").GetProperty("state").GetString() == "disconnected");
        Assert.True(Get(_a, "readyz").GetProperty("ready").GetBoolean());
        Assert.True(Ping(_a, "10.244.1.10", "10.244.2.10", seconds: 60));

        // a crash: the interface goes, and nothing leaves in the clear
        _agents["a"].Kill();
        await Wait.Until(() => !_a.Ip("link").Contains(_interface, StringComparison.Ordinal));
        Assert.Contains("blackhole 10.244.0.0/16", _a.Ip("route show proto 107"), StringComparison.Ordinal);
        Assert.False(Ping(_a, "10.244.1.10", "10.244.2.10"));

        // A handshake that has to be tried again takes 5 s, a peer that finds out by itself 15 s. It is its first initiation that brings it back.
        using var atA = new UdpEavesdropper(_a);
        using var atB = new UdpEavesdropper(_b);
        Start("a", _a);
        await Wait.Until(() => Ping(_a, "10.244.1.10", "10.244.2.10"));
        var initiation = atB.Read().First(datagram => datagram[0] == (byte)MessageType.Initiation);
        var responses = atA.Read().Where(datagram => datagram[0] == (byte)MessageType.Response);
        Assert.Contains(responses, response => response.AsSpan(8, 4).SequenceEqual(initiation.AsSpan(4, 4))); // receiver's index, sender's index
        await Wait.Until(() => Get(_a, "readyz").GetProperty("source").GetString() == "cache");
        // what the other side sends under the old session comes back too
        Assert.True(Ping(_b, "10.244.2.10", "10.244.1.10", seconds: 60));
    }

    [Fact]
    public async Task Metrics_are_what_prometheus_expects()
    {
        await Connect();
        await Wait.Until(() => Ping(_a, "10.244.1.10", "10.244.2.10"));

        var text = _a.Exec("curl", "-fsS", "-m", "30", "http://127.0.0.1:9586/metrics");

        Assert.Contains("wgmesh_agent_operator_connected{", text, StringComparison.Ordinal);
        Assert.Contains("wgmesh_agent_config_revision{otel_scope_name=\"WgMesh.Agent\",otel_scope_version=\"0.1.0\"} 7", text, StringComparison.Ordinal);
        Assert.Contains("wgmesh_agent_build_info", text, StringComparison.Ordinal);
        Assert.Matches("wgmesh_peer_sent_packets_total\\{[^}]*peer=\"b\"[^}]*\\} [1-9]", text);
        Assert.Empty(MetricsContract.Violations(text, MetricsDocument.Of(WireGuardDevice.MeterName, AgentMetrics.MeterName)));
        File.WriteAllText(_folder.File("metrics"), text);
        Assert.Equal("", NetNamespace.Command("sh", "-c", $"promtool check metrics < {_folder.File("metrics")} 2>&1").Trim());
        Assert.Equal("ok\n", _a.Exec("curl", "-fsS", "-m", "30", "http://127.0.0.1:9586/healthz"));
    }

    [Fact]
    public async Task On_SIGTERM_the_interface_goes_the_mesh_stays_closed_and_cleanup_leaves_nothing()
    {
        await Connect();
        await Wait.Until(() => _a.Ip("route show proto 107").Contains("10.244.2.0/24", StringComparison.Ordinal));

        Assert.Equal(0, await _agents["a"].TerminateAsync());

        Assert.DoesNotContain(_interface, _a.Ip("link"), StringComparison.Ordinal);
        Assert.Contains("blackhole 10.244.0.0/16", _a.Ip("route show proto 107"), StringComparison.Ordinal);
        Assert.False(File.Exists($"/var/run/wireguard/{_interface}.sock"));

        _a.Exec(RunningProgram.Path, "cleanup", "--interface", _interface);
        Assert.Equal("", _a.Ip("route show proto 107").Trim());
        Assert.Equal("", _a.Ip("-6 route show proto 107").Trim());
        Assert.True(File.Exists(_folder.File("a/private.key")));
    }

    [Fact]
    public async Task Cleanup_removes_the_interface_and_the_routes_of_an_agent_that_still_runs_and_the_agent_ends()
    {
        await Connect();
        await Wait.Until(() => _a.Ip("route show proto 107").Contains("10.244.2.0/24", StringComparison.Ordinal));

        _a.Exec(RunningProgram.Path, "cleanup", "--interface", _interface);

        Assert.Equal(1, await _agents["a"].ExitAsync());
        Assert.Contains("was deleted", _agents["a"].Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_that_cannot_start_says_why_in_one_line()
    {
        Directory.CreateDirectory(_folder.File("a"));
        File.WriteAllText(_folder.File("a/private.key"), "nonsense");
        Start("a", _a);

        Assert.Equal(1, await _agents["a"].ExitAsync());
        Assert.Contains("private.key does not hold a private key", _agents["a"].Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", _agents["a"].Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("192.0.2.77:9586", "--metrics-listen: 192.0.2.77:9586 cannot be listened on")]
    [InlineData("127.0.0.1", "--metrics-listen: '127.0.0.1' is not an address with a port")]
    public async Task An_address_that_cannot_be_listened_on_is_an_error(string listen, string said)
    {
        Start("a", _a, "--metrics-listen", listen);

        Assert.Equal(1, await _agents["a"].ExitAsync());
        Assert.Contains(said, _agents["a"].Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", _agents["a"].Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_whose_socket_folder_is_somebody_elses_has_its_tunnels_all_the_same()
    {
        _o.Exec(RunningProgram.Path, "device", _interface);
        try
        {
            await Connect();
            await Wait.Until(() => Ping(_a, "10.244.1.10", "10.244.2.10"));
            await Wait.Until(() => _agents["a"].Output.Contains("socket for `wg` is not served", StringComparison.Ordinal));
        }
        finally
        {
            _o.Ip($"link del {_interface}");
        }
    }

    private static void Address(NetNamespace ns, string link, string underlay, string pod)
    {
        ns.Ip($"addr add {underlay} dev {link}");
        ns.Ip($"addr add {pod} dev lo");
    }

    // both agents run, and each has the other as its peer
    private async Task Connect()
    {
        Start("a", _a);
        Start("b", _b);
        var streams = new[] { await _operator!.NextStreamAsync(), await _operator.NextStreamAsync() }.ToDictionary(s => s.Hello.Node);
        await streams["a"].SendAsync(ConfigOf("a", Node("b").With(p => p.PublicKey = streams["b"].Hello.PublicKey)));
        await streams["b"].SendAsync(ConfigOf("b", Node("a").With(p => p.PublicKey = streams["a"].Hello.PublicKey)));
        await Wait.Until(() => File.Exists(_folder.File("a/config.json")) && File.Exists(_folder.File("b/config.json")));
    }

    private static NodeConfig ConfigOf(string node, PeerConfig peer) => Config(7, peer).With(c =>
    {
        c.Settings.Node = node;
        c.Settings.Addresses.Clear();
        c.Settings.Addresses.Add(node == "a" ? "10.90.0.1/32" : "10.90.0.2/32");
        c.Settings.PodCidrs[0] = node == "a" ? "10.244.1.0/24" : "10.244.2.0/24";
    });

    private void Start(string node, NetNamespace ns, params string[] more) => _agents[node] = new RunningProgram(
        ns,
        [
            "run",
            "--node", node,
            "--operator", node == "a" ? "https://198.51.100.1:7443" : "https://203.0.113.1:7443",
            "--ca", _folder.File("ca.pem"),
            "--token-file", _folder.File("token"),
            "--state-dir", _folder.File(node),
            "--interface", node == "a" ? _interface : _interface + "b",
            .. more,
        ]);

    /// <param name="seconds">Until the answer; more where there is no second try.</param>
    private static bool Ping(NetNamespace from, string source, string to, int seconds = 5)
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

    private static JsonElement Get(NetNamespace ns, string path)
    {
        using var document = JsonDocument.Parse(ns.Exec("curl", "-sS", "-m", "30", "--retry", "20", "--retry-delay", "1", "--retry-connrefused", $"http://127.0.0.1:9586/{path}"));
        return document.RootElement.Clone();
    }
}
