using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Every timer, a tick before its moment and at it. A tick is 100 ns.</summary>
public class TimerTests
{
    // ---- handshakes

    [Theory]
    [InlineData(0, 5.0)]
    [InlineData(1, 5.333)]
    public void An_initiation_is_retransmitted_after_5_seconds_and_a_jitter_of_at_most_333_milliseconds(double jitter, double seconds)
    {
        var (lab, a, _) = Lab.Pair();
        a.Random.ScriptInitiation(1, jitter);
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Single(lab.Take());
        ExpectAt(lab, lab.Now + TimeSpan.FromSeconds(seconds), MessageType.Initiation);
    }

    [Fact]
    public void Jitter_differs_from_one_retransmission_to_the_next_and_stays_within_its_bounds()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var gaps = new HashSet<TimeSpan>();
        for (var i = 0; i < 16; i++)
        {
            var gap = a.Core.NextDeadline - lab.Now;
            Assert.InRange(gap, Limits.RekeyTimeout, Limits.RekeyTimeout + Limits.RekeyTimeoutJitter);
            gaps.Add(gap);
            lab.MoveTo(a.Core.NextDeadline);
        }

        Assert.True(gaps.Count > 8, "hardly any jitter");
    }

    [Fact]
    public void Two_initiations_to_a_peer_are_at_least_5_seconds_apart_whoever_wants_them()
    {
        var (lab, a, b) = Lab.Pair();
        a.Random.ScriptInitiation(1, jitter: 1);
        var start = lab.Now;
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Single(lab.Take());
        lab.MoveTo(Before(start + Limits.RekeyTimeout));
        a.SendTo("10.0.0.2", "10.0.0.1");
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 1, Connect = true });
        Assert.Empty(lab.Wire);
        lab.MoveTo(start + Limits.RekeyTimeout);
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Wire).Type);
    }

    [Fact]
    public void After_90_seconds_of_retries_the_handshake_is_given_up_what_waits_is_dropped_and_zeroing_is_armed()
    {
        var (lab, a, _) = Lab.Pair();
        var start = lab.Now;
        for (var i = 0; i < 18; i++)
        {
            a.Random.ScriptInitiation((uint)i + 1, jitter: 0);
        }

        a.SendTo("10.0.0.2", "10.0.0.1");
        for (var seconds = 5; seconds < 90; seconds += 5)
        {
            lab.MoveTo(start + TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(18, lab.Take().Count); // at 0, 5, ..., 85
        lab.MoveTo(Before(start + Limits.RekeyAttemptTime));
        Assert.Equal((1, 0L), (a.Only.StagedCount, a.Only.Counters.GivenUp));
        Assert.Equal(1, a.Core.Indices.Count);

        lab.MoveTo(start + Limits.RekeyAttemptTime);
        Assert.Equal((0, 1L, 1L), (a.Only.StagedCount, a.Only.Counters.GivenUp, a.Only.Counters.Drops[DropReason.NoSession]));
        Assert.Equal(0, a.Core.Indices.Count);
        Assert.Equal(lab.Now + Limits.ZeroKeysAfter, a.Core.NextDeadline);
        Assert.Empty(lab.Wire);
    }

    [Fact]
    public void Giving_up_does_not_push_back_the_zeroing_of_an_older_session()
    {
        var (lab, a, _) = Lab.Connected();
        var zeroing = lab.Now + Limits.ZeroKeysAfter;
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(200));
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(100, deliver: false);
        Assert.Equal(1, a.Only.Counters.GivenUp);
        Assert.Equal(zeroing, a.Core.NextDeadline);
    }

    [Fact]
    public void Without_an_endpoint_to_retry_at_a_handshake_is_given_up_at_once()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        a.Apply(new DeviceUpdate { ReplacePeers = true, Peers = [new PeerUpdate { PublicKey = b.Identity.PublicKey }] });
        Assert.Equal(1, a.Only.StagedCount);
        lab.MoveTo(a.Core.NextDeadline);
        Assert.Equal((0, 1L, 1L), (a.Only.StagedCount, a.Only.Counters.GivenUp, a.Only.Counters.Drops[DropReason.NoSession]));
        Assert.Empty(lab.Wire);
    }

    [Theory]
    [InlineData(0, 15.0)]
    [InlineData(1, 15.333)]
    public void Data_sent_and_nothing_heard_starts_a_handshake_after_15_seconds_and_jitter(double jitter, double seconds)
    {
        var (lab, a, _) = Lab.Connected();
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(6));
        a.Random.ScriptJitter(jitter);
        var start = lab.Now;
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Single(lab.Take());
        lab.MoveTo(start + TimeSpan.FromSeconds(5));
        a.SendTo("10.0.0.2", "10.0.0.1"); // the first one counts
        Assert.Single(lab.Take());
        ExpectAt(lab, start + TimeSpan.FromSeconds(seconds), MessageType.Initiation);
    }

    [Theory]
    [InlineData("data")]
    [InlineData("keepalive")]
    [InlineData("handshake")]
    public void Whatever_is_heard_and_authentic_ends_the_wait(string heard)
    {
        var (lab, a, b) = Lab.Connected();
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(6));
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(14));
        switch (heard)
        {
            case "data": b.SendTo("10.0.0.1", "10.0.0.2"); break;
            case "keepalive": b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PersistentKeepalive = 100 }); break;
            default:
                b.Restart();
                b.AddPeer(a, "10.0.0.1/32");
                b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Connect = true });
                break;
        }

        lab.DeliverNext();
        Assert.Equal(DropReason.None, a.Outcomes[^1]);
        lab.Take();
        lab.Pass(5, deliver: false);
        Assert.Equal(1, a.Only.Counters.InitiationsSent);
    }

    // ---- keepalives

    [Fact]
    public void Data_heard_and_nothing_sent_is_answered_by_an_empty_packet_after_10_seconds()
    {
        var (lab, a, b) = Lab.Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        Assert.True(ExpectAt(lab, lab.Now + Limits.KeepaliveTimeout, MessageType.Transport, from: a).IsKeepalive);
    }

    [Fact]
    public void Anything_sent_meanwhile_spares_the_keepalive()
    {
        var (lab, a, b) = Lab.Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        lab.Pass(9);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        var sent = a.Only.Counters.SentBytes;
        lab.Pass(60);
        Assert.Equal(sent, a.Only.Counters.SentBytes);
    }

    [Fact]
    public void What_was_answered_before_is_not_answered_again()
    {
        var (lab, a, b) = Lab.Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        b.SendTo("10.0.0.1", "10.0.0.2"); // while the first is owed an answer
        lab.Deliver();
        a.SendTo("10.0.0.2", "10.0.0.1"); // answers both
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        var sent = a.Only.Counters.SentBytes;
        lab.Pass(60);
        Assert.Equal(sent + Messages.TransportMinimumLength, a.Only.Counters.SentBytes); // for the third alone
    }

    [Fact]
    public void A_stream_that_is_only_heard_is_answered_every_10_seconds()
    {
        var (lab, a, b) = Lab.Connected();
        for (var i = 0; i < 50; i++)
        {
            b.SendTo("10.0.0.1", "10.0.0.2");
            lab.Pass(1);
        }

        Assert.InRange(b.Only.Counters.ReceivedBytes - 148 - 32, 4 * 32, 5 * 32); // beside A's initiation and confirmation
        Assert.Equal(1, a.Only.Counters.InitiationsSent + b.Only.Counters.InitiationsSent);
    }

    [Fact]
    public void A_keepalive_alone_is_never_answered()
    {
        var (lab, a, b) = Lab.Connected();
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PersistentKeepalive = 100 });
        lab.Deliver();
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PersistentKeepalive = 0 });
        var sent = a.Only.Counters.SentBytes;
        lab.Pass(170);
        Assert.Equal(sent, a.Only.Counters.SentBytes);
    }

    [Fact]
    public void A_persistent_keepalive_is_sent_at_once_when_switched_on_and_then_at_its_interval()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 7 });
        Assert.True(Assert.Single(lab.Take()).IsKeepalive);
        Assert.True(ExpectAt(lab, lab.Now + TimeSpan.FromSeconds(7), MessageType.Transport).IsKeepalive);
        Assert.True(ExpectAt(lab, lab.Now + TimeSpan.FromSeconds(7), MessageType.Transport).IsKeepalive);

        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 7 }); // it was on: nothing to send at once
        Assert.Empty(lab.Wire);
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 0 });
        lab.Pass(60, deliver: false);
        Assert.Empty(lab.Wire);
    }

    [Theory]
    [InlineData("data sent")]
    [InlineData("data heard")]
    [InlineData("keepalive heard")]
    [InlineData("handshake heard")]
    public void A_persistent_keepalive_is_pushed_back_by_any_authentic_packet_either_way(string traffic)
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 9 });
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(8.5));
        lab.Take();
        switch (traffic)
        {
            case "data sent": a.SendTo("10.0.0.2", "10.0.0.1"); break;
            case "data heard": b.SendTo("10.0.0.1", "10.0.0.2"); break;
            case "keepalive heard": b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PersistentKeepalive = 1000 }); break;
            default:
                b.Restart();
                b.AddPeer(a, "10.0.0.1/32");
                b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Connect = true });
                break;
        }

        lab.DeliverNext();
        lab.Take();
        Assert.True(ExpectAt(lab, lab.Now + TimeSpan.FromSeconds(9), MessageType.Transport, from: a).IsKeepalive);
    }

    [Fact]
    public void What_is_not_authentic_pushes_nothing_back()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 9 });
        var due = lab.Now + TimeSpan.FromSeconds(9);
        lab.Take();
        lab.MoveTo(due + TimeSpan.FromSeconds(-1));
        b.SendTo("10.0.0.1", "10.0.0.2");
        var frame = lab.Take().Single();
        frame.Bytes[^1] ^= 1;
        lab.Deliver(frame);
        Assert.True(ExpectAt(lab, due, MessageType.Transport).IsKeepalive);
    }

    // ---- the age of a key

    [Fact]
    public void An_initiator_that_sends_rekeys_when_the_key_is_120_seconds_old()
    {
        var (lab, a, _) = Lab.Connected();
        var made = lab.Now;
        lab.MoveTo(Before(made + Limits.RekeyAfterTime));
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal([MessageType.Transport], lab.Take().Select(frame => frame.Type));
        lab.MoveTo(made + Limits.RekeyAfterTime);
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal([MessageType.Transport, MessageType.Initiation], lab.Take().Select(frame => frame.Type));
    }

    [Fact]
    public void A_key_that_has_sent_exactly_2_to_60_messages_is_kept_and_one_more_is_too_many()
    {
        var (lab, a, _) = Lab.Connected();
        lab.MoveTo(lab.Now + Limits.RekeyTimeout);
        a.Only.Current!.NextCounter = Limits.RekeyAfterMessages - 1;
        a.SendTo("10.0.0.2", "10.0.0.1"); // the 2^60th
        Assert.Equal([MessageType.Transport], lab.Take().Select(frame => frame.Type));
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal([MessageType.Transport, MessageType.Initiation], lab.Take().Select(frame => frame.Type));
    }

    [Fact]
    public void An_initiator_that_only_hears_rekeys_at_165_seconds_and_once_per_session()
    {
        var (lab, a, b) = Lab.Connected();
        var made = lab.Now;
        lab.MoveTo(Before(made + TimeSpan.FromSeconds(165)));
        Hear(lab, b);
        Assert.Empty(lab.Wire);
        lab.MoveTo(made + TimeSpan.FromSeconds(165));
        Hear(lab, b);
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Take()).Type);

        // beyond the smallest gap: what keeps it quiet is that it has asked already
        lab.Time.Advance(TimeSpan.FromSeconds(6));
        Hear(lab, b);
        Assert.Empty(lab.Wire);
        Assert.Equal(2, a.Only.Counters.InitiationsSent);
    }

    [Fact]
    public void A_new_session_may_ask_again()
    {
        var (lab, a, b) = Lab.Connected();
        for (var sessions = 2L; sessions < 5; sessions++)
        {
            lab.Pass(165);
            Hear(lab, b);
            lab.Deliver();
            Assert.Equal(sessions, a.Only.Counters.CompletedAsInitiator);
        }
    }

    [Fact]
    public void A_responder_does_not_rekey_for_what_it_hears()
    {
        var (lab, a, b) = Lab.Connected();
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(119));
        a.Only.Current!.RekeyRequested = true;
        lab.MoveTo(lab.Now + TimeSpan.FromSeconds(55));
        var message = new byte[Messages.TransportMinimumLength]; // past the initiator's own rekey on sending
        Assert.True(a.Only.Current.TrySeal(message));
        lab.Deliver(new Frame(a.Address, b.Address, message));
        Assert.Equal(DropReason.None, b.Outcomes[^1]);
        Assert.Equal(0, b.Only.Counters.InitiationsSent);
    }

    [Fact]
    public void A_key_sends_until_it_is_180_seconds_old()
    {
        var (lab, _, b) = Lab.Connected();
        var made = lab.Now;
        lab.MoveTo(Before(made + Limits.RejectAfterTime));
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Equal(MessageType.Transport, Assert.Single(lab.Take()).Type);
        lab.MoveTo(made + Limits.RejectAfterTime);
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Take()).Type);
        Assert.Equal(1, b.Only.StagedCount);
    }

    [Fact]
    public void A_key_receives_until_it_is_180_seconds_old()
    {
        var (lab, a, b) = Lab.Connected();
        var made = lab.Now;
        b.SendTo("10.0.0.1", "10.0.0.2", "in time");
        b.SendTo("10.0.0.1", "10.0.0.2", "late");
        var frames = lab.Take();
        lab.MoveTo(Before(made + Limits.RejectAfterTime));
        lab.Deliver(frames[0]);
        lab.MoveTo(made + Limits.RejectAfterTime);
        lab.Deliver(frames[1]);
        Assert.Equal([DropReason.None, DropReason.SessionExpired], a.Outcomes.TakeLast(2));
        Assert.Equal("in time", Text(Assert.Single(a.Received)));
    }

    [Fact]
    public void All_keys_are_zeroed_540_seconds_after_the_last_session_was_made()
    {
        var (lab, a, b) = Lab.Connected();
        lab.Pass(130);
        a.SendTo("10.0.0.2", "10.0.0.1"); // rekeys: previous and current
        lab.Deliver();
        var made = lab.Now;
        var sessions = new[] { a.Only.Previous!, a.Only.Current!, b.Only.Previous!, b.Only.Current! };
        lab.MoveTo(Before(made + Limits.ZeroKeysAfter));
        lab.Take();
        Assert.All(sessions, session => Assert.True(Seals(session)));
        lab.MoveTo(made + Limits.ZeroKeysAfter);
        Assert.All(sessions, session => Assert.False(Seals(session)));
        Assert.Equal((null, null, null), (a.Only.Previous, a.Only.Current, a.Only.Next));
        Assert.Equal(0, a.Core.Indices.Count + b.Core.Indices.Count);
    }

    // ---- who is looked at, and when

    [Fact]
    public void A_thousand_peers_that_fall_silent_are_looked_at_a_few_times_and_then_not_at_all()
    {
        const int count = 1000;
        var lab = new Lab();
        var hub = lab.AddHost("192.0.2.1:51820");
        for (var i = 0; i < count; i++)
        {
            var spoke = lab.AddHost($"198.51.{i >> 8}.{i & 255}:51820");
            hub.AddPeer(spoke, $"10.{i >> 8}.{i & 255}.1/32");
            spoke.AddPeer(hub, "10.255.0.1/32");
            hub.SendTo($"10.{i >> 8}.{i & 255}.1", "10.255.0.1");
            for (var answered = false; lab.Wire.Count > 0;)
            {
                var frame = lab.Take().Single();
                (frame.To == hub.Address ? hub : spoke).Receive(frame);
                if (spoke.Received.Count > 0 && !answered)
                {
                    answered = true;
                    spoke.SendTo("10.255.0.1", $"10.{i >> 8}.{i & 255}.1");
                }
            }
        }

        Assert.All(hub.Core.Peers, peer => Assert.NotNull(peer.Current));
        Assert.Equal(count, hub.Core.Timers.Count);
        var start = lab.Now;
        var wakes = new List<TimeSpan>();
        while (hub.Core.NextDeadline <= start + TimeSpan.FromHours(1))
        {
            lab.Time.Advance(hub.Core.NextDeadline - lab.Now);
            hub.Advance();
            wakes.Add(lab.Now - start);
        }

        // per peer: the first handshake's deadline, which has long moved away; the keepalive that is owed; the end of the keys
        Assert.InRange(wakes.Count, 1, 4 * count);
        Assert.True(wakes[^1] <= Limits.ZeroKeysAfter);
        Assert.Equal(count, lab.Wire.Count(frame => frame.IsKeepalive));
        Assert.Equal(Instant.Never, hub.Core.NextDeadline);
        Assert.Equal(0, hub.Core.Timers.Count);
    }

    [Fact]
    public void An_idle_peer_with_a_persistent_keepalive_is_looked_at_once_per_interval()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 25 });
        lab.Pass(30); // what the handshake left behind
        var wakes = 0;
        var end = lab.Now + TimeSpan.FromSeconds(100);
        while (a.Core.NextDeadline <= end)
        {
            lab.Time.Advance(a.Core.NextDeadline - lab.Now);
            a.Advance();
            lab.Deliver();
            wakes++;
        }

        Assert.Equal(4, wakes);
    }

    [Fact]
    public void Hours_of_sleep_cost_one_look_at_the_timers()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 25 });
        lab.Deliver();
        lab.Time.Advance(TimeSpan.FromHours(10));
        a.Advance();
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Wire).Type); // for the keepalive that is due
        lab.Deliver();
        Assert.NotNull(a.Only.Current);
        Assert.True(a.Only.Current.CanSend(lab.Now));
        Assert.True(a.Core.NextDeadline > lab.Now);
    }

    /// <summary>Nothing is sent a tick before the moment, and one datagram at it.</summary>
    private static Frame ExpectAt(Lab lab, Instant moment, MessageType type, Host? from = null)
    {
        lab.MoveTo(Before(moment));
        Assert.DoesNotContain(lab.Wire, frame => from is null || frame.From == from.Address);
        lab.MoveTo(moment);
        var sent = Assert.Single(lab.Take(), frame => from is null || frame.From == from.Address);
        Assert.Equal(type, sent.Type);
        return sent;
    }

    private static Instant Before(Instant moment) => moment + TimeSpan.FromTicks(-1);

    private static void Hear(Lab lab, Host sender)
    {
        sender.SendTo("10.0.0.1", "10.0.0.2");
        lab.DeliverNext();
    }

    private static bool Seals(Session session) => session.TrySeal(new byte[64]);
}
