using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;
using LinkState = WgMesh.Operator.Distribution.LinkState;

namespace WgMesh.Operator.Tests.Reconciling;

public class GatewayChoiceTests
{
    private readonly HashSet<string> _tried = [];

    [Fact]
    public void The_first_is_the_one_whose_link_is_up_else_one_whose_agent_is_connected()
    {
        Assert.Equal("b", Choose(null, ("a", LinkState.Idle), ("b", LinkState.Up), ("c", LinkState.Up)));
        Assert.Equal("b", Choose(null, ("a", null), ("b", LinkState.Idle), ("c", LinkState.Idle)));
        Assert.Equal("b", Choose(null, ("a", null), ("b", LinkState.Down)));
        Assert.Equal("a", Choose(null, ("a", null), ("b", null)));
        Assert.Null(Choose("a"));
    }

    [Fact]
    public void A_gateway_stays_while_its_link_is_up_or_idle_and_no_others_is_up()
    {
        Assert.Equal("b", Choose("b", ("a", LinkState.Up), ("b", LinkState.Up)));
        Assert.Equal("b", Choose("b", ("a", LinkState.Idle), ("b", LinkState.Idle)));
        Assert.Equal("b", Choose("b", ("a", LinkState.Down), ("b", LinkState.Idle)));
        Assert.Equal("a", Choose("b", ("a", LinkState.Up), ("b", LinkState.Idle)));
    }

    [Fact]
    public void A_gateway_whose_link_is_down_or_whose_agent_left_or_that_admits_the_device_no_more_is_left()
    {
        Assert.Equal("c", Choose("b", ("a", LinkState.Idle), ("b", LinkState.Down), ("c", LinkState.Up)));
        Assert.Equal("a", Choose("b", ("a", LinkState.Idle), ("b", LinkState.Down)));
        Assert.Equal("c", Choose("b", ("a", LinkState.Down), ("b", null), ("c", LinkState.Idle)));
        Assert.Equal("a", Choose("b", ("a", LinkState.Down), ("b", null)));
        Assert.Equal("a", Choose("gone", ("a", LinkState.Idle), ("b", LinkState.Idle)));
        Assert.Equal("b", Choose("b", ("a", null), ("b", null)));
    }

    [Fact]
    public void An_agent_that_may_be_about_to_come_keeps_its_device_unless_anothers_link_is_up()
    {
        Assert.Equal("b", Choose("b", false, ("a", LinkState.Idle), ("b", null)));
        Assert.Equal("a", Choose("b", false, ("a", LinkState.Up), ("b", null)));
        Assert.Equal("a", Choose("b", true, ("a", LinkState.Idle), ("b", null)));
    }

    [Fact]
    public void A_device_that_is_off_is_looked_for_through_each_gateway_once()
    {
        // each gateway's link goes down when it gets the traffic; after some minutes without, it is idle again
        var (current, moves) = ("a", new List<string>());
        for (var round = 0; round < 12; round++)
        {
            var states = new[] { "a", "b", "c" }.Select(node => (node, (LinkState?)(node == current ? LinkState.Down : LinkState.Idle))).ToArray();
            var next = Choose(current, states)!;
            if (next != current)
                moves.Add(next);
            current = next;
        }

        Assert.Equal(["b", "c"], moves);

        // it is there, and goes away again
        Assert.Equal("a", Choose(current, ("a", LinkState.Up), ("b", LinkState.Idle), ("c", LinkState.Down)));
        Assert.Equal("b", Choose("a", ("a", LinkState.Down), ("b", LinkState.Idle), ("c", LinkState.Idle)));
    }

    [Fact]
    public void A_gateway_that_was_tried_in_vain_takes_over_all_the_same_when_the_agent_of_the_current_one_leaves()
    {
        Assert.Equal("b", Choose("a", ("a", LinkState.Down), ("b", LinkState.Idle)));
        Assert.Equal("b", Choose("b", ("a", LinkState.Idle), ("b", LinkState.Down)));
        Assert.Equal("a", Choose("b", ("a", LinkState.Idle), ("b", null)));
    }

    [Fact]
    public void A_choice_that_was_written_is_waited_for_and_one_that_failed_is_tried_again_after_a_delay_that_doubles()
    {
        var time = new ManualTime();
        var device = new GatewayWriter.Device("uid");
        Assert.Equal(TimeSpan.Zero, device.Due("a", time));

        device.Wrote("a", isWritten: true, time);
        Assert.Equal(TimeSpan.FromSeconds(10), device.Due("a", time));
        Assert.Equal(TimeSpan.Zero, device.Due("b", time)); // another choice does not wait

        var delays = new List<double>();
        for (var i = 0; i < 8; i++)
        {
            device.Wrote("b", isWritten: false, time);
            delays.Add(device.Due("a", time).TotalSeconds);
            time.Advance(device.Due("b", time));
            Assert.Equal(TimeSpan.Zero, device.Due("b", time));
        }

        Assert.Equal([0.25, 0.5, 1, 2, 4, 8, 10, 10], delays);
        device.IsStored();
        Assert.Equal(TimeSpan.Zero, device.Due("c", time));
    }

    [Fact]
    public void An_agent_that_has_not_reported_yet_counts_as_idle() =>
        Assert.Equal("b", GatewayChoice.Choose("camera", ["a", "b"], "b", _tried,
            ImmutableDictionary<string, AgentStatus>.Empty.Add("b", AgentOf("b", null) with { Report = null }), haveAgentsHadTime: true));

    private string? Choose(string? current, params (string Node, LinkState? State)[] gateways) => Choose(current, true, gateways);

    /// <param name="gateways">The nodes that admit the device, and the states of their links to it; null: no agent is connected.</param>
    private string? Choose(string? current, bool haveAgentsHadTime, params (string Node, LinkState? State)[] gateways) => GatewayChoice.Choose(
        "camera",
        [.. gateways.Select(gateway => gateway.Node)],
        current,
        _tried,
        gateways.ToImmutableDictionary(gateway => gateway.Node, gateway => AgentOf(gateway.Node, gateway.State), StringComparer.Ordinal),
        haveAgentsHadTime);

    private static AgentStatus AgentOf(string node, LinkState? state) => new()
    {
        Hello = new CheckedHello(node, Key(1), [], "1.0", VersionSet.One),
        IsConnected = state is not null,
        Report = new AgentReport(1, 1420, [], [new LinkStatus("camera", state ?? LinkState.Up, 1, 0, "", 0, 0)]),
    };
}
