using System.Collections.Immutable;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Reconciling;

public sealed class GatewayChoiceTests
{
    private static readonly ImmutableArray<string> Gateways = ["a", "b", "c"];

    [Theory]
    // agents: what a, b and c say of their link to the device: up, down, idle, silent (no report yet), gone (not connected)
    [InlineData(null, "idle idle idle", "a")]  // the first by name
    [InlineData(null, "gone idle idle", "b")]
    [InlineData(null, "idle idle up", "c")]    // the one that the device uses
    [InlineData("b", "up up idle", "b")]       // stays with one that is up
    [InlineData("b", "idle idle idle", "b")]   // a quiet one is not a broken one
    [InlineData("b", "silent silent silent", "b")]
    [InlineData("b", "up idle idle", "a")]     // the device went elsewhere
    [InlineData("b", "idle down up", "c")]
    [InlineData("b", "idle down idle", "a")]
    [InlineData("b", "down down down", "b")]   // nobody is better
    [InlineData("b", "idle gone idle", "a")]
    [InlineData("b", "gone gone up", "c")]
    [InlineData("b", "gone gone down", "c")]   // an agent at least
    [InlineData("b", "gone gone gone", "b")]
    [InlineData("x", "idle idle idle", "a")]   // it is no gateway any more
    [InlineData("x", "gone gone gone", "a")]
    public void The_gateway_is_the_one_that_the_device_uses(string? current, string states, string expected) =>
        Assert.Equal(expected, GatewayChoice.Choose("device", Gateways, current, [], Agents(states), haveAgentsHadTime: true));

    [Theory]
    [InlineData("b", "idle gone idle", "b")]   // its agent may be about to come
    [InlineData("b", "up gone idle", "a")]     // the device is elsewhere, that is sure
    [InlineData("x", "gone gone gone", "a")]
    public void A_new_leader_does_not_move_what_it_only_has_not_heard_of(string? current, string states, string expected) =>
        Assert.Equal(expected, GatewayChoice.Choose("device", Gateways, current, [], Agents(states), haveAgentsHadTime: false));

    [Theory]
    [InlineData("b", "up idle idle", true)]    // its session may be the next to come
    [InlineData("b", "up silent idle", true)]
    [InlineData("b", "up down idle", false)]
    [InlineData("b", "up gone idle", false)]
    [InlineData("x", "up idle idle", false)]   // it is no gateway any more
    [InlineData(null, "up idle idle", false)]
    public void A_gateway_that_is_merely_quiet_is_not_left_in_haste(string? current, string states, bool mayComeUp) =>
        Assert.Equal(mayComeUp, GatewayChoice.MayComeUp("device", Gateways, current, Agents(states)));

    [Fact]
    public void Without_gateways_there_is_none() =>
        Assert.Null(GatewayChoice.Choose("device", [], "a", [], Agents("up up up"), haveAgentsHadTime: true));

    [Fact]
    public void A_device_that_is_off_is_looked_for_through_each_gateway_once()
    {
        // each gateway's link goes down when it gets the traffic; after some minutes without, it is idle again
        var (current, moves, tried) = ("a", new List<string>(), new HashSet<string>());
        for (var round = 0; round < 12; round++)
        {
            var next = Choose(current, string.Join(' ', Gateways.Select(node => node == current ? "down" : "idle")))!;
            if (next != current)
                moves.Add(next);
            current = next;
        }

        Assert.Equal(["b", "c"], moves);
        Assert.Equal("a", Choose("c", "idle idle gone")); // in vain, but its agent is there at least

        // the device is there, and goes away again
        Assert.Equal("a", Choose(current, "up idle down"));
        Assert.Equal("b", Choose("a", "down idle idle"));

        string? Choose(string from, string states) =>
            GatewayChoice.Choose("device", Gateways, from, tried, Agents(states), haveAgentsHadTime: true);
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
            Assert.True(device.Due("b", time) <= TimeSpan.Zero);
        }

        Assert.Equal([0.25, 0.5, 1, 2, 4, 8, 10, 10], delays);
        device.IsStored();
        Assert.Equal(TimeSpan.Zero, device.Due("c", time));
    }

    [Fact]
    public void A_gateway_that_may_come_up_is_given_time_for_as_long_as_it_may()
    {
        var time = new ManualTime();
        var device = new GatewayWriter.Device("uid").Chose("a", mayComeUp: true, time);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(3), device.Chose("a", mayComeUp: true, time).Due("a", time));
        Assert.Equal(TimeSpan.FromSeconds(5), device.Chose("c", mayComeUp: true, time).Due("c", time));
        Assert.Equal(TimeSpan.Zero, device.Chose("c", mayComeUp: false, time).Due("c", time));
    }

    private static ImmutableDictionary<string, AgentStatus> Agents(string states) => states.Split(' ').Zip(Gateways).ToImmutableDictionary(
        pair => pair.Second,
        pair => new AgentStatus
        {
            Hello = new CheckedHello(pair.Second, Key(1), [], "1.0", VersionSet.One),
            IsConnected = pair.First != "gone",
            Report = pair.First == "silent" ? null : new AgentReport(1, 1420, [], pair.First is "up" or "down"
                ? [new LinkStatus("another", LinkState.Up, 1, 1, "", 0, 0), new LinkStatus("device", pair.First == "up" ? LinkState.Up : LinkState.Down, 1, 1, "", 0, 0)]
                : []),
        });
}
