using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>When a rekey is said to be overdue: a session was there, and another has been asked for in vain for 90 s and lately.</summary>
public class RekeyOverdueTests
{
    [Fact]
    public void It_is_when_packets_have_asked_for_as_long_as_an_attempt_takes()
    {
        var (lab, a, _) = Lab.Connected();
        var asked = a.Only.Current!.Created + Limits.RekeyAfterTime;
        lab.MoveTo(asked + TimeSpan.FromTicks(-1));
        Send(lab, a);
        for (var at = asked; at < asked + Limits.RekeyAttemptTime; at += TimeSpan.FromSeconds(1))
        {
            lab.MoveTo(at);
            Send(lab, a);
            Assert.False(IsOverdue(lab, a));
        }

        lab.MoveTo(asked + Limits.RekeyAttemptTime); // the session is 210 s old
        Send(lab, a);
        Assert.True(IsOverdue(lab, a));
    }

    [Fact]
    public void It_is_no_more_once_there_is_a_session_whoever_started_it()
    {
        foreach (var byUs in new[] { true, false })
        {
            var (lab, a, b) = Overdue();
            if (byUs)
            {
                lab.Pass(6); // the next retry
            }
            else
            {
                b.SendTo("10.0.0.1", "10.0.0.2");
                lab.Deliver();
            }

            Assert.False(IsOverdue(lab, a));
        }
    }

    [Fact]
    public void It_is_no_more_when_nobody_has_asked_for_180_seconds()
    {
        var (lab, a, _) = Overdue();
        lab.MoveTo(lab.Now + Limits.RejectAfterTime + TimeSpan.FromTicks(-1));
        Assert.True(IsOverdue(lab, a));
        lab.MoveTo(lab.Now + TimeSpan.FromTicks(1));
        Assert.False(IsOverdue(lab, a));

        // and what is asked for then is a new wish
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.False(IsOverdue(lab, a));
    }

    [Fact]
    public void A_link_that_has_its_sessions_is_never_and_neither_is_a_quiet_one()
    {
        var (lab, a, b) = Lab.Connected();
        for (var second = 0; second < 600; second++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1");
            lab.Pass(1);
            Assert.False(IsOverdue(lab, a) || IsOverdue(lab, b));
        }

        lab.Pass(600);
        Assert.False(IsOverdue(lab, a) || IsOverdue(lab, b));
    }

    [Fact]
    public void A_packet_now_and_then_to_a_peer_that_is_gone_does_not_make_it()
    {
        var (lab, a, _) = Lab.Connected();
        lab.Pass(300);
        for (var times = 0; times < 5; times++)
        {
            Send(lab, a);
            for (var second = 0; second < 240; second++)
            {
                lab.Pass(1, deliver: false);
                lab.Take();
                Assert.False(IsOverdue(lab, a));
            }
        }
    }

    [Fact]
    public void A_peer_that_never_had_a_session_has_none_to_renew()
    {
        var (lab, a, _) = Lab.Pair();
        for (var second = 0; second < 300; second++)
        {
            Send(lab, a);
            lab.Pass(1, deliver: false);
        }

        Assert.False(IsOverdue(lab, a));
        Assert.Equal(PeerLink.Down, a.Only.LinkAt(lab.Now));
    }

    private static (Lab Lab, Host A, Host B) Overdue()
    {
        var (lab, a, b) = Lab.Connected();
        lab.MoveTo(a.Only.Current!.Created + Limits.RekeyAfterTime);
        for (var second = 0; second <= 90; second++)
        {
            Send(lab, a);
            lab.MoveTo(lab.Now + TimeSpan.FromSeconds(second < 90 ? 1 : 0));
        }

        lab.Take();
        Assert.True(IsOverdue(lab, a));
        return (lab, a, b);
    }

    private static void Send(Lab lab, Host host)
    {
        host.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
    }

    private static bool IsOverdue(Lab lab, Host host) => host.Only.IsRekeyOverdue(lab.Now);
}
