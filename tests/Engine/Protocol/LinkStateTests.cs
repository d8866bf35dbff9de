using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>What a snapshot says of how a link is: idle, up, or wanted and unanswered.</summary>
public class LinkStateTests
{
    [Fact]
    public void A_link_that_nobody_uses_is_neither_up_nor_unanswered()
    {
        var (_, a, _) = Lab.Pair();
        Assert.Equal((false, 0), StateOf(a));
    }

    [Fact]
    public void A_session_is_live_until_it_is_180_seconds_old()
    {
        var (lab, a, b) = Lab.Connected();
        var made = a.Only.Current!.Created;
        Assert.Equal((true, 0), StateOf(a));
        Assert.Equal((true, 0), StateOf(b));

        lab.MoveTo(made + Limits.RejectAfterTime + TimeSpan.FromTicks(-1));
        Assert.True(StateOf(a).IsLive);
        lab.MoveTo(made + Limits.RejectAfterTime);
        Assert.Equal((false, 0), StateOf(a)); // over, and nobody asked for another
    }

    [Fact]
    public void A_responders_session_is_live_when_the_initiator_has_confirmed_it()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext(); // the initiation
        Assert.False(StateOf(b).IsLive);
        lab.Deliver();
        Assert.True(StateOf(b).IsLive);
    }

    [Fact]
    public void Initiations_count_as_unanswered_until_a_handshake_is_complete()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal((false, 1), StateOf(a));
        lab.Take();
        lab.Pass(6, deliver: false);
        Assert.Equal((false, 2), StateOf(a));
        lab.Deliver();
        Assert.Equal((true, 0), StateOf(a));
    }

    [Fact]
    public void A_call_of_the_peers_is_no_answer_while_ours_are_lost()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.DeliverNext(); // its initiation: b will not hear the response
        Assert.Equal(1, StateOf(a).Unanswered);
    }

    [Fact]
    public void A_rekey_that_is_lost_does_not_count_while_the_peer_is_heard_under_the_old_session()
    {
        var (lab, a, b) = Lab.Connected();
        lab.MoveTo(a.Only.Current!.Created + Limits.RekeyAfterTime);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        Assert.Equal(1, StateOf(a).Unanswered);

        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.DeliverNext();
        Assert.Equal((true, 0), StateOf(a));
    }

    [Fact]
    public void A_peer_that_died_is_unanswered_also_after_it_was_given_up_until_the_keys_are_wiped()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(100, deliver: false);
        Assert.Equal(1, a.Only.Counters.GivenUp);
        Assert.InRange(StateOf(a).Unanswered, 17, 18);

        lab.Pass(Limits.ZeroKeysAfter, deliver: false);
        Assert.Equal((false, 0), StateOf(a)); // nobody has asked for it for minutes
    }

    [Fact]
    public void Wiping_old_keys_does_not_forget_calls_that_are_going_on()
    {
        var (lab, a, _) = Lab.Connected();
        var wiped = a.Only.Current!.Created + Limits.ZeroKeysAfter;
        lab.MoveTo(wiped + TimeSpan.FromSeconds(-30));
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(40, deliver: false);
        Assert.Null(a.Only.Current);
        Assert.InRange(StateOf(a).Unanswered, 7, 8);
    }

    [Theory]
    [InlineData(false, 0, PeerLink.Idle)]
    [InlineData(false, 1, PeerLink.Idle)] // it may just be on its way
    [InlineData(true, 0, PeerLink.Up)]
    [InlineData(true, 1, PeerLink.Up)]
    [InlineData(true, 2, PeerLink.Down)] // a session that nobody answers on
    [InlineData(false, 2, PeerLink.Down)]
    public void A_link_is_up_with_a_live_session_and_down_when_calls_go_unanswered(bool isLive, int unanswered, PeerLink expected) =>
        Assert.Equal(expected, PeerLinks.Of(isLive, unanswered));

    private static (bool IsLive, int Unanswered) StateOf(Host host)
    {
        var peer = PeerSnapshot.Of(host.Only, host.Core);
        Assert.Equal(host.Only.LinkAt(Instant.Now(host.Core.Time)), peer.Link); // what is measured is what is reported
        return (peer.HasLiveSession, peer.UnansweredInitiations);
    }
}
