using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Identity;
using Xunit.Abstractions;
using static WgMesh.NodeAgent.Tests.Commands.TwoNodes;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Commands;

[Trait("needs", "system")]
public sealed class HandoverSystemTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly TwoNodes _nodes = new(output);

    public Task InitializeAsync() => _nodes.InitializeAsync();

    public async Task DisposeAsync() => await _nodes.DisposeAsync();

    [Fact]
    public async Task An_agent_that_starts_takes_over_and_the_one_before_takes_over_again_when_it_dies()
    {
        var (first, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var link = _nodes.A.Ip($"-o link show dev {_nodes.Interface}").Split(':')[0];

        // whatever an agent has in it is known to be an agent's
        await Wait.Until(() => File.Exists(Path.Combine(_nodes.RunFolder("a"), HeardEndpoints.FileName)));
        File.SetUnixFileMode(_nodes.RunFolder("a"), PrivateFile.FolderMode | UnixFileMode.OtherRead);

        var second = _nodes.Start("a", "--generation", "2");
        await Wait.Until(() => first.Output.Contains("The other agent has the data plane now", StringComparison.Ordinal));
        await Wait.Until(() => _nodes.PingAToB());
        Assert.Equal(link, _nodes.A.Ip($"-o link show dev {_nodes.Interface}").Split(':')[0]); // the same interface
        // whoever waits does not listen: this is the second one's answer
        await Wait.Until(() => IsReady(_nodes.A, "readyz?generation=2"));
        var other = Get(_nodes.A, "readyz?generation=1")!.Value;
        Assert.False(other.GetProperty("ready").GetBoolean());
        Assert.Contains("generation 2", other.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.True(IsReady(_nodes.A));
        Assert.True(Ping(_nodes.B, "10.244.2.10", "10.244.1.10", seconds: 60));

        second.Kill();
        await Wait.Until(() => _nodes.PingAToB());
        // without a generation of its own it answers to any
        await Wait.Until(() => IsReady(_nodes.A, "readyz?generation=7"));
        Assert.False(first.HasExited);
        Assert.Equal(0, await first.TerminateAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_of_which_nobody_wrote_where_it_is_is_called_by_the_next_agent_where_the_one_before_heard_it(bool killed)
    {
        var (first, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        // from here on it is known from its calls alone, as a laptop is
        await _nodes.Streams["a"].SendAsync(_nodes.ConfigOf("a", 8).With(c => c.Peers[0].Endpoint = ""));
        await Wait.Until(() => File.ReadAllText(_nodes.Folder.File("a/config.json")).Contains("\"revision\": \"8\"", StringComparison.Ordinal));
        if (killed)
        {
            first.Kill();
        }

        using var atB = new UdpEavesdropper(_nodes.B);
        _nodes.Start("a");
        await Wait.Until(() => killed || first.Output.Contains("The other agent has the data plane now", StringComparison.Ordinal));

        List<byte[]> heard = [];
        await Wait.Until(() =>
        {
            heard.AddRange(atB.Read());
            return _nodes.PingAToB();
        });
        heard.AddRange(atB.Read());
        Assert.Contains(heard, datagram => datagram[0] == (byte)MessageType.Initiation); // b did not have to find out
    }

    [Fact]
    public async Task An_older_agent_that_is_started_again_does_not_take_the_data_plane_back()
    {
        var (first, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var second = _nodes.Start("a", "--generation", "2", "--pod-dir", _nodes.Folder.File("new"));
        await Wait.Until(() => first.Output.Contains("The other agent has the data plane now", StringComparison.Ordinal));
        await Wait.Until(() => IsReady(_nodes.A, "readyz?generation=2"));
        Assert.Equal(0, await first.TerminateAsync());

        Directory.CreateDirectory(_nodes.Folder.File("old"));
        File.WriteAllText(_nodes.Folder.File("old/first-start"), DateTimeOffset.UtcNow.AddHours(-1).ToString("O"));
        var restarted = _nodes.Start("a", "--generation", "1", "--pod-dir", _nodes.Folder.File("old"));
        await Wait.Until(() => restarted.Output.Contains("This one was here before, and waits", StringComparison.Ordinal));
        Assert.True(IsReady(_nodes.A, "readyz?generation=2"));
        Assert.DoesNotContain("asks for the data plane", second.Output, StringComparison.Ordinal);

        second.Kill();
        await Wait.Until(() => IsReady(_nodes.A, "readyz?generation=1"));
        await Wait.Until(() => _nodes.PingAToB());
    }

    [Fact]
    public async Task An_agent_that_waits_does_not_put_the_mesh_back_when_the_one_that_released_the_node_ends()
    {
        var before = Host();
        var (first, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var second = _nodes.Start("a");
        await Wait.Until(() => first.Output.Contains("The other agent has the data plane now", StringComparison.Ordinal));
        var stream = await _nodes.Operator.NextStreamAsync();
        await stream.SendAsync(_nodes.ConfigOf("a", 8).With(c => c.Settings.Released = true));
        await Wait.Until(() => stream.Reports.Any(report => report.Released));

        Assert.Equal(0, await second.TerminateAsync());

        await Wait.Until(() => first.Output.Contains("stays out of it", StringComparison.Ordinal));
        Assert.Equal(before, Host());
        Assert.False(Directory.Exists(_nodes.RunFolder("a")));
        Assert.Equal(0, await first.TerminateAsync());
    }

    [Fact]
    public async Task An_agent_that_waits_ends_when_it_is_told_to()
    {
        var (first, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var second = _nodes.Start("a");
        await Wait.Until(() => first.Output.Contains("The other agent has the data plane now", StringComparison.Ordinal));

        Assert.Equal(0, await first.TerminateAsync());

        await Wait.Until(() => _nodes.PingAToB());
        Assert.Equal(0, await second.TerminateAsync());
    }

    [Fact]
    public async Task A_node_that_is_released_has_nothing_left_of_the_mesh_and_the_next_agent_starts_as_a_new_one()
    {
        var before = Host();
        var (a, _) = await _nodes.ConnectAsync();
        await Wait.Until(() => _nodes.PingAToB());
        var stream = _nodes.Streams["a"];

        await stream.SendAsync(_nodes.ConfigOf("a", 8).With(c => c.Settings.Released = true));

        await Wait.Until(() => stream.Reports.Any(report => report.Released));
        Assert.Equal(before, Host());
        Assert.Equal([_nodes.Folder.File("a/private.key")], Directory.GetFiles(_nodes.Folder.File("a")));
        var ready = Get(_nodes.A, "readyz")!.Value;
        Assert.False(ready.GetProperty("ready").GetBoolean());
        Assert.Contains("released", ready.GetProperty("reason").GetString(), StringComparison.Ordinal);
        var metrics = Metrics(_nodes.A);
        Assert.Matches("wgmesh_agent_released\\{[^}]*\\} 1", metrics);
        Assert.Matches("wgmesh_agent_active\\{[^}]*\\} 0", metrics);

        // the operator goes on, and the node stays as it is
        await stream.SendAsync(_nodes.ConfigOf("a", 9));
        await Wait.Until(() => stream.Reports[^1].Errors.Count == 1);
        Assert.Equal(before, Host());

        Assert.Equal(0, await a.TerminateAsync());
        Assert.False(Directory.Exists(_nodes.RunFolder("a")));
        _nodes.Start("a");
        var again = await _nodes.Operator.NextStreamAsync();
        Assert.Equal(stream.Hello.PublicKey, again.Hello.PublicKey);
        await again.SendAsync(_nodes.ConfigOf("a", 10));
        await Wait.Until(() => _nodes.PingAToB());
    }

    [Fact]
    public async Task A_node_without_a_pod_CIDR_says_what_to_do()
    {
        Directory.CreateDirectory(_nodes.Folder.File("net.d"));
        _nodes.Start("a", "--cni-conf-dir", _nodes.Folder.File("net.d"), "--cni-bin-dir", _nodes.Folder.Path);
        var stream = await _nodes.Operator.NextStreamAsync();

        await stream.SendAsync(Config(7).With(c => c.Settings.PodCidrs.Clear()));

        await Wait.Until(() => stream.Reports.Any(report => report.Errors.Count > 0));
        var error = Assert.Single(stream.Reports[^1].Errors);
        Assert.StartsWith("cni: node a has no pod CIDR", error, StringComparison.Ordinal);
        Assert.Contains("--allocate-node-cidrs", error, StringComparison.Ordinal);
        Assert.Matches("wgmesh_agent_cni_ready\\{[^}]*\\} 0", Metrics(_nodes.A));
    }

    private string Host() => string.Join('\n', new[] { "-o addr show", "-4 route show table main", "-6 route show table main" }
        .SelectMany(show => _nodes.A.Ip(show).Split('\n')).Where(line => !line.Contains("fe80", StringComparison.Ordinal)).Select(line => line.TrimEnd()));
}
