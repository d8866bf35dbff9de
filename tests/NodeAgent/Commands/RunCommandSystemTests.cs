using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Telemetry;
using WgMesh.Tests.Shared;
using Xunit.Abstractions;
using static WgMesh.NodeAgent.Tests.Commands.TwoNodes;

namespace WgMesh.NodeAgent.Tests.Commands;

[Trait("needs", "system")]
public sealed class RunCommandSystemTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly TwoNodes _nodes = new(output);

    public Task InitializeAsync() => _nodes.InitializeAsync();

    public async Task DisposeAsync() => await _nodes.DisposeAsync();

    [Fact]
    public async Task Two_agents_carry_traffic_and_outlive_their_operator_and_a_crash()
    {
        var (a, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        await Wait.Until(() => Ping(_nodes.B, "10.244.2.10", "10.90.0.1"));

        await Wait.Until(() => IsReady(_nodes.A));
        var ready = Get(_nodes.A, "readyz")!.Value;
        Assert.Equal("connected", ready.GetProperty("operator").GetProperty("state").GetString());
        Assert.Equal("operator", ready.GetProperty("source").GetString());
        Assert.Equal(7UL, ready.GetProperty("revision").GetUInt64());
        Assert.Equal((1, 1), (ready.GetProperty("links").GetProperty("up").GetInt32(), ready.GetProperty("links").GetProperty("total").GetInt32()));
        Assert.Empty(ready.GetProperty("errors").EnumerateArray());

        await _nodes.Operator.DisposeAsync();
        await Wait.Until(() => Get(_nodes.A, "readyz")?.GetProperty("operator").GetProperty("state").GetString() == "disconnected");
        Assert.True(IsReady(_nodes.A));
        Assert.True(_nodes.PingAToB(seconds: 60));

        // a crash: interface, addresses and routes stay, and nothing leaves in the clear
        var before = HostOf(_nodes.A);
        a.Kill();
        Assert.Equal(before, HostOf(_nodes.A));
        Assert.False(_nodes.PingAToB());

        // A handshake that has to be tried again takes 5 s, a peer that finds out by itself 15 s. It is its first initiation that brings it back.
        using var atA = new UdpEavesdropper(_nodes.A);
        using var atB = new UdpEavesdropper(_nodes.B);
        _nodes.Start("a");
        await Wait.Until(() => _nodes.PingAToB());
        var initiation = atB.Read().First(datagram => datagram[0] == (byte)MessageType.Initiation);
        var responses = atA.Read().Where(datagram => datagram[0] == (byte)MessageType.Response);
        Assert.Contains(responses, response => response.AsSpan(8, 4).SequenceEqual(initiation.AsSpan(4, 4))); // receiver's index, sender's index
        await Wait.Until(() => Get(_nodes.A, "readyz")?.GetProperty("source").GetString() == "cache");
        Assert.Equal(before, HostOf(_nodes.A));
        // what the other side sends under the old session comes back too
        Assert.True(Ping(_nodes.B, "10.244.2.10", "10.244.1.10", seconds: 60));
    }

    [Fact]
    public async Task Metrics_are_what_prometheus_expects()
    {
        await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());

        var text = Metrics(_nodes.A);

        Assert.Contains("wgmesh_agent_operator_connected{", text, StringComparison.Ordinal);
        Assert.Contains("wgmesh_agent_config_revision{otel_scope_name=\"WgMesh.Agent\",otel_scope_version=\"0.1.0\"} 7", text, StringComparison.Ordinal);
        Assert.Contains("wgmesh_agent_build_info", text, StringComparison.Ordinal);
        Assert.Matches("wgmesh_agent_active\\{[^}]*\\} 1", text);
        Assert.Matches("wgmesh_agent_released\\{[^}]*\\} 0", text);
        Assert.Matches("wgmesh_agent_failure_policy_open\\{[^}]*\\} 0", text);
        Assert.Matches("wgmesh_agent_config_apply_duration_seconds_count\\{[^}]*\\} [1-9]", text);
        Assert.DoesNotContain("wgmesh_agent_cni_ready", text, StringComparison.Ordinal); // pods are not its business here
        Assert.Matches("wgmesh_peer_sent_packets_total\\{[^}]*peer=\"b\"[^}]*\\} [1-9]", text);
        Assert.Empty(MetricsContract.Violations(text, MetricsDocument.Of(WireGuardDevice.MeterName, AgentMetrics.MeterName, ProcessMeterProviderBuilderExtensions.MeterName)));
        File.WriteAllText(_nodes.Folder.File("metrics"), text);
        Assert.Equal("", NetNamespace.Command("sh", "-c", $"promtool check metrics < {_nodes.Folder.File("metrics")} 2>&1").Trim());
        Assert.Equal("ok\n", _nodes.A.Exec("curl", "-fsS", "-m", "30", "http://127.0.0.1:9586/healthz"));
    }

    [Fact]
    public async Task On_SIGTERM_the_mesh_stays_closed_and_cleanup_leaves_nothing_but_the_key()
    {
        var empty = HostOf(_nodes.A);
        var (a, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var connected = HostOf(_nodes.A);

        Assert.Equal(0, await a.TerminateAsync());

        Assert.Equal(connected, HostOf(_nodes.A));
        Assert.Contains("blackhole 10.244.0.0/16", connected, StringComparison.Ordinal);
        Assert.False(_nodes.PingAToB());
        Assert.False(File.Exists($"/var/run/wireguard/{_nodes.Interface}.sock"));

        _nodes.CleanUp();
        Assert.Equal(empty, HostOf(_nodes.A));
        Assert.False(Directory.Exists(_nodes.RunFolder("a")));
        Assert.Equal([_nodes.Folder.File("a/private.key")], Directory.GetFiles(_nodes.Folder.File("a")));
    }

    [Fact]
    public void Cleaning_up_what_is_clean_is_done()
    {
        _nodes.CleanUp();
        Assert.False(Directory.Exists(_nodes.RunFolder("a")));
        Assert.False(Directory.Exists(_nodes.Folder.File("a")));
    }

    [Theory]
    [InlineData("--run-dir")]
    [InlineData("--state-dir")]
    public async Task A_folder_that_others_use_is_not_closed_to_them(string flag)
    {
        var shared = Directory.CreateDirectory(_nodes.Folder.File("shared")).FullName;
        File.WriteAllText(Path.Combine(shared, "theirs"), "");
        var mode = File.GetUnixFileMode(shared);

        var a = _nodes.Start("a", flag, shared);

        Assert.Equal(1, await a.ExitAsync());
        Assert.Contains($"{flag}: {shared} is not the agent's own", a.Output, StringComparison.Ordinal);
        Assert.Equal(mode, File.GetUnixFileMode(shared));
    }

    [Fact]
    public async Task With_an_open_policy_what_is_for_the_mesh_takes_the_network_below_once_the_agent_is_gone()
    {
        var (a, _) = await _nodes.ConnectAsync(c => c.Settings.FailurePolicy = Rpc.FailurePolicy.Open);
        await Wait.Until(() => _nodes.PingAToB());
        await Wait.Until(() => a.Output.Contains("failure policy of the mesh is Open", StringComparison.Ordinal));
        Assert.Matches("wgmesh_agent_failure_policy_open\\{[^}]*\\} 1", Metrics(_nodes.A));

        a.Kill();

        await Wait.Until(() => !_nodes.A.Ip("link").Contains(_nodes.Interface, StringComparison.Ordinal));
        Assert.Equal("", _nodes.A.Ip("route show proto 107").Trim());
    }

    [Fact]
    public async Task A_policy_that_opens_and_closes_again_changes_what_a_crash_leaves()
    {
        var (a, _) = await _nodes.ConnectAsync(c => c.Settings.FailurePolicy = Rpc.FailurePolicy.Open);
        await _nodes.Streams["a"].SendAsync(_nodes.ConfigOf("a", 8));
        await Wait.Until(() => _nodes.A.Ip("route show proto 107").Contains("blackhole", StringComparison.Ordinal));
        await Wait.Until(() => _nodes.A.Ip("-d link show").Contains("persist on", StringComparison.Ordinal));

        a.Kill();

        Assert.Contains("10.244.2.0/24 dev", _nodes.A.Ip("route show proto 107"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cleanup_refuses_while_an_agent_runs_and_says_what_to_do()
    {
        await _nodes.ConnectAsync();

        var error = Assert.Throws<InvalidOperationException>(_nodes.CleanUp);

        Assert.Contains("An agent runs on this node", error.Message, StringComparison.Ordinal);
        Assert.Contains("End it first", error.Message, StringComparison.Ordinal);
        Assert.True(_nodes.PingAToB(seconds: 60));
    }

    [Fact]
    public async Task An_agent_whose_interface_is_deleted_ends()
    {
        var (a, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());

        _nodes.A.Ip($"link del {_nodes.Interface}");

        Assert.Equal(1, await a.ExitAsync());
        Assert.Contains("was deleted", a.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_that_cannot_start_says_why_in_one_line()
    {
        Directory.CreateDirectory(_nodes.Folder.File("a"));
        File.WriteAllText(_nodes.Folder.File("a/private.key"), "nonsense");
        var a = _nodes.Start("a");

        Assert.Equal(1, await a.ExitAsync());
        Assert.Contains("private.key does not hold a private key", a.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", a.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_interface_of_another_process_is_left_to_it()
    {
        _nodes.A.Exec(RunningProgram.Path, "device", _nodes.Interface);
        try
        {
            var a = _nodes.Start("a");
            Assert.Equal(1, await a.ExitAsync());
            Assert.Contains("the name is taken by another process's TUN", a.Output, StringComparison.Ordinal);
        }
        finally
        {
            _nodes.A.Ip($"link del {_nodes.Interface}");
        }
    }

    [Theory]
    [InlineData("--metrics-listen", "192.0.2.77:9586", "--metrics-listen: 192.0.2.77:9586 cannot be listened on")]
    [InlineData("--metrics-listen", "127.0.0.1", "--metrics-listen: '127.0.0.1' is not an address with a port")]
    [InlineData("--cni-conf-dir", "net.d", "--cni-conf-dir: 'net.d' is not an absolute path, such as /etc/cni/net.d.")]
    [InlineData("--pod-dir", "pod", "--pod-dir: 'pod' is not an absolute path, such as /var/lib/wgmesh/pod.")]
    [InlineData("--peer-series", "-1", "--peer-series: '-1' is not a number of peers")]
    public async Task A_value_that_cannot_be_is_an_error(string option, string value, string said)
    {
        var a = _nodes.Start("a", option, value);

        Assert.Equal(1, await a.ExitAsync());
        Assert.Contains(said, a.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", a.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--run-dir", "run", "--run-dir: 'run' is not an absolute path, such as /run/wgmesh.")]
    [InlineData("--run-dir", "/run/a-folder-whose-name-is-so-long-that-no-socket-in-it-could-have-a-path-which-the-kernel-takes-at-all", "is too long")]
    [InlineData("--run-dir", "/tmp", "is shared by everybody")]
    public void A_folder_that_cannot_be_is_an_error_and_nothing_is_cleaned_up(string option, string value, string said)
    {
        var error = Assert.Throws<InvalidOperationException>(() => _nodes.A.Exec(RunningProgram.Path, "cleanup", option, value));

        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_whose_socket_folder_is_somebody_elses_has_its_tunnels_all_the_same()
    {
        _nodes.O.Exec(RunningProgram.Path, "device", _nodes.Interface);
        try
        {
            var (a, _) = await _nodes.ConnectAsync();
            await Wait.Until(() => _nodes.PingAToB());
            await Wait.Until(() => a.Output.Contains("socket for `wg` is not served", StringComparison.Ordinal));
        }
        finally
        {
            _nodes.O.Ip($"link del {_nodes.Interface}");
        }
    }

    // but for the link-local addresses and routes that come up in their own time, and the carrier of a TUN that nobody has open
    private static string HostOf(NetNamespace ns) => string.Join('\n', new[] { "-o addr show", "-4 route show table main", "-6 route show table main" }
        .SelectMany(show => ns.Ip(show).Split('\n'))
        .Where(line => !line.Contains("fe80", StringComparison.Ordinal))
        .Select(line => line.Replace(" linkdown", "", StringComparison.Ordinal).TrimEnd()));
}
