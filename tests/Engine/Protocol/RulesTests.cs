using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>
/// The numbered rules of the protocol that the engine keeps: retries, rekeying, key confirmation, sessions, padding,
/// endpoints and cryptokey routing. PeerTests has what is beyond them.
/// </summary>
public class RulesTests
{
    // ---- S1: cookie replies

    [Fact]
    public void S1_under_load_an_initiation_with_mac1_alone_gets_a_cookie_reply_and_nothing_else()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();

        Assert.Equal(DropReason.UnderLoad, Assert.Single(b.Outcomes));
        Assert.Equal(MessageType.CookieReply, Assert.Single(lab.Wire).Type);
        Assert.Equal(0, b.Only.Counters.InitiationsReceived);
    }

    [Fact]
    public void S1_under_load_a_response_with_mac1_alone_gets_a_cookie_reply_too()
    {
        var (lab, a, b) = Lab.Pair();
        a.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        Assert.Equal(MessageType.Response, Assert.Single(lab.Wire).Type);
        lab.DeliverNext();

        Assert.Equal(DropReason.UnderLoad, Assert.Single(a.Outcomes));
        Assert.Equal(MessageType.CookieReply, Assert.Single(lab.Wire).Type);
        Assert.Null(a.Only.Current);
    }

    [Fact]
    public void S1_with_the_cookie_the_next_initiation_is_answered_under_load()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(6);

        Assert.Equal("hello", Text(Assert.Single(b.Received)));
        Assert.Equal(DropReason.UnderLoad, b.Outcomes[0]);
    }

    [Fact]
    public void S1_without_load_no_cookie_reply_is_ever_sent()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var frame = lab.Take()[0];
        frame.Bytes[^40] ^= 1; // spoils mac1
        lab.Deliver(frame);

        Assert.Equal(DropReason.InvalidMac1, Assert.Single(b.Outcomes));
        Assert.Empty(lab.Wire);
    }

    [Fact]
    public void S1_a_message_with_a_wrong_mac1_gets_no_cookie_reply_under_load_either()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        var frame = lab.Take()[0];
        frame.Bytes[^20] ^= 1;
        lab.Deliver(frame);

        Assert.Equal(DropReason.InvalidMac1, Assert.Single(b.Outcomes));
        Assert.Empty(lab.Wire);
    }

    [Fact]
    public void S1_a_cookie_is_bound_to_address_and_port()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(6, deliver: false);
        var retry = lab.Take().Single();
        Assert.True(retry.Bytes.AsSpan()[^16..].ContainsAnyExcept((byte)0), "the retry carries mac2");

        lab.Deliver(retry with { From = Ep("192.0.2.1:1") });
        Assert.Equal(DropReason.UnderLoad, b.Outcomes[^1]);
        lab.Deliver(retry with { From = Ep("192.0.2.9:51820") });
        Assert.Equal(DropReason.UnderLoad, b.Outcomes[^1]);
        lab.Deliver(retry);
        Assert.Equal(DropReason.None, b.Outcomes[^1]);
    }

    // ---- S2: retries

    [Fact]
    public void S2_an_initiation_without_a_response_is_retried_after_REKEY_TIMEOUT_with_jitter()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Single(lab.Take());

        lab.Pass(4.99, deliver: false);
        Assert.Empty(lab.Take());
        lab.Pass(0.36, deliver: false);
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Take()).Type);
    }

    [Fact]
    public void S2_retries_end_after_90_seconds_and_what_waited_is_dropped()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(96, deliver: false);
        Assert.InRange(lab.Take().Count, 17, 19);
        Assert.Equal(0, a.Only.StagedCount);
        Assert.Equal(1, a.Only.Counters.GivenUp);
        Assert.Equal(1, a.Only.Counters.Drops[DropReason.NoSession]);

        lab.Pass(600, deliver: false);
        Assert.Empty(lab.Wire);
    }

    [Fact]
    public void S2_a_new_packet_starts_the_90_seconds_anew()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(80, deliver: false);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(80, deliver: false);
        Assert.Equal(0, a.Only.Counters.GivenUp);
        Assert.Equal(2, a.Only.StagedCount);
    }

    [Fact]
    public void S2_a_lost_initiation_costs_one_retry_and_no_packet()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        lab.Pass(6);
        Assert.Equal("hello", Text(Assert.Single(b.Received)));
    }

    // ---- S3: silence

    [Fact]
    public void S3_data_sent_and_nothing_heard_for_15_seconds_starts_a_new_handshake()
    {
        var (lab, a, b) = Connected();
        a.SendTo("10.0.0.2", "10.0.0.1", "lost");
        lab.Take();
        lab.Pass(14.9, deliver: false);
        Assert.Empty(lab.Take());
        lab.Pass(0.5, deliver: false);
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Take()).Type);
        _ = b;
    }

    [Fact]
    public void S3_a_keepalive_heard_is_enough()
    {
        var (lab, a, b) = Connected();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(60);
        Assert.Equal(1, a.Only.Counters.InitiationsSent);
        Assert.Equal(0, b.Only.Counters.InitiationsSent);
    }

    [Fact]
    public void S3_a_keepalive_sent_waits_for_nothing()
    {
        var (lab, a, b) = Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        lab.Pass(10.1, deliver: false); // a answers with a keepalive, which is lost
        Assert.True(lab.Take().Last().IsKeepalive);
        lab.Pass(60, deliver: false);
        Assert.Equal(1, a.Only.Counters.InitiationsSent);
    }

    // ---- S4, S5: rekeying on send

    [Fact]
    public void S4_a_key_that_has_sent_more_than_REKEY_AFTER_MESSAGES_is_replaced_by_either_side()
    {
        var (lab, a, b) = Connected();
        lab.Pass(6); // the smallest gap between initiations
        b.Only.Current!.NextCounter = Limits.RekeyAfterMessages - 1;
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Single(lab.Take());
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Equal([MessageType.Transport, MessageType.Initiation], lab.Take().Select(frame => frame.Type));
        _ = a;
    }

    [Fact]
    public void S4_a_key_that_has_sent_all_it_may_sends_no_more()
    {
        var (lab, a, _) = Connected();
        lab.Pass(6);
        a.Only.Current!.NextCounter = Limits.RejectAfterMessages;
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Wire).Type);
        Assert.Equal(1, a.Only.StagedCount);
        Assert.Equal(Limits.RejectAfterMessages, a.Only.Current!.NextCounter);
    }

    [Fact]
    public void S5_the_initiator_replaces_a_key_of_REKEY_AFTER_TIME_when_it_sends()
    {
        var (lab, a, b) = Connected();
        lab.Pass(119);
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Single(lab.Take());
        lab.Pass(1.1, deliver: false);
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Equal([MessageType.Transport, MessageType.Initiation], lab.Take().Select(frame => frame.Type));
        _ = b;
    }

    [Fact]
    public void S5_the_responder_does_not()
    {
        var (lab, a, b) = Connected();
        lab.Pass(121);
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Equal(MessageType.Transport, Assert.Single(lab.Take()).Type);
        _ = a;
    }

    [Fact]
    public void An_idle_initiator_does_not_rekey()
    {
        var (lab, a, b) = Connected();
        lab.Pass(170);
        Assert.Equal(1, a.Only.Counters.InitiationsSent + b.Only.Counters.InitiationsSent);
    }

    [Fact]
    public void An_initiator_that_only_receives_replaces_its_key_at_165_seconds_once()
    {
        var (lab, a, b) = Connected();
        lab.Pass(164);
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        Assert.Equal(1, a.Only.Counters.InitiationsSent);
        lab.Pass(1.5, deliver: false);
        b.SendTo("10.0.0.1", "10.0.0.2");
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.DeliverNext();
        lab.DeliverNext();
        Assert.Equal(2, a.Only.Counters.InitiationsSent);
    }

    // ---- S6, S7: key confirmation

    [Fact]
    public void S6_the_responder_queues_until_the_new_key_is_confirmed()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        Assert.NotNull(b.Only.Next);
        b.SendTo("10.0.0.1", "10.0.0.2", "early");
        Assert.DoesNotContain(lab.Wire, frame => frame.From == b.Address && frame.Type == MessageType.Transport);
        Assert.Equal(1, b.Only.StagedCount);

        lab.Deliver();
        Assert.Equal("early", Text(Assert.Single(a.Received)));
    }

    [Fact]
    public void S6_the_responder_goes_on_under_the_previous_key_until_the_new_one_is_confirmed()
    {
        var (lab, a, b) = Connected();
        lab.Pass(121);
        var old = b.Only.Current;
        a.SendTo("10.0.0.2", "10.0.0.1"); // S5: rekeys
        lab.DeliverNext();
        lab.DeliverNext(); // the initiation
        lab.Take();        // the response is lost
        Assert.NotNull(b.Only.Next);

        b.SendTo("10.0.0.1", "10.0.0.2", "old key");
        Assert.Same(old, b.Only.Current);
        lab.Deliver();
        Assert.Equal("old key", Text(a.Received[^1]));
    }

    [Fact]
    public void S7_the_initiator_confirms_with_an_empty_packet_when_it_has_nothing_to_send()
    {
        var (lab, a, b) = Lab.Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 25 });
        Assert.Equal(MessageType.Initiation, lab.Wire[0].Type);
        lab.DeliverNext();
        lab.DeliverNext();
        Assert.True(Assert.Single(lab.Wire).IsKeepalive);
        Assert.Null(b.Only.Current);
        lab.Deliver();
        Assert.NotNull(b.Only.Current);
        Assert.Null(b.Only.Next);
    }

    [Fact]
    public void S7_the_initiator_confirms_with_its_data_when_it_has_some()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1", "one");
        a.SendTo("10.0.0.2", "10.0.0.1", "two");
        lab.Deliver();
        Assert.Equal(["one", "two"], b.Received.Select(Text));
        Assert.Equal(0, b.Outcomes.Count(outcome => outcome != DropReason.None));
    }

    // ---- S8: three sessions

    [Fact]
    public void S8_packets_in_flight_during_a_handshake_still_decrypt_under_the_previous_key()
    {
        var (lab, a, b) = Connected();
        lab.Pass(121);
        a.SendTo("10.0.0.2", "10.0.0.1", "in flight");
        var inFlight = lab.Wire[0];
        lab.Wire.RemoveAt(0);
        lab.Deliver(); // the whole handshake overtakes it
        Assert.NotNull(b.Only.Previous);
        lab.Deliver(inFlight);
        Assert.Equal("in flight", Text(b.Received[^1]));
    }

    [Fact]
    public void S8_a_lost_response_causes_no_blackout()
    {
        var (lab, a, b) = Connected();
        lab.Pass(121);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        lab.DeliverNext();
        lab.Take(); // the response
        for (var i = 0; i < 4; i++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1", $"a{i}");
            b.SendTo("10.0.0.1", "10.0.0.2", $"b{i}");
            lab.Pass(2);
        }

        Assert.Equal(["a0", "a1", "a2", "a3"], b.Received.Select(Text).TakeLast(4));
        Assert.Equal(["b0", "b1", "b2", "b3"], a.Received.Select(Text).TakeLast(4));
        Assert.Equal(2, a.Only.Counters.CompletedAsInitiator);
    }

    [Theory] // whichever has the greater public key: both orders are among these
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void S8_handshakes_started_by_both_sides_at_once_complete_without_a_retry(int seed)
    {
        var (lab, a, b) = Lab.Pair(firstSeed: seed);
        a.SendTo("10.0.0.2", "10.0.0.1", "from a");
        b.SendTo("10.0.0.1", "10.0.0.2", "from b");
        lab.Deliver();
        Assert.Equal("from a", Text(Assert.Single(b.Received)));
        Assert.Equal("from b", Text(Assert.Single(a.Received)));
        a.SendTo("10.0.0.2", "10.0.0.1", "again");
        b.SendTo("10.0.0.1", "10.0.0.2", "again");
        lab.Deliver();
        Assert.Equal("again", Text(b.Received[^1]));
        Assert.Equal("again", Text(a.Received[^1]));
        Assert.Equal(2, a.Only.Counters.InitiationsSent + b.Only.Counters.InitiationsSent);
        Assert.Equal(a.Only.Current!.RemoteIndex, b.Only.Current!.LocalIndex); // of the two sessions both took the same
    }

    [Fact]
    public void S8_a_key_older_than_REJECT_AFTER_TIME_neither_sends_nor_receives()
    {
        var (lab, a, b) = Connected();
        b.SendTo("10.0.0.1", "10.0.0.2", "too late");
        var late = lab.Take().Single();
        lab.Pass(180, deliver: false);
        lab.Take();
        lab.Deliver(late);
        Assert.Equal(DropReason.SessionExpired, a.Outcomes[^1]);
        b.SendTo("10.0.0.1", "10.0.0.2");
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Wire).Type);
    }

    [Fact]
    public void S8_all_keys_of_a_silent_peer_are_wiped_after_540_seconds()
    {
        var (lab, a, b) = Connected();
        lab.Pass(539);
        Assert.NotNull(a.Only.Current);
        lab.Pass(2);
        Assert.Null(a.Only.Current);
        Assert.Null(b.Only.Current);
        Assert.Equal(0, a.Core.Indices.Count);
        Assert.Equal(Instant.Never, a.Core.NextDeadline);
    }

    // ---- S9: padding

    [Theory]
    [InlineData(0, 1420, 0)]
    [InlineData(1, 1420, 16)]
    [InlineData(16, 1420, 16)]
    [InlineData(1409, 1420, 1420)]
    [InlineData(1420, 1420, 1420)]
    [InlineData(1421, 1420, 1421)]
    [InlineData(1278, 1279, 1279)]
    public void S9_padding_is_to_16_bytes_and_never_beyond_the_mtu(int length, int mtu, int padded) =>
        Assert.Equal(padded, Peer.PaddedLength(length, mtu));

    [Fact]
    public void S9_a_changed_mtu_is_followed_by_the_next_packet()
    {
        var (lab, a, _) = Connected();
        var packet = Packet("10.0.0.1", "10.0.0.2", new string('x', 1300));
        a.Core.Mtu = 1325;
        a.Send(packet);
        Assert.Equal(1325 + Messages.TransportMinimumLength, lab.Take().Single().Bytes.Length);
        a.Core.Mtu = 1420;
        a.Send(packet);
        Assert.Equal(1328 + Messages.TransportMinimumLength, lab.Take().Single().Bytes.Length);
    }

    // ---- S10: endpoints

    [Fact]
    public void S10_a_cookie_reply_never_moves_the_endpoint()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        var reply = lab.Take().Single();
        lab.Deliver(reply with { From = Ep("203.0.113.7:7") });
        Assert.Equal(DropReason.None, a.Outcomes.Single()); // authentic it was
        Assert.Equal(b.Address, a.Only.Endpoint);
    }

    [Fact]
    public void S10_every_other_authentic_message_does()
    {
        var (lab, a, b) = Lab.Pair(bothKnowEndpoints: false);
        a.SendTo("10.0.0.2", "10.0.0.1");

        b.Receive(lab.Take().Single() with { From = Ep("203.0.113.1:1") }); // initiation
        Assert.Equal(Ep("203.0.113.1:1"), b.Only.Endpoint);

        a.Receive(lab.Take().Single() with { From = Ep("203.0.113.2:2") }); // response
        Assert.Equal(Ep("203.0.113.2:2"), a.Only.Endpoint);

        b.Receive(lab.Take().Single() with { From = Ep("[2001:db8::3]:3") }); // transport, another family
        Assert.Equal(Ep("[2001:db8::3]:3"), b.Only.Endpoint);
        Assert.All(b.Outcomes.Concat(a.Outcomes), outcome => Assert.Equal(DropReason.None, outcome));
    }

    [Fact]
    public void S10_a_message_that_is_not_authentic_moves_nothing()
    {
        var (lab, a, b) = Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        var frame = lab.Take().Single();
        frame.Bytes[^1] ^= 1;
        lab.Deliver(frame with { From = Ep("203.0.113.7:7") });
        Assert.Equal(DropReason.NotAuthentic, a.Outcomes[^1]);
        Assert.Equal(b.Address, a.Only.Endpoint);
    }

    // ---- S11: one state machine

    [Fact]
    public void S11_handshake_and_transport_of_a_peer_are_one_state_machine_in_one_place()
    {
        // who makes and uses the keys of handshake and transport: the peer, and the core only to find out whose a message is
        Assert.Equal(["Peer"], ArchitectureTests.CallersOf(typeof(Session)).Except(["Session"]));
        Assert.Equal(["Peer", "ProtocolCore"], ArchitectureTests.CallersOf(typeof(NoiseHandshake)).Except(["NoiseHandshake"]));
    }

    // ---- S12: cryptokey routing

    [Fact]
    public void S12_an_allowed_ip_given_to_another_peer_moves_there()
    {
        var (lab, a, b, c) = Triangle();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, AllowedIps = [new(P("192.168.32.19/32"))] });
        a.Apply(new PeerUpdate { PublicKey = c.Identity.PublicKey, AllowedIps = [new(P("192.168.32.19/32"))] });
        Assert.DoesNotContain(P("192.168.32.19/32"), a.Core.AllowedIps.List(PeerOf(a, b)));
        Assert.Contains(P("192.168.32.19/32"), a.Core.AllowedIps.List(PeerOf(a, c)));
        _ = lab;
    }

    [Fact]
    public void S12_the_most_specific_match_decides_sending_and_receiving()
    {
        var (lab, a, b, c) = Triangle();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, AllowedIps = [new(P("192.168.32.0/24"))] });
        a.Apply(new PeerUpdate { PublicKey = c.Identity.PublicKey, AllowedIps = [new(P("192.168.32.19/32"))] });

        a.SendTo("192.168.32.18", "10.0.0.1", "to b");
        a.SendTo("192.168.32.19", "10.0.0.1", "to c");
        lab.Deliver();
        Assert.Equal("to b", Text(Assert.Single(b.Received)));
        Assert.Equal("to c", Text(Assert.Single(c.Received)));

        b.SendTo("10.0.0.1", "192.168.32.18", "from .18");
        b.SendTo("10.0.0.1", "192.168.32.19", "b as .19");
        c.SendTo("10.0.0.1", "192.168.32.19", "c as .19");
        lab.Deliver();
        Assert.Equal(["from .18", "c as .19"], a.Received.Select(Text));
        Assert.Equal(1, PeerOf(a, b).Counters.Drops[DropReason.ForeignSource]);
    }

    [Fact]
    public void S12_a_destination_of_no_peer_is_dropped()
    {
        var (lab, a, _) = Lab.Pair();
        Assert.Equal(DropReason.NoPeer, a.SendTo("10.0.0.3", "10.0.0.1"));
        Assert.Empty(lab.Wire);
    }

    private static (Lab Lab, Host A, Host B) Connected() => Lab.Connected();

    private static (Lab Lab, Host A, Host B, Host C) Triangle()
    {
        var (lab, a, b) = Lab.Pair();
        var c = lab.AddHost("192.0.2.3:51820");
        a.AddPeer(c, "10.0.0.3/32");
        c.AddPeer(a, "10.0.0.1/32");
        return (lab, a, b, c);
    }

    private static Peer PeerOf(Host host, Host other) => host.Core.Peers.Single(peer => peer.PublicKey == other.Identity.PublicKey);
}
