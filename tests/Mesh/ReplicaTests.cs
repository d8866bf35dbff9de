using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Sync;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Hosting;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests;

/// <summary>Several replicas of the operator, real agents with both of them, and packets on every link all the while.</summary>
public sealed class ReplicaTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-replicas-").FullName;
    private readonly X509Certificate2 _authority = Certificates.MakeAuthority(DateTimeOffset.UtcNow, TimeSpan.FromDays(1));
    private readonly SharedCluster _cluster = new(3);
    private readonly ManualTime _time = new();
    private readonly Wire _wire;
    private readonly List<RunningAgent> _agents = [];
    private readonly List<RunningReplica> _replicas = [];
    private bool _areTalking;

    public ReplicaTests() => _wire = new Wire(_time);

    public Task InitializeAsync()
    {
        File.WriteAllText(Path.Combine(_folder, "ca.crt"), _authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "token"), RunningReplica.AnyToken);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (var agent in _agents)
            await agent.DisposeAsync();
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_leader_knows_every_agent_and_when_it_dies_the_next_one_does_and_no_packet_is_lost()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        Lead(one);
        Start("a", one, two);
        Start("b", one, two);
        Start("c", two, one);
        await UntilAsync(() => one.Known == "a b c@two" && AllAreCurrent(one));
        await TalkAsync();
        await UntilAsync(() => AllLinksAreUp(one));
        Assert.Equal("c", two.Known);

        await one.KillAsync();
        _replicas.Remove(one);
        Lead(two);
        await UntilAsync(() => two.Known == "a b c" && AllAreCurrent(two) && AllLinksAreUp(two));

        // and what changes from now on reaches everybody
        var revision = two.Plan.Revision;
        _cluster.Change(state => state with { Mesh = state.Mesh with { Mtu = 1380 } });
        await UntilAsync(() => two.Plan.Revision > revision && AllAreCurrent(two));
        await UntilAsync(() => _wire.Missing == 0);
    }

    [Fact]
    public async Task A_leader_that_gives_the_lease_away_tells_the_next_one_of_its_agents()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        Lead(one);
        Start("a", one, two);
        Start("b", two, one);
        await UntilAsync(() => one.Known == "a b@two");

        Lead(two);
        await UntilAsync(() => two.Known == "a@one b" && AllAreCurrent(two));
        Start("c", one, two); // its key comes to the leader by the other
        await UntilAsync(() => two.Known == "a@one b c@one" && AllAreCurrent(two));
    }

    [Fact]
    public async Task An_agent_of_another_replica_is_current_only_when_it_has_applied_what_the_leader_planned()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        Lead(one);
        Start("a", one, two);
        Start("b", two, one);
        await UntilAsync(() => one.Known == "a b@two" && AllAreCurrent(one));

        await _agents[1].DisposeAsync(); // takes nothing up any more, and the leader may not know yet
        _agents.RemoveAt(1);
        var revision = one.Plan.Revision;
        _cluster.Change(state => state with { Mesh = state.Mesh with { Mtu = 1380 } });
        await UntilAsync(() => one.Plan.Revision > revision && one.Registry.Agents.Value["a"].HasApplied(one.Plan.Revision));
        Assert.False(one.Registry.Agents.Value["b"].HasApplied(one.Plan.Revision));
        await UntilAsync(() => one.Known == "a (b)");
    }

    [Fact]
    public async Task Agents_of_a_replica_that_died_are_away_only_after_a_time_in_which_they_may_come_back()
    {
        var clock = new ManualTime();
        var (one, two) = (await StartAsync("one", clock), await StartAsync("two"));
        Lead(one);
        Start("a", one);
        Start("b", two);
        await UntilAsync(() => one.Known == "a b@two");

        await two.KillAsync();
        _replicas.Remove(two);
        await UntilAsync(() => clock.Waits.Contains(MeshService.ReplicaGrace));
        clock.Advance(MeshService.ReplicaGrace - TimeSpan.FromTicks(1));
        Assert.Equal("a b@two", one.Known);
        clock.Advance(TimeSpan.FromTicks(1));
        await UntilAsync(() => one.Known == "a (b)");
    }

    [Fact]
    public async Task Tools_see_the_whole_mesh_whichever_replica_they_ask_and_its_part_if_the_leader_is_away()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        Lead(one);
        Start("a", one);
        Start("b", one);
        Start("c", two);
        await UntilAsync(() => one.Known == "a b c@two" && AllAreCurrent(one));
        Assert.Equal(("a b c", "a b c"), (await one.ConnectedAsync(), await two.ConnectedAsync()));
        await UntilAsync(() => one.Registry.Agents.Value.Values.All(agent => agent.Report?.Links.Length == 2));
        Assert.Equal(("a-c b-c c-a c-b", "a-c b-c c-a c-b"), (await LinksAsync(one), await LinksAsync(two)));

        await one.KillAsync();
        _replicas.Remove(one);
        Assert.Equal("c", await two.ConnectedAsync());

        static async Task<string> LinksAsync(RunningReplica asked) => string.Join(' ',
            from peer in (await asked.StatusAsync("c")).Peers from link in peer.Links select $"{peer.Name}-{link.Peer}");
    }

    [Fact]
    public async Task A_follower_asks_no_other_follower_for_another()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        one.FollowBlindly(one);
        two.FollowBlindly(one);

        Assert.Equal(("", ""), (await one.ConnectedAsync(), await two.ConnectedAsync()));
        Assert.Equal((1, 1), (one.Relayed, two.Relayed));
    }

    [Fact]
    public async Task A_leader_that_cannot_be_asked_for_the_status_is_not_asked_again_for_every_change()
    {
        var clock = new ManualTime();
        var (one, two) = (await StartAsync("one"), await StartAsync("two", clock));
        two.FollowBlindly(one); // which does not know that it leads

        using var channel = two.Channel();
        using var call = new Rpc.Mesh.MeshClient(channel).WatchStatus(
            new Rpc.WatchStatusRequest(), new Metadata { { "authorization", $"Bearer {RunningReplica.AnyToken}" } }, DateTime.UtcNow + Patience);
        var shown = "";
        var watching = WatchAsync();
        foreach (var node in (string[])["a", "b", "c"])
        {
            Start(node, two);
            await UntilAsync(() => shown.EndsWith(node, StringComparison.Ordinal));
        }

        Assert.Equal(1, two.Relayed);
        await UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            return two.Relayed > 1;
        });
        call.Dispose();
        await watching.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

        async Task WatchAsync()
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
                shown = string.Join(' ', call.ResponseStream.Current.Peers.Where(peer => peer.AgentConnected).Select(peer => peer.Name));
        }
    }

    [Fact]
    public async Task Only_a_replica_may_tell_of_agents_and_only_the_leader()
    {
        var (one, two) = (await StartAsync("one"), await StartAsync("two"));
        Lead(one);
        Assert.Equal(StatusCode.FailedPrecondition, await ShareAsync(two, RunningReplica.ReplicaToken));
        Assert.Equal(StatusCode.PermissionDenied, await ShareAsync(one, RunningReplica.AnyToken));
        Assert.Equal(StatusCode.PermissionDenied, await ShareAsync(one, RunningReplica.NodeToken));
        Assert.Equal(StatusCode.Unauthenticated, await ShareAsync(one, "somebody"));
        Assert.Equal("", one.Known);
    }

    private static async Task<StatusCode> ShareAsync(RunningReplica to, string token)
    {
        using var channel = to.Channel();
        using var call = new Rpc.Mesh.MeshClient(channel).Share(new Metadata { { "authorization", $"Bearer {token}" } }, DateTime.UtcNow + Patience);
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None));
        return e.StatusCode;
    }

    private async Task<RunningReplica> StartAsync(string name, TimeProvider? time = null)
    {
        var replica = await RunningReplica.StartAsync(name, _cluster, _authority, time);
        _replicas.Add(replica);
        return replica;
    }

    private void Lead(RunningReplica leader) => _replicas.ForEach(replica => replica.Follow(leader));

    private void Start(string node, params RunningReplica[] replicas) => _agents.Add(new RunningAgent(
        [.. replicas.Select(replica => replica.Address)],
        new OperatorCredentials(Path.Combine(_folder, "ca.crt"), Path.Combine(_folder, "token")),
        Path.Combine(_folder, node), _wire, _time, node, node[0] - 'a' + 1, [ProtocolVersion.One]));

    private static bool AllAreCurrent(RunningReplica replica) =>
        replica.Registry.Agents.Value.Values.All(agent => agent.HasApplied(replica.Plan.Revision));

    private static bool AllLinksAreUp(RunningReplica replica) =>
        replica.Registry.Agents.Value.Values.All(agent => agent.Report?.Links is { Length: 2 } links
            && links.All(link => link.State == Operator.Distribution.LinkState.Up));

    /// <summary>Has every link carry packets from now on, as soon as there are sessions.</summary>
    private async Task TalkAsync()
    {
        await UntilAsync(() => _agents.All(one => _agents.All(other => one == other || one.Plane.VersionWith(other.Plane) != 0)));
        _areTalking = true;
    }

    /// <summary>Lets time pass for agents and engines until the condition holds.</summary>
    private async Task UntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var watch = Stopwatch.StartNew();
        do
        {
            Assert.True(watch.Elapsed < Patience, $"Not within {Patience.TotalSeconds} s: {what}; known are "
                + string.Join(" | ", _replicas.Select(replica => $"{replica.Name}: {replica.Known}")) + $"; {_wire.Missing} packets missing");
            _wire.Step(_areTalking
                ? from one in _agents from other in _agents where one != other select (one.Plane, other.Plane)
                : []);
            await Task.Delay(5);
        }
        while (!condition());
    }
}
