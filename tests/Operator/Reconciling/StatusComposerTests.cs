using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Planning;
using static WgMesh.Operator.Tests.Reconciling.KnownAgents;

namespace WgMesh.Operator.Tests.Reconciling;

/// <summary>Of nodes a, b and c and a device "laptop", in revision 5.</summary>
public class StatusComposerTests
{
    private static readonly DateTimeOffset Now = Clusters.Day;
    private static readonly MeshPlan Releasing =
        (Clusters.Three.With(Clusters.Peer("laptop", 9)) with { Mesh = MeshRecord.Default with { Released = true } }).Plan();

    private static readonly MeshPlan Plan = Clusters.Three.With(Clusters.Peer("laptop", 9)).Plan();

    private readonly Dictionary<string, AgentStatus> _agents = new[] { Agent("a"), Agent("b"), Agent("c") }.ToDictionary(agent => agent.Node, agent => agent.Agent);
    private readonly Dictionary<string, WireGuardPeerStatus> _stored = [];
    private readonly HashSet<string> _newcomers = [];
    private readonly HashSet<string> _peersOfPeople = [];
    private readonly Dictionary<string, ulong> _changedIn = [];
    private bool _haveAgentsHadTime = true;
    private MeshPlan _plan = Plan;
    private DateTimeOffset _now = Now;

    // ---- Programmed

    [Fact]
    public void What_all_agents_have_applied_is_programmed_and_who_has_not_is_named()
    {
        Assert.Equal("True Programmed: 3 of 3 nodes have applied it.", Said("laptop", "Programmed"));
        _changedIn["laptop"] = 6;
        Assert.Equal("False Pending: 0 of 3 nodes have applied it.", Said("laptop", "Programmed"));
        _agents["a"] = _agents["a"] with { CurrentRevision = 6 };
        Assert.Equal("False Pending: 1 of 3 nodes has applied it; waiting for b, c.", Said("laptop", "Programmed"));
        Assert.Equal("False NotProgrammed: 1 of 3 nodes has applied it; waiting for b, c.", Said("laptop", "Ready"));
        Assert.Equal("True Programmed", Is("a", "Programmed"));
    }

    [Fact]
    public void An_agent_that_has_only_just_come_makes_nobodys_peer_unprogrammed_but_one_that_stays_without_does()
    {
        _agents["c"] = _agents["c"] with { CurrentRevision = 0, Report = null };
        _newcomers.Add("c");
        Assert.Equal("True Programmed: 2 of 2 nodes have applied it.", Said("laptop", "Programmed"));
        Assert.Equal(("True Idle", "True Programmed"), (Is("laptop", "Ready"), Is("a", "Programmed")));
        Assert.Equal("False AgentStarting", Is("c", "Ready"));

        _newcomers.Clear();
        Assert.Equal("False Pending: 2 of 3 nodes have applied it; waiting for c.", Said("laptop", "Programmed"));
    }

    [Fact]
    public void An_agent_whose_key_the_plan_does_not_have_makes_nobodys_peer_unprogrammed()
    {
        // it is sent nothing: somebody's peer has the node's name, or its new key is yet to be stored
        _agents["c"] = _agents["c"] with { CurrentRevision = 0, Hello = _agents["c"].Hello with { PublicKey = Clusters.Key(77) } };
        Assert.Equal("True Programmed: 2 of 2 nodes have applied it.", Said("laptop", "Programmed"));

        _plan = Clusters.Three.With(Clusters.Node("d")).With(Clusters.Peer("laptop", 9)).Plan();
        _agents["d"] = Agent("d").Agent with { CurrentRevision = 0 };
        Assert.Equal("True Programmed", Is("laptop", "Programmed"));
        Assert.Equal("True Idle", Is("laptop", "Ready"));
    }

    [Fact]
    public void Without_agents_nothing_is_programmed()
    {
        _agents.Clear();
        Assert.Equal(("False NoAgents", "False NotProgrammed"), (Is("laptop", "Programmed"), Is("laptop", "Ready")));
        Assert.Equal("False AgentNotConnected", Is("a", "Ready"));
    }

    // ---- Ready

    [Fact]
    public void A_device_is_ready_while_a_node_has_a_session_or_none_wants_one()
    {
        Assert.Equal("True Idle", Is("laptop", "Ready"));
        Report("a", Link("laptop", LinkState.Up));
        Assert.Equal("True Connected", Is("laptop", "Ready"));
        Report("b", Link("laptop", LinkState.Down));
        Assert.Equal("True PartlyConnected: 1 of 2 nodes has a live session; b: never an answer.", Said("laptop", "Ready"));
        Assert.Equal("1/2", Compose().Peers["laptop"].ConnectedNodes);
        Report("a", Link("laptop", LinkState.Down, Now.ToUnixTimeSeconds()));
        Assert.Equal(
            "False Unreachable: 0 of 2 nodes have a live session; a: no answer since 2026-11-01 00:00 UTC; b: never an answer.", Said("laptop", "Ready"));
    }

    [Fact]
    public void A_node_is_ready_while_its_agent_is_connected_and_has_no_errors()
    {
        Assert.Equal("True Idle", Is("a", "Ready"));
        _agents["a"] = _agents["a"] with { Report = _agents["a"].Report! with { Errors = ["no TUN", "no more"] } };
        Assert.Equal("False AgentFailed: The node's agent reports 2 errors: no TUN; no more.", Said("a", "Ready"));
        _agents["a"] = _agents["a"] with { IsConnected = false };
        Assert.Equal("False AgentNotConnected", Is("a", "Ready"));
        Assert.Equal("True Idle", Is("b", "Ready"));
        var ready = Compose().Mesh!.Conditions.Single(condition => condition.Type == "Ready");
        Assert.Equal("False", ready.Status);
        Assert.StartsWith("2 of 3 nodes are ready; a: The node's agent is not connected", ready.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_is_refused_is_not_accepted_and_says_why_and_others_are_as_they_were()
    {
        _plan = Clusters.Three.With(Clusters.Peer("laptop", 9, age: 1), Clusters.Peer("twin", 9)).Plan();
        Assert.StartsWith("False DuplicatePublicKey: ", Said("twin", "Accepted"), StringComparison.Ordinal);
        Assert.Equal(("False NotAccepted", "False NotAccepted"), (Is("twin", "Programmed"), Is("twin", "Ready")));
        Assert.Null(Compose().Peers["twin"].ConnectedNodes);
        Assert.Equal(("True Accepted", "True Idle"), (Is("laptop", "Accepted"), Is("laptop", "Ready")));
    }

    [Fact]
    public void The_faults_of_a_node_are_told_and_the_mesh_says_how_many_nodes_have_some()
    {
        Fail("a", "cni: /etc/cni/net.d is read-only: make it writable.", "masquerade: there is no nft: install it.");
        Assert.Equal(
            "False AgentFailed: The node's agent reports 2 errors: cni: /etc/cni/net.d is read-only: make it writable; masquerade: there is no nft: install it.",
            Said("a", "Ready"));
        Assert.Equal(
            "2 of 3 nodes are ready; a: its agent reports 2 errors; the first: cni: /etc/cni/net.d is read-only: make it writable; the agent of 1 node reports errors.",
            MeshCondition("Ready").Message);

        Fail("b", "host: no");
        Assert.EndsWith("; and b; the agents of 2 nodes report errors.", MeshCondition("Ready").Message, StringComparison.Ordinal);
        _agents["a"] = _agents["a"] with { IsConnected = false };
        Assert.EndsWith("; the agent of 1 node reports errors.", MeshCondition("Ready").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_many_faults_some_are_told_and_the_others_are_a_number()
    {
        Fail("a", [.. Enumerable.Range(1, 32).Select(i => $"fault {i}{new string('.', 512)}")]);
        var message = Condition("a", "Ready").Message!;
        Assert.StartsWith("The node's agent reports 32 errors: fault 1; fault 2; ", message, StringComparison.Ordinal);
        Assert.EndsWith("; fault 8; and 24 more.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_lost_all_that_it_asked_for_is_not_ready()
    {
        _plan = Clusters.Three.With(Clusters.Peer("laptop", 9, 0, "10.244.2.0/24"), Clusters.Peer("phone", 10)).PlanAsStored();
        Assert.Equal("True AllowedIPsConflict", Is("laptop", "Accepted"));
        Assert.Equal("True Programmed: 3 of 3 nodes have applied it; no prefix is routed to it.", Said("laptop", "Programmed"));
        Assert.Equal("False NothingToReach: No prefix is routed to it, for it got none: see the condition Accepted.", Said("laptop", "Ready"));
        Assert.Equal("True Idle", Is("phone", "Ready")); // which is about to be given an address

        _plan = Clusters.Three.With(Clusters.Peer("laptop", 9, 0, "10.244.2.0/24", "10.99.0.1/32")).Plan();
        Assert.Equal(("True AllowedIPsConflict", "True Idle"), (Is("laptop", "Accepted"), Is("laptop", "Ready")));
    }

    [Fact]
    public void Whether_packets_may_leave_in_plain_is_a_condition()
    {
        Assert.Equal(("True", "PolicyClosed"), (MeshCondition("FailClosed").Status, MeshCondition("FailClosed").Reason));
        _plan = (Clusters.Three with { Mesh = MeshRecord.Default with { FailurePolicy = Crds.FailurePolicy.Open } }).Plan();
        Assert.Equal(("False", "PolicyOpen"), (MeshCondition("FailClosed").Status, MeshCondition("FailClosed").Reason));
        Assert.Contains("leaves its node unencrypted", MeshCondition("FailClosed").Message, StringComparison.Ordinal);
    }

    // ---- released

    [Fact]
    public void While_nodes_are_asked_to_release_the_mesh_says_how_far_they_are()
    {
        Assert.Null(Compose().Mesh!.ReleasedNodes);
        _plan = Releasing;
        AssertReleased(0, "Releasing: 0 of 3 nodes have released; waiting for a, b, c.");
        Release("b");
        AssertReleased(1, "Releasing: 1 of 3 nodes has released; waiting for a, c.");
        _agents["a"] = _agents["a"] with { IsConnected = false };
        AssertReleased(1, "Releasing: 1 of 3 nodes has released; waiting for c; no agent is connected of a.");
        Release("c");
        AssertReleased(2, "PartlyReleased: 2 of 3 nodes have released; no agent is connected of a.");
        Release("a"); // before it left
        AssertReleased(2, "PartlyReleased: 2 of 3 nodes have released; no agent is connected of a.");
        _agents["a"] = _agents["a"] with { IsConnected = true };
        AssertReleased(3, "Released: 3 of 3 nodes have released.");

        Assert.Equal("False Released: Nothing of the mesh is left on the node.", Said("a", "Ready"));
        Assert.Equal("False NoAgents", Is("a", "Programmed"));
    }

    [Fact]
    public void A_new_leader_does_not_take_nodes_for_gone_whose_agents_may_be_about_to_come()
    {
        _plan = Releasing;
        _haveAgentsHadTime = false;
        _agents.Remove("a");
        Release("b");
        Release("c");
        AssertReleased(2, "Releasing: 2 of 3 nodes have released; no agent is connected of a.");
        _haveAgentsHadTime = true;
        AssertReleased(2, "PartlyReleased: 2 of 3 nodes have released; no agent is connected of a.");
    }

    [Fact]
    public void A_node_that_has_released_holds_up_nobody_and_says_how_it_takes_part_again()
    {
        Release("c");
        _agents["c"] = _agents["c"] with { CurrentRevision = 1 };
        Assert.Equal("True Programmed: 2 of 2 nodes have applied it.", Said("laptop", "Programmed"));
        Assert.Equal(
            "False Released: Nothing of the mesh is left on the node, as was asked for before; it takes part again when its agent is started anew.",
            Said("c", "Ready"));
        Assert.Null(Compose().Mesh!.ReleasedNodes);
    }

    // ---- what objects are about

    [Fact]
    public void A_refused_pin_that_has_its_nodes_name_says_that_it_is_refused_and_the_node_has_no_peer()
    {
        _plan = Clusters.Three.With(Clusters.Peer("a", 0) with { NodeName = "a" }).Plan();
        Assert.Equal(2, _plan.Outcomes.Count(outcome => outcome.Name == "a"));
        _peersOfPeople.Add("a");
        Assert.Equal(("False Invalid", "False NotAccepted"), (Is("a", "Accepted"), Is("a", "Ready")));
        Assert.Equal("2 of 3 nodes are ready; a: it has no WireGuardPeer.", MeshCondition("Ready").Message);

        _plan = Clusters.Three.With(Clusters.Peer("a", 1) with { NodeName = "a" }).Plan();
        Assert.Equal(("True Accepted", "True Idle"), (Is("a", "Accepted"), Is("a", "Ready")));
        Assert.Equal("All 3 nodes are ready.", MeshCondition("Ready").Message);
    }

    // ---- times

    [Fact]
    public void A_time_of_transition_moves_only_with_the_status_of_its_condition()
    {
        Store();
        _now = Now.AddHours(1);
        Report("a", Link("laptop", LinkState.Up)); // another reason and message
        Assert.Equal(Now, Condition("laptop", "Ready").LastTransitionTime);
        Assert.Equal("Connected", Condition("laptop", "Ready").Reason);
        Report("a", Link("laptop", LinkState.Down));
        Assert.Equal(Now.AddHours(1), Condition("laptop", "Ready").LastTransitionTime);
        Assert.Equal(Now, Condition("laptop", "Programmed").LastTransitionTime);
    }

    [Fact]
    public void What_is_the_same_is_composed_the_same()
    {
        Report("a", Link("b", LinkState.Up, Now.ToUnixTimeSeconds(), "192.0.2.2:1"), Link("laptop", LinkState.Idle));
        Store();
        _now = Now.AddHours(1);
        Assert.All(Compose().Peers, peer => Assert.True(StatusPatch.Same(_stored[peer.Key], peer.Value)));
        Assert.Equal(4, _stored.Count);
    }

    [Fact]
    public void The_last_handshake_outlives_the_agents_that_told_of_it()
    {
        Report("a", Link("laptop", LinkState.Up, Now.ToUnixTimeSeconds() - 5, "192.0.2.9:1"));
        Store();
        Report("a", Link("laptop", LinkState.Idle));
        Assert.Equal((Now.AddSeconds(-5), "192.0.2.9:1"), (Compose().Peers["laptop"].LastHandshakeTime, Compose().Peers["laptop"].Endpoint));
        Report("a", Link("laptop", LinkState.Up, Now.ToUnixTimeSeconds() - 4));
        Assert.Equal(Now.AddSeconds(-4), Compose().Peers["laptop"].LastHandshakeTime);
    }

    [Fact]
    public void A_handshake_of_the_future_is_not_taken_up_and_does_not_stay()
    {
        Report("a", Link("laptop", LinkState.Up, Now.AddYears(9).ToUnixTimeSeconds()));
        Assert.Null(Compose().Peers["laptop"].LastHandshakeTime);

        Store();
        _stored["laptop"].LastHandshakeTime = Now.AddYears(9); // what was written before
        Assert.Null(Compose().Peers["laptop"].LastHandshakeTime);
        Report("a", Link("laptop", LinkState.Up, Now.ToUnixTimeSeconds()));
        Assert.Equal(Now, Compose().Peers["laptop"].LastHandshakeTime);
        _stored["laptop"].LastHandshakeTime = Now.AddSeconds(60); // clocks differ
        Assert.Equal(Now.AddSeconds(60), Compose().Peers["laptop"].LastHandshakeTime);
    }

    [Fact]
    public void A_handshake_at_a_time_that_cannot_be_stops_nobodys_status()
    {
        Report("a", Link("b", LinkState.Up, 1L << 60), Link("laptop", LinkState.Down, long.MinValue));
        Report("b", Link("laptop", LinkState.Down, long.MaxValue));
        Assert.Equal(4, Compose().Peers.Count);
        Assert.Equal("False Unreachable: 0 of 2 nodes have a live session; a: never an answer; b: never an answer.", Said("laptop", "Ready"));
    }

    // ---- a new leader

    [Fact]
    public void A_new_leader_says_nothing_worse_of_the_same_spec_until_agents_had_time()
    {
        Report("a", Link("laptop", LinkState.Up));
        Store();
        _agents.Clear();
        _haveAgentsHadTime = false;
        Assert.Equal(("True Programmed", "True Connected"), (Is("laptop", "Programmed"), Is("laptop", "Ready")));
        Assert.Equal("1/1", Compose().Peers["laptop"].ConnectedNodes);
        Assert.Equal("True Idle", Is("a", "Ready"));
        Assert.All(Compose().Peers, peer => Assert.True(StatusPatch.Same(_stored[peer.Key], peer.Value)));

        _stored["laptop"].Conditions[1].ObservedGeneration = 0; // of another spec
        Assert.Equal("False NoAgents", Is("laptop", "Programmed"));
        _haveAgentsHadTime = true;
        Assert.Equal(("False NoAgents", "False AgentNotConnected"), (Is("b", "Programmed"), Is("b", "Ready")));
    }

    // ---- newcomers

    [Fact]
    public void An_agent_is_new_until_it_has_applied_something_or_half_a_minute_has_passed()
    {
        var time = new ManualTime();
        var newcomers = new Newcomers(time);
        _agents["a"] = _agents["a"] with { CurrentRevision = 0 };
        _agents["b"] = _agents["b"] with { CurrentRevision = 0, IsConnected = false };
        Assert.Equal(["a"], Update());
        time.Advance(Newcomers.Patience / 2);
        _agents["b"] = _agents["b"] with { IsConnected = true };
        Assert.Equal(["a", "b"], Update());
        time.Advance(Newcomers.Patience / 2);
        Assert.Equal(["b"], Update());
        _agents["a"] = _agents["a"] with { Stream = 2 };
        Assert.Equal(["a", "b"], Update());
        _agents["b"] = _agents["b"] with { CurrentRevision = 1 };
        Assert.Equal(["a"], Update());
        _agents.Remove("a");
        Assert.Empty(Update());

        IEnumerable<string> Update() => newcomers.Update(_agents.ToImmutableDictionary(StringComparer.Ordinal)).Order(StringComparer.Ordinal);
    }

    private void Fail(string node, params string[] faults) =>
        _agents[node] = _agents[node] with { Report = _agents[node].Report! with { Errors = [.. faults] } };

    private void Release(string node) => _agents[node] = _agents[node] with { Report = _agents[node].Report! with { Released = true } };

    private void Report(string node, params LinkStatus[] links) =>
        _agents[node] = _agents[node] with { Report = _agents[node].Report! with { Links = [.. links] } };

    private void Store()
    {
        foreach (var (name, status) in Compose().Peers)
            _stored[name] = status;
    }

    private StatusSet Compose() => StatusComposer.Compose(new StatusInputs
    {
        Plan = _plan,
        View = new ClusterView
        {
            Peers = _plan.Outcomes.DistinctBy(outcome => outcome.Name).ToImmutableDictionary(outcome => outcome.Name, Object, StringComparer.Ordinal),
            Mesh = new StoredResource { Kind = "WireGuardMesh", Metadata = { Name = "default" } },
        },
        Agents = _agents.ToImmutableDictionary(StringComparer.Ordinal),
        Newcomers = _newcomers,
        Now = _now,
        HaveAgentsHadTime = _haveAgentsHadTime,
        ChangedIn = outcome => _changedIn.GetValueOrDefault(outcome.Name, 5UL),
        Stored = name => _stored.GetValueOrDefault(name),
        StoredMesh = null,
    });

    private StoredPeer Object(PeerOutcome outcome)
    {
        var item = new StoredResource { Kind = "WireGuardPeer", Metadata = { Name = outcome.Name, Uid = outcome.Name, Generation = 2 } };
        if (outcome.Node is { } node && !_peersOfPeople.Contains(outcome.Name))
        {
            item.Metadata.Labels[StoredPeer.ManagedByLabel] = StoredPeer.ManagedBy;
            item.Metadata.OwnerReferences.Add(new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = node, Uid = node });
        }

        return StoredPeer.Read(item, null, "wgmesh");
    }

    private Condition MeshCondition(string type) => Compose().Mesh!.Conditions.Single(condition => condition.Type == type);

    private void AssertReleased(int nodes, string said)
    {
        Assert.Equal(nodes, Compose().Mesh!.ReleasedNodes);
        var ready = MeshCondition("Ready");
        Assert.Equal(("False", said), (ready.Status, $"{ready.Reason}: {ready.Message}"));
    }

    private Condition Condition(string peer, string type) => Compose().Peers[peer].Conditions.Single(condition => condition.Type == type);

    private string Is(string peer, string type) => $"{Condition(peer, type).Status} {Condition(peer, type).Reason}";

    private string Said(string peer, string type) => $"{Is(peer, type)}: {Condition(peer, type).Message}";
}
