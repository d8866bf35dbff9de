using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>What a peer survives, beyond the numbered rules.</summary>
public class PeerTests
{
    [Fact]
    public void A_replayed_packet_is_accepted_once()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        a.SendTo("10.0.0.2", "10.0.0.1", "once");
        var frame = lab.Take().Single();
        lab.Deliver(frame);
        lab.Deliver(frame);
        Assert.Equal(1, b.Received.Count(packet => Text(packet) == "once"));
        Assert.Equal(DropReason.Replayed, b.Outcomes[^1]);
    }

    [Fact]
    public void A_replayed_initiation_is_refused_and_moves_nothing()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var initiation = lab.Wire[0];
        lab.Deliver();
        lab.Pass(1);
        lab.Deliver(initiation with { From = Ep("203.0.113.7:7") });
        Assert.Equal(DropReason.HandshakeReplayed, b.Outcomes[^1]);
        Assert.Equal(a.Address, b.Only.Endpoint);
        Assert.Equal(1, b.Only.Counters.FailedAsResponder);
    }

    [Fact]
    public void Initiations_in_quick_succession_are_refused()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var first = lab.Take().Single();
        lab.Pass(6, deliver: false);
        var second = lab.Take().Single();
        lab.Deliver(first);
        lab.Deliver(second);
        Assert.Equal([DropReason.None, DropReason.HandshakeFlood], b.Outcomes);
    }

    [Fact]
    public void A_forged_response_does_not_spoil_the_handshake_for_the_true_one()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        var response = lab.Take().Single();
        var forged = response.Bytes.ToArray();
        forged[50] ^= 1; // its tag; mac1 is made right again, as anyone can who knows the public key
        var jar = new CookieJar(a.Identity.PublicKey);
        jar.WriteMacs(forged, lab.Now);
        lab.Deliver(response with { Bytes = forged, From = Ep("203.0.113.7:7") });
        Assert.Equal(DropReason.HandshakeFailed, a.Outcomes[^1]);
        Assert.Equal(b.Address, a.Only.Endpoint);

        lab.Deliver(response);
        lab.Deliver();
        Assert.Single(b.Received);
    }

    [Fact]
    public void A_wall_clock_that_jumps_back_does_not_lock_us_out()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Time.SetUtcNow(new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero));
        lab.Pass(200);
        a.SendTo("10.0.0.2", "10.0.0.1", "after");
        lab.Deliver();
        Assert.Equal("after", Text(b.Received[^1]));
    }

    [Fact]
    public void A_peer_that_restarts_is_heard_again_at_its_first_packet()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(1);
        a.Restart();
        a.AddPeer(b, "10.0.0.2/32");
        a.SendTo("10.0.0.2", "10.0.0.1", "back");
        lab.Deliver();
        Assert.Equal("back", Text(b.Received[^1]));
        b.SendTo("10.0.0.1", "10.0.0.2", "seen");
        lab.Deliver();
        Assert.Equal("seen", Text(a.Received[^1]));
    }

    [Fact]
    public void A_peer_that_restarts_and_connects_is_heard_at_once_by_those_that_only_send()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        b.Restart();
        b.AddPeer(a, "10.0.0.1/32");
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Connect = true });
        lab.Deliver();
        a.SendTo("10.0.0.2", "10.0.0.1", "at once");
        lab.Deliver();
        Assert.Equal("at once", Text(b.Received[^1]));
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Connect = true }); // there is a session: nothing to do
        Assert.Empty(lab.Wire);
    }

    [Fact]
    public void A_silent_restart_of_the_peer_is_noticed_after_15_seconds_of_sending_in_vain()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        b.Restart();
        b.AddPeer(a, "10.0.0.1/32");
        a.SendTo("10.0.0.2", "10.0.0.1", "lost");
        lab.Pass(16);
        a.SendTo("10.0.0.2", "10.0.0.1", "found");
        lab.Deliver();
        Assert.Equal("found", Text(b.Received[^1]));
    }

    [Fact]
    public void Without_the_same_preshared_key_no_session_comes_about_and_a_change_counts_from_the_next_handshake()
    {
        var (lab, a, b) = Lab.Pair();
        var key = new SecretKey(RandomNumberGenerator.GetBytes(32));
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = key });
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Null(a.Only.Current);
        Assert.Equal(1, a.Only.Counters.FailedAsInitiator);

        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PresharedKey = key });
        lab.Pass(6);
        Assert.NotNull(a.Only.Current);
        Assert.Equal("hello", Text(Assert.Single(b.Received)));
    }

    [Fact]
    public void A_new_private_key_ends_every_session_and_a_peer_with_our_own_key_is_dropped()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        var sessions = a.Core.Indices.Count;
        Assert.Equal(1, sessions);
        var c = lab.AddHost("192.0.2.3:51820");
        a.AddPeer(c, "10.0.0.3/32");

        a.Apply(new DeviceUpdate { PrivateKey = c.Key });
        Assert.Equal(0, a.Core.Indices.Count);
        Assert.Null(a.Only.Current); // only b is left
        a.AddPeer(c, "10.0.0.3/32");
        Assert.Single(a.Core.Peers);
        _ = b;
    }

    [Fact]
    public void An_initiation_from_a_key_that_is_no_peers_is_not_answered()
    {
        var (lab, a, b) = Lab.Pair();
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Remove = true });
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Equal(DropReason.UnknownPeer, Assert.Single(b.Outcomes));
    }

    [Fact]
    public void Two_idle_peers_do_not_answer_each_others_keepalives()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        var before = a.Only.Counters.SentBytes;
        lab.Pass(100);
        Assert.Equal(before, a.Only.Counters.SentBytes);
        Assert.Equal(32 + 92, b.Only.Counters.SentBytes); // its response, and one keepalive for the data
    }

    [Fact]
    public void Data_that_was_answered_is_owed_no_keepalive_later()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        a.SendTo("10.0.0.2", "10.0.0.1"); // while a keepalive is due already: another is to follow it
        lab.Deliver();
        b.SendTo("10.0.0.1", "10.0.0.2"); // answers both
        lab.Deliver();
        lab.Pass(15);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        var before = b.Only.Counters.SentBytes;
        lab.Pass(60);
        Assert.Equal(before + 32, b.Only.Counters.SentBytes);
    }

    [Fact]
    public void Persistent_keepalives_come_at_their_interval_and_are_pushed_back_by_traffic_either_way()
    {
        var (lab, a, b) = Lab.Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 20 });
        lab.Deliver();
        lab.Pass(15);
        b.SendTo("10.0.0.1", "10.0.0.2"); // owed a keepalive by a in 10 s
        lab.Pass(10.1);
        var sent = a.Only.Counters.SentBytes;
        lab.Pass(19.8);
        Assert.Equal(sent, a.Only.Counters.SentBytes);
        lab.Pass(0.3);
        Assert.Equal(sent + 32, a.Only.Counters.SentBytes);
    }

    [Fact]
    public void A_peer_without_an_endpoint_costs_a_drop_and_is_told_so()
    {
        var (_, _, b) = Lab.Pair(bothKnowEndpoints: false);
        Assert.Equal(DropReason.NoEndpoint, b.SendTo("10.0.0.1", "10.0.0.2"));
        Assert.Equal(1, b.Only.Counters.Drops[DropReason.NoEndpoint]);
    }

    [Fact]
    public void What_waits_for_a_session_is_bounded_and_the_oldest_goes_first()
    {
        var (lab, a, b) = Lab.Pair();
        for (var i = 0; i < Limits.StagedPackets + 3; i++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1", $"{i}");
        }

        lab.Deliver();
        Assert.Equal(Enumerable.Range(3, Limits.StagedPackets).Select(i => $"{i}"), b.Received.Select(Text));
        Assert.Equal(3, a.Only.Counters.Drops[DropReason.NoSession]);
    }

    [Fact]
    public void What_waits_for_the_sessions_of_all_peers_is_bounded_and_each_keeps_its_newest()
    {
        const int Peers = 6;
        var text = new string('x', 30_000); // the packets that one peer may keep are half of what all may
        var lab = new Lab();
        var a = lab.AddHost("192.0.2.100:51820");
        for (var i = 0; i < Peers; i++)
        {
            var host = lab.AddHost($"192.0.2.{i}:51820");
            a.AddPeer(host, $"10.0.1.{i}/32");
            host.AddPeer(a, "10.0.0.1/32");
        }

        var most = 0L;
        for (var round = 0; round < 2 * Limits.StagedPackets; round++)
        {
            for (var i = 0; i < Peers; i++)
            {
                a.SendTo($"10.0.1.{i}", "10.0.0.1", $"{round}{text}");
                most = Math.Max(most, a.Core.Staged.Taken);
            }
        }

        Assert.InRange(most, Limits.StagedBytes - 30_100, Limits.StagedBytes + (Peers * 30_100L));
        Assert.All(a.Core.Peers, peer => Assert.InRange(peer.StagedCount, 1, Limits.StagedPackets));
        Assert.Equal(Peers * 2 * Limits.StagedPackets, a.Core.Peers.Sum(peer => peer.StagedCount + peer.Counters.Drops[DropReason.NoSession]));

        lab.Deliver();
        Assert.All(lab.Hosts.Skip(1), host => Assert.StartsWith($"{(2 * Limits.StagedPackets) - 1}x", Text(host.Received[^1]), StringComparison.Ordinal));
        Assert.Equal(0, a.Core.Staged.Taken);
    }

    [Fact]
    public void What_waits_for_a_peer_that_is_removed_takes_no_memory()
    {
        var (_, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.True(a.Core.Staged.Taken > 0);
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        Assert.Equal(0, a.Core.Staged.Taken);
    }

    [Fact]
    public void A_removed_peer_is_gone_with_its_sessions_and_allowed_ips()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        b.SendTo("10.0.0.1", "10.0.0.2", "late");
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        lab.Deliver();
        Assert.DoesNotContain(a.Received, packet => Text(packet) == "late");
        Assert.Equal(0, a.Core.Indices.Count);
        Assert.Equal(DropReason.NoPeer, a.SendTo("10.0.0.2", "10.0.0.1"));
        lab.Pass(1000);
    }

    [Fact]
    public void A_timer_that_a_packet_arms_while_its_peer_is_removed_ends_with_the_peer()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(20); // nothing is owed any more
        var remove = new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true }] };
        a.Random.Next = () => a.Core.Apply(remove, lab.Now, new Outbox()); // asked for jitter between sealing and arming
        a.SendTo("10.0.0.2", "10.0.0.1");
        Assert.Empty(a.Core.Peers);
        lab.Pass(60);
        Assert.Equal(Instant.Never, a.Core.NextDeadline);
    }

    [Fact]
    public void The_wipe_of_old_keys_leaves_a_handshake_that_has_begun_alone()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(538);
        a.SendTo("10.0.0.2", "10.0.0.1", "in time");
        lab.Take(); // the initiation is lost
        lab.Pass(10);
        Assert.Equal("in time", Text(b.Received[^1]));
    }

    [Fact]
    public void A_host_that_was_frozen_for_long_is_back_with_its_first_handshake()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        a.SendTo("10.0.0.2", "10.0.0.1", "lost"); // arms the timer for silence
        lab.Take();
        lab.Time.Advance(TimeSpan.FromSeconds(600)); // nobody looks at the timers meanwhile
        a.Advance();
        lab.Deliver();
        Assert.NotNull(a.Only.Current);
        Assert.Equal(2, a.Only.Counters.InitiationsSent);
        _ = b;
    }

    [Fact]
    public void What_waits_survives_a_new_private_key()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1", "patient");
        lab.Take();
        var c = new Host(lab, "192.0.2.7:1", seed: 77);
        a.Apply(new DeviceUpdate { PrivateKey = c.Key });
        b.Apply(new PeerUpdate { PublicKey = c.Identity.PublicKey, AllowedIps = [new(P("10.0.0.1/32"))] });
        lab.Pass(6);
        Assert.Equal("patient", Text(Assert.Single(b.Received)));
    }

    [Fact]
    public void Connecting_again_after_the_session_has_expired_makes_a_new_one()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(200);
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Connect = true });
        Assert.Equal(MessageType.Initiation, Assert.Single(lab.Wire).Type);
    }

    [Fact]
    public void A_replaced_peer_keeps_nothing_that_is_not_named_but_its_session()
    {
        var (lab, a, b) = Lab.Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PersistentKeepalive = 25, PresharedKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) });
        lab.Take();
        var key = b.Identity.PublicKey;
        a.Apply(new DeviceUpdate
        {
            ReplacePeers = true,
            Peers = [new PeerUpdate { PublicKey = key, AllowedIps = [new(P("10.1.0.0/16"))] }, new PeerUpdate { PublicKey = key, AllowedIps = [new(P("10.2.0.0/16"))] }],
        });
        Assert.Null(a.Only.PresharedKey);
        Assert.Equal(0, a.Only.PersistentKeepalive);
        Assert.False(a.Only.Endpoint.IsKnown);
        Assert.Equal([P("10.1.0.0/16"), P("10.2.0.0/16")], a.Core.AllowedIps.List(a.Only).AsEnumerable());
    }

    [Fact]
    public void Replaced_allowed_ips_are_those_named_and_no_others()
    {
        var (lab, a, b) = Lab.Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, ReplaceAllowedIps = true, AllowedIps = [new(P("10.0.0.2/32")), new(P("10.7.0.0/16"))] });
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, ReplaceAllowedIps = true, AllowedIps = [new(P("10.7.0.0/16")), new(P("10.8.0.0/16"))] });
        Assert.Equal([P("10.7.0.0/16"), P("10.8.0.0/16")], a.Core.AllowedIps.List(a.Only).AsEnumerable());
        _ = lab;
    }

    [Fact]
    public void Plaintext_that_is_no_IP_packet_is_dropped_after_decryption()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        foreach (var plaintext in new byte[][] { [0], new byte[48], [0x45, 0, 0xff, 0xff, .. new byte[44]], [0x60, 0, 0, 0, 0xff, 0xff, .. new byte[42]] })
        {
            var message = new byte[Messages.TransportMinimumLength + plaintext.Length];
            plaintext.CopyTo(message.AsSpan(Messages.TransportHeaderLength));
            Assert.True(a.Only.Current!.TrySeal(message));
            b.Receive(new Frame(a.Address, b.Address, message));
            Assert.Equal(DropReason.InvalidPacket, b.Outcomes[^1]);
        }
    }

    [Fact]
    public void Under_load_one_source_gets_five_handshakes_at_once_and_no_more()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(6, deliver: false);
        var withCookie = lab.Take().Single();
        for (var i = 0; i < 8; i++)
        {
            lab.Deliver(withCookie);
        }

        Assert.Equal(3, b.Outcomes.Count(outcome => outcome == DropReason.RateLimited));
    }

    [Fact]
    public void Load_is_remembered_for_a_second()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        var initiation = lab.Take().Single();
        lab.Deliver(initiation);
        b.Backlog = 0;
        lab.Time.Advance(TimeSpan.FromSeconds(0.9));
        lab.Deliver(initiation);
        lab.Time.Advance(TimeSpan.FromSeconds(0.2));
        lab.Deliver(initiation);
        Assert.Equal([DropReason.UnderLoad, DropReason.UnderLoad, DropReason.None], b.Outcomes);
    }

    [Fact]
    public void A_thousand_idle_peers_have_no_deadlines()
    {
        var lab = new Lab();
        var a = lab.AddHost("192.0.2.1:51820");
        for (uint i = 0; i < 1000; i++)
        {
            a.Apply(new PeerUpdate { PublicKey = new PublicKey(RandomNumberGenerator.GetBytes(32)), Endpoint = new Endpoint(i, 1, false) });
        }

        Assert.Equal(Instant.Never, a.Core.NextDeadline);
    }
}
