using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>How long a handshake is said to have taken.</summary>
public class HandshakeTookTests
{
    private readonly List<double> _seconds = [];

    [Fact]
    public void It_is_the_time_from_the_initiation_to_the_session_and_the_initiators_to_tell()
    {
        var (lab, a, b) = Pair();
        b.Core.HandshakeTook = _ => Assert.Fail("the responder cannot know when the initiator began");
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Time.Advance(TimeSpan.FromMilliseconds(20));
        lab.Deliver();
        Assert.Equal([0.020], _seconds);
    }

    [Fact]
    public void Retries_are_in_it()
    {
        var (lab, a, _) = Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        lab.Pass(12, deliver: false); // two retries, of which the last one arrives
        lab.Wire.RemoveAt(0);
        lab.Deliver();
        Assert.InRange(Assert.Single(_seconds), 12, 12.1);
    }

    [Fact]
    public void Each_handshake_has_its_own()
    {
        var (lab, a, _) = Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.MoveTo(a.Only.Current!.Created + Limits.RekeyAfterTime);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Time.Advance(TimeSpan.FromMilliseconds(30));
        lab.Deliver();
        Assert.Equal([0, 0.030], _seconds);
    }

    [Fact]
    public void An_outage_is_no_handshake_that_takes_an_hour()
    {
        var (lab, a, _) = Pair();
        for (var second = 0; second < 3600; second++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1"); // a new wish each time, so that it is never given up
            lab.Take();
            lab.Pass(1, deliver: false);
        }

        lab.Take();
        lab.Pass(10);
        Assert.InRange(Assert.Single(_seconds), 0, 96);
    }

    [Fact]
    public void An_attempt_that_was_given_up_is_no_part_of_the_next()
    {
        var (lab, a, _) = Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(60, deliver: false);
        a.SendTo("10.0.0.2", "10.0.0.1"); // so the attempt goes on beyond 90 s, and what is measured begins anew
        lab.Pass(100, deliver: false);
        Assert.Equal(1, a.Only.Counters.GivenUp);
        lab.Take();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Equal([0], _seconds);
    }

    [Fact]
    public void A_session_that_the_peer_started_ends_the_attempt_and_counts_for_nothing()
    {
        var (lab, a, b) = Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take(); // ours is lost
        lab.Pass(3, deliver: false);
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        Assert.Equal((1, 0), (a.Only.Counters.CompletedAsResponder, _seconds.Count));

        lab.MoveTo(b.Only.Current!.Created + Limits.RejectAfterTime);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Equal([0], _seconds);
    }

    private (Lab Lab, Host A, Host B) Pair()
    {
        var (lab, a, b) = Lab.Pair();
        a.Core.HandshakeTook = took => _seconds.Add(took.TotalSeconds);
        return (lab, a, b);
    }
}
