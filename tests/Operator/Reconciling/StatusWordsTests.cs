using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Reconciling;

public sealed class StatusWordsTests
{
    private const ulong Newest = 7;

    private static readonly DateTimeOffset Now = Day.AddHours(1).AddMilliseconds(300);

    private readonly Dictionary<string, AgentStatus> _agents = [];
    private readonly Dictionary<string, WireGuardPeerStatus> _stored = [];
    private readonly Dictionary<string, ulong> _changedIn = [];
    private ClusterState _cluster = Three.With(Peer("laptop", 9));
    private ImmutableArray<string> _meshProblems = [];
    private WireGuardMeshStatus? _storedMesh;
    private bool _haveAgentsHadTime = true;
    private DateTimeOffset _now = Now;

    [Fact]
    public void A_peer_of_which_some_nodes_want_a_session_in_vain_is_ready_and_names_them()
    {
        Connect("a", Link("laptop", LinkState.Up, Day));
        Connect("b", Link("laptop", LinkState.Down, Day.AddMinutes(2)));
        Connect("c", Link("laptop", LinkState.Down));
        var laptop = Compose().Peers["laptop"];
        AssertIs(laptop, "Ready", "True", "PartlyConnected", "1 of 3 nodes has a live session; b: no answer since 2026-11-01 00:02 UTC; c: never an answer.");
        Assert.Equal(("1/3", Day.AddMinutes(2), "192.0.2.9:1"), (laptop.ConnectedNodes, laptop.LastHandshakeTime, laptop.Endpoint));
    }

    [Fact]
    public void Of_many_in_vain_three_are_named()
    {
        _cluster = _cluster.With([.. Enumerable.Range(0, 6).Select(i => Node($"x{i}"))]);
        for (var i = 5; i >= 0; i--)
        {
            _cluster = _cluster.Announcing($"x{i}", 20 + i);
            Connect($"x{i}", Link("laptop", LinkState.Down));
        }

        AssertIs(Compose().Peers["laptop"], "Ready", "False", "Unreachable",
            "0 of 6 nodes have a live session; x0: never an answer; x1: never an answer; x2: never an answer; and 3 more without an answer.");
    }

    [Fact]
    public void A_quiet_peer_is_ready()
    {
        Connect("a", Link("laptop", LinkState.Idle, Day));
        var laptop = Compose().Peers["laptop"];
        AssertIs(laptop, "Ready", "True", "Idle", "No node has or wants a session: there is no traffic.");
        Assert.Equal("0/0", laptop.ConnectedNodes);
    }

    [Fact]
    public void What_not_all_agents_have_applied_is_not_programmed_and_a_device_not_ready()
    {
        Connect("a", Newest);
        Connect("b", Newest - 2, Link("laptop", LinkState.Up));
        Connect("c", Newest - 1);
        _changedIn["laptop"] = Newest - 1;
        _changedIn["a"] = Newest - 2;
        var status = Compose();
        AssertIs(status.Peers["laptop"], "Programmed", "False", "Pending", "2 of 3 nodes have applied it; waiting for b.");
        AssertIs(status.Peers["laptop"], "Ready", "False", "NotProgrammed", "2 of 3 nodes have applied it; waiting for b.");
        AssertIs(status.Peers["a"], "Programmed", "True", "Programmed", "3 of 3 nodes have applied it.");

        _changedIn["laptop"] = Newest + 1; // no agent can have that yet
        AssertIs(Compose().Peers["laptop"], "Programmed", "False", "Pending", "0 of 3 nodes have applied it.");
    }

    [Fact]
    public void Agents_that_are_not_connected_are_not_waited_for()
    {
        Connect("a", Newest);
        Connect("b", 0);
        _agents["b"] = _agents["b"] with { IsConnected = false };
        _changedIn["laptop"] = Newest;
        AssertIs(Compose().Peers["laptop"], "Programmed", "True", "Programmed", "1 of 1 node has applied it.");
        _agents.Clear();
        AssertIs(Compose().Peers["laptop"], "Programmed", "False", "NoAgents", "No agent is connected that has a configuration.");
    }

    [Fact]
    public void A_node_is_ready_when_its_agent_is_there_without_errors_and_somebody_reaches_it()
    {
        Connect("a", Link("b", LinkState.Down, Day));
        Connect("b");
        Connect("c", Link("b", LinkState.Down, Day));
        AssertIs(Compose().Peers["b"], "Ready", "False", "Unreachable",
            "0 of 2 nodes have a live session; a: no answer since 2026-11-01 00:00 UTC; c: no answer since 2026-11-01 00:00 UTC.");

        Connect("c", Link("b", LinkState.Up, Day));
        AssertIs(Compose().Peers["b"], "Ready", "True", "PartlyConnected", "1 of 2 nodes has a live session; a: no answer since 2026-11-01 00:00 UTC.");

        _agents["b"] = _agents["b"] with { Report = _agents["b"].Report! with { Errors = ["the route 10.0.0.0/8 could not be set", "another"] } };
        AssertIs(Compose().Peers["b"], "Ready", "False", "AgentFailed", "The node's agent reports 2 errors: the route 10.0.0.0/8 could not be set; another.");

        _agents["b"] = _agents["b"] with { Report = null };
        AssertIs(Compose().Peers["b"], "Ready", "False", "AgentStarting", "The node's agent is connected and has not reported yet.");

        _agents["b"] = _agents["b"] with { IsConnected = false };
        AssertIs(Compose().Peers["b"], "Ready", "False", "AgentNotConnected",
            "The node's agent is not connected to the operator. 1 of 2 nodes has a live session; a: no answer since 2026-11-01 00:00 UTC.");
    }

    [Fact]
    public void A_node_without_a_key_waits_and_one_that_is_refused_says_where_to_look()
    {
        _cluster = _cluster.With(Node("d")).With(Peer("twin", 9, age: -1));
        var status = Compose();
        AssertIs(status.Peers["d"], "Accepted", "Unknown", "Waiting", "the node's agent has not announced a key yet.");
        AssertIs(status.Peers["d"], "Ready", "False", "Waiting", "The node's agent has not announced a key yet.");
        AssertIs(status.Peers["twin"], "Programmed", "False", "NotAccepted", "No node has it: see the condition Accepted.");
        Assert.Equal(("False", "DuplicatePublicKey"), (Condition(status.Peers["twin"], "Accepted").Status, Condition(status.Peers["twin"], "Accepted").Reason));
        Assert.Null(status.Peers["twin"].ConnectedNodes);
    }

    [Fact]
    public void A_time_of_transition_moves_with_the_status_alone_and_has_whole_seconds()
    {
        Connect("a", Link("laptop", LinkState.Up));
        _stored["laptop"] = Compose().Peers["laptop"];
        Assert.Equal(Day.AddHours(1), Condition(_stored["laptop"], "Ready").LastTransitionTime);

        _now += TimeSpan.FromMinutes(5);
        Connect("b", Link("laptop", LinkState.Down));
        var worse = Compose().Peers["laptop"];
        Assert.Equal("PartlyConnected", Condition(worse, "Ready").Reason);
        Assert.Equal(Day.AddHours(1), Condition(worse, "Ready").LastTransitionTime);

        Connect("a", Link("laptop", LinkState.Down));
        var bad = Compose().Peers["laptop"];
        Assert.Equal(Day.AddHours(1).AddMinutes(5), Condition(bad, "Ready").LastTransitionTime);
        Assert.Equal(Day.AddHours(1), Condition(bad, "Accepted").LastTransitionTime);
    }

    [Fact]
    public void The_same_state_says_the_same_later()
    {
        Connect("a", Link("laptop", LinkState.Up, Day), Link("b", LinkState.Down));
        var first = Compose();
        foreach (var (name, status) in first.Peers)
            _stored[name] = status;
        _storedMesh = first.Mesh;
        _now += TimeSpan.FromDays(1);
        var second = Compose();
        Assert.All(second.Peers, entry => Assert.True(StatusPatch.Same(first.Peers[entry.Key], entry.Value)));
        Assert.True(StatusPatch.Same(first.Mesh!, second.Mesh!));
    }

    [Fact]
    public void A_handshake_that_agents_forgot_is_not_forgotten()
    {
        Connect("a", Link("laptop", LinkState.Up, Day.AddMinutes(1)));
        _stored["laptop"] = Compose().Peers["laptop"];
        Connect("a", Link("laptop", LinkState.Idle));
        var later = Compose().Peers["laptop"];
        Assert.Equal((Day.AddMinutes(1), "192.0.2.9:1"), (later.LastHandshakeTime, later.Endpoint));
    }

    [Fact]
    public void A_new_leader_keeps_what_was_true_until_agents_had_time_to_come_and_no_longer_for_another_spec()
    {
        Connect("a", Link("laptop", LinkState.Up));
        Connect("b");
        var before = Compose();
        foreach (var (name, status) in before.Peers)
            _stored[name] = status;
        _storedMesh = before.Mesh;

        _agents.Clear();
        _haveAgentsHadTime = false;
        var early = Compose();
        Assert.All(early.Peers, entry => Assert.True(StatusPatch.SameInEssence(before.Peers[entry.Key], entry.Value)));
        Assert.Equal("1/1", early.Peers["laptop"].ConnectedNodes);
        Assert.Equal(before.Mesh!.LinksUp, early.Mesh!.LinksUp);

        _cluster = _cluster with { Peers = [_cluster.Peers[0] with { Generation = 5 }] };
        AssertIs(Compose().Peers["laptop"], "Programmed", "False", "NoAgents", "No agent is connected that has a configuration.");

        _haveAgentsHadTime = true;
        Assert.Equal("AgentNotConnected", Condition(Compose().Peers["a"], "Ready").Reason);
    }

    [Fact]
    public void The_mesh_counts_a_link_between_nodes_once_and_names_nodes_that_are_not_ready()
    {
        Connect("a", Link("b", LinkState.Up), Link("c", LinkState.Down), Link("laptop", LinkState.Up));
        Connect("b", Link("a", LinkState.Down), Link("c", LinkState.Idle), Link("laptop", LinkState.Idle));
        var mesh = Compose().Mesh!;
        Assert.Equal((3, 2, 1, 2), (mesh.Nodes, mesh.LinksUp, mesh.LinksDown, mesh.LinksIdle));
        Assert.Equal(1400, mesh.Mtu);
        Assert.Equal(["1.0"], mesh.AgentVersions);
        Assert.Equal((1, 3, 3), (mesh.Protocol!.Version, mesh.Protocol.Nodes, mesh.Protocol.ReadyNodes));
        var ready = mesh.Conditions.Single(condition => condition.Type == "Ready");
        Assert.Equal(("False", "NodesNotReady"), (ready.Status, ready.Reason));
        Assert.Equal(
            "1 of 3 nodes is ready; a: 0 of 1 node has a live session; b: never an answer; and c.",
            ready.Message);

        Connect("a");
        Connect("b");
        Connect("c");
        Assert.Equal("All 3 nodes are ready.", Compose().Mesh!.Conditions.Single(condition => condition.Type == "Ready").Message);
    }

    [Fact]
    public void Settings_that_cannot_be_used_are_not_accepted()
    {
        _meshProblems = ["spec.mtu: is 1; must be from 1280 to 65455"];
        var accepted = Compose().Mesh!.Conditions.Single(condition => condition.Type == "Accepted");
        Assert.Equal(("False", "Invalid", "spec.mtu: is 1; must be from 1280 to 65455."), (accepted.Status, accepted.Reason, accepted.Message));
    }

    [Fact]
    public void Ten_thousand_conflicts_fit_into_the_schema()
    {
        _cluster = _cluster.With([.. Enumerable.Range(0, 400).Select(i => Peer($"twin{i}", 9, age: -1))]);
        var conflicts = Compose().Mesh!.Conflicts;
        Assert.Equal(256, conflicts.Count);
        Assert.Equal("... and 145 more", conflicts[^1]);
    }

    private StatusSet Compose()
    {
        var plan = _cluster.Plan();
        var nodes = _cluster.Nodes.ToImmutableDictionary(
            node => node.Name, node => new Node { Metadata = { Name = node.Name, Uid = "uid-" + node.Name } }, StringComparer.Ordinal);
        var own = _cluster.Nodes.Select(node => Stored(node.Name, null) with
        {
            Owner = new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = node.Name, Uid = "uid-" + node.Name },
        });
        return StatusComposer.Compose(new StatusInputs
        {
            Plan = plan,
            View = new ClusterView
            {
                State = _cluster,
                Nodes = nodes,
                Peers = own.Concat(_cluster.Peers.Select(peer => Stored(peer.Name, peer)))
                    .ToImmutableDictionary(peer => peer.Name, StringComparer.Ordinal),
                Mesh = new StoredResource { Kind = "WireGuardMesh", Metadata = { Name = "default" } },
                MeshProblems = _meshProblems,
            },
            Agents = _agents.ToImmutableDictionary(StringComparer.Ordinal),
            Now = _now,
            HaveAgentsHadTime = _haveAgentsHadTime,
            Newcomers = new HashSet<string>(),
            ChangedIn = outcome => _changedIn.GetValueOrDefault(outcome.Name),
            Stored = name => _stored.GetValueOrDefault(name),
            StoredMesh = _storedMesh,
        });
    }

    private static StoredPeer Stored(string name, PeerRecord? record) => new()
    {
        Object = new StoredResource { Kind = "WireGuardPeer", Metadata = { Name = name, Generation = 1 } },
        Owner = null,
        Spec = new WireGuardPeerSpec(),
        Record = record,
        Unusable = null,
        Announcement = null,
        Allocated = [],
        Status = null,
    };

    private void Connect(string node, params LinkStatus[] links) => Connect(node, Newest, links);

    private void Connect(string node, ulong revision, params LinkStatus[] links) => _agents[node] = new AgentStatus
    {
        Hello = new CheckedHello(node, _cluster.Announcements[node].PublicKey, [], "1.0", VersionSet.One),
        IsConnected = true,
        CurrentRevision = revision,
        Report = new AgentReport(revision, 1400, [], [.. links]),
    };

    private static LinkStatus Link(string peer, LinkState state, DateTimeOffset? handshake = null) =>
        new(peer, state, 1, handshake?.ToUnixTimeSeconds() ?? 0, handshake is null ? "" : "192.0.2.9:1", 0, 0);

    private static Condition Condition(WireGuardPeerStatus status, string type) => status.Conditions.Single(condition => condition.Type == type);

    private static void AssertIs(WireGuardPeerStatus peer, string type, string status, string reason, string message)
    {
        var condition = Condition(peer, type);
        Assert.Equal((status, reason, message), (condition.Status, condition.Reason!, condition.Message!));
    }
}
