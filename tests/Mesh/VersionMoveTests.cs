using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Protocol;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests;

/// <summary>
/// S14 from the manifest to the packets: a mesh of three, with real operator, agents and protocol, whose nodes come to speak a second
/// version. Version 2 is the tests' own.
/// </summary>
public sealed class VersionMoveTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly ImmutableArray<ProtocolVersion> OnlyOne = [ProtocolVersion.One];
    private static readonly ImmutableArray<ProtocolVersion> Both = [ProtocolVersion.One, TestVersions.Two];

    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-mesh-").FullName;
    private readonly ManualTime _time = new();
    private readonly Wire _wire;
    private readonly SortedDictionary<string, RunningAgent> _agents = new(StringComparer.Ordinal);
    private RunningOperator _operator = null!;
    private string[] _talking = []; // nodes of which every link carries packets all the time

    public VersionMoveTests() => _wire = new Wire(_time);

    public async Task InitializeAsync() => _operator = await RunningOperator.StartAsync(
        Path.Combine(_folder, "operator"), string.Concat(Enumerable.Range(1, 3).Select(number => $$"""
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: {{(char)('a' + number - 1)}}}
            spec: {podCIDRs: ["10.{{number}}.0.0/24"]}
            status: {addresses: [{type: InternalIP, address: 192.0.2.{{number}}}]}

            """)));

    public async Task DisposeAsync()
    {
        foreach (var agent in _agents.Values)
        {
            await agent.DisposeAsync();
        }

        await _operator.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Links_move_one_by_one_as_nodes_are_upgraded_and_the_others_lose_nothing()
    {
        Start("a", OnlyOne);
        Start("b", OnlyOne);
        Start("c", OnlyOne);
        await TalkAsync("a", "b", "c");
        Assert.Equal("ab1 ac1 bc1", Versions);

        // an upgraded agent has no sessions: what is on its way to it is lost, as ever; nothing else is
        await ReplaceAsync("c", Both, stillTalking: ["a", "b"]);
        await TalkAsync("a", "b", "c");
        Assert.Equal("ab1 ac1 bc1", Versions); // nobody else speaks it

        await ReplaceAsync("b", Both, stillTalking: ["a", "c"]);
        await TalkAsync("a", "b", "c");
        await UntilAsync(() => Versions == "ab1 ac1 bc2");

        await ReplaceAsync("a", Both, stillTalking: ["b", "c"]);
        await TalkAsync("a", "b", "c");
        await UntilAsync(() => Versions == "ab2 ac2 bc2");
        await NothingIsMissingAsync();
        Assert.Empty((await _operator.StatusAsync()).Conflicts);
    }

    [Fact]
    public async Task A_mesh_moves_at_the_generation_set_and_back_and_loses_nothing()
    {
        Mesh("protocol: {version: 2, atGeneration: 2}");
        // before any agent comes: without it links have the newest version at once
        for (var watch = Stopwatch.StartNew(); (await _operator.StatusAsync()).Protocol?.AtGeneration != 2; await Task.Delay(20))
            Assert.True(watch.Elapsed < Patience, "the operator does not take up the mesh's settings");
        Start("a", Both);
        Start("b", Both);
        Start("c", OnlyOne);
        await TalkAsync("a", "b", "c");
        Assert.Equal("ab1 ac1 bc1", Versions);

        Mesh("protocol: {version: 2, atGeneration: 2}, mtu: 1400");
        await UntilAsync(() => Versions == "ab2 ac1 bc1");
        Assert.Contains("protocol version 2 is not spoken by Node c", Assert.Single((await _operator.StatusAsync()).Conflicts), StringComparison.Ordinal);

        await ReplaceAsync("c", Both, stillTalking: ["a", "b"]);
        await TalkAsync("a", "b", "c");
        await UntilAsync(() => Versions == "ab2 ac2 bc2");

        Mesh("protocol: {version: 1}");
        await UntilAsync(() => Versions == "ab1 ac1 bc1");
        await NothingIsMissingAsync();
        Assert.All(_agents.Values, agent => Assert.Empty(agent.Status.Current.Errors));
    }

    [Fact]
    public async Task Tools_see_which_node_speaks_what_and_which_version_each_link_has()
    {
        Start("a", Both);
        Start("b", Both);
        Start("c", OnlyOne);
        await TalkAsync("a", "b", "c");
        await UntilAsync(() => Versions == "ab2 ac1 bc1");

        // agents report when time passes
        var watch = Stopwatch.StartNew();
        var status = await _operator.StatusAsync("a", "b", "c");
        while (Links(status) != "a-b2 a-c1 b-a2 b-c1 c-a1 c-b1")
        {
            Assert.True(watch.Elapsed < Patience, $"what tools see is {Links(status)}");
            await UntilAsync(() => true);
            status = await _operator.StatusAsync("a", "b", "c");
        }

        Assert.Equal([[1u, 2u], [1u, 2u], [1u]], status.Peers.Select(peer => peer.ProtocolVersions.ToArray()));

        static string Links(MeshStatus status) => string.Join(' ',
            from peer in status.Peers from link in peer.Links.OrderBy(link => link.Peer, StringComparer.Ordinal) select $"{peer.Name}-{link.Peer}{link.ProtocolVersion}");
    }

    /// <summary>The version of each pair's sessions, "ab1 ac2 …"; with a "?" where the two ends differ.</summary>
    private string Versions => string.Join(' ',
        from one in _agents
        from other in _agents
        where string.CompareOrdinal(one.Key, other.Key) < 0
        let there = one.Value.Plane.VersionWith(other.Value.Plane)
        let back = other.Value.Plane.VersionWith(one.Value.Plane)
        select $"{one.Key}{other.Key}{(there == back ? there : "?")}");

    private void Mesh(string spec) => _operator.Put("mesh.yaml", $$"""
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardMesh
        metadata: {name: default}
        spec: { {{spec}} }
        """);

    private void Start(string node, ImmutableArray<ProtocolVersion> versions) =>
        _agents[node] = new RunningAgent(_operator, Path.Combine(_folder, node), _wire, _time, node, node[0] - 'a' + 1, versions);

    /// <summary>The agent ends, and another one with the same state takes its place.</summary>
    private async Task ReplaceAsync(string node, ImmutableArray<ProtocolVersion> versions, string[] stillTalking)
    {
        await NothingIsMissingAsync();
        _talking = stillTalking;
        await _agents[node].DisposeAsync();
        Start(node, versions);
    }

    /// <summary>Waits until these are joined by sessions with the configuration of now, and has them talk from then on.</summary>
    private async Task TalkAsync(params string[] nodes)
    {
        await UntilAsync(() => _agents.Values.All(agent => agent.Status.Current.Applied is { FromCache: false }) && !Versions.Contains('0', StringComparison.Ordinal)
            && !Versions.Contains('?', StringComparison.Ordinal));
        _talking = nodes;
    }

    private Task NothingIsMissingAsync() => UntilAsync(() => _wire.Missing == 0);

    /// <summary>Lets time pass, with packets on all links in use, until the condition holds.</summary>
    private async Task UntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var watch = Stopwatch.StartNew();
        do
        {
            Assert.True(watch.Elapsed < Patience, $"Not within {Patience.TotalSeconds} s: {what}, but {Versions}, {_wire.Missing} packets missing");
            _wire.Step(from one in _talking from other in _talking where one != other select (_agents[one].Plane, _agents[other].Plane));
            await Task.Delay(5);
        }
        while (!condition());
    }
}
