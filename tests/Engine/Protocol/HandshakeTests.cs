using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>What handshake messages may and may not do: keys, indices, timestamps, preshared keys.</summary>
public class HandshakeTests
{
    /// <summary>Points whose agreement with any key is all zero; X25519Tests has them all.</summary>
    public static TheoryData<string> LowOrderPoints =>
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    // ---- Diffie-Hellman results that everyone knows

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void An_initiation_with_a_low_order_ephemeral_key_is_refused(string point)
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var initiation = lab.Take().Single();
        Convert.FromHexString(point).CopyTo(initiation.Bytes, 8);
        new CookieJar(b.Identity.PublicKey).WriteMacs(initiation.Bytes, lab.Now);
        lab.Deliver(initiation);
        Assert.Equal([DropReason.HandshakeFailed], b.Outcomes);
        Assert.Empty(lab.Wire);
    }

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void A_response_with_a_low_order_ephemeral_key_is_refused(string point)
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        var response = lab.Take().Single();
        var forged = response.Bytes.ToArray();
        Convert.FromHexString(point).CopyTo(forged, 12);
        new CookieJar(a.Identity.PublicKey).WriteMacs(forged, lab.Now);
        lab.Deliver(response with { Bytes = forged });
        Assert.Equal([DropReason.HandshakeFailed], a.Outcomes);
        lab.Deliver(response); // the true one still counts
        Assert.NotNull(a.Only.Current);
    }

    [Theory]
    [MemberData(nameof(LowOrderPoints))]
    public void A_peer_whose_public_key_is_a_low_order_point_is_never_spoken_to(string point)
    {
        var lab = new Lab();
        var a = lab.AddHost("192.0.2.1:51820");
        a.Apply(new PeerUpdate { PublicKey = new PublicKey(Convert.FromHexString(point)), Endpoint = Ep("192.0.2.2:1"), AllowedIps = [new(P("10.0.0.2/32"))], PersistentKeepalive = 1, Connect = true });
        Assert.Equal(DropReason.NoSession, a.SendTo("10.0.0.2", "10.0.0.1"));
        lab.Pass(30, deliver: false);
        Assert.Empty(lab.Wire);
        Assert.Equal(0, a.Only.StagedCount);
    }

    // ---- indices

    [Fact]
    public void Indices_are_unique_though_the_random_numbers_are_not()
    {
        var random = new SeededRandom(1);
        var table = new IndexTable(random);
        byte[] taken = [1, 2, 3, 4], free = [5, 6, 7, 8];
        random.Script.Enqueue(taken);
        random.Script.Enqueue(taken);
        random.Script.Enqueue(taken);
        random.Script.Enqueue(free);
        object first = new(), second = new();
        Assert.Equal(BitConverter.ToUInt32(taken), table.Add(first));
        Assert.Equal(BitConverter.ToUInt32(free), table.Add(second));
        Assert.Same(first, table.Find(BitConverter.ToUInt32(taken)));
        Assert.Same(second, table.Find(BitConverter.ToUInt32(free)));
    }

    [Fact]
    public void An_index_that_collides_on_the_wire_takes_nothing_from_the_session_that_has_it()
    {
        var (lab, a, b) = Lab.Connected();
        var index = a.Only.Current!.LocalIndex;
        var c = lab.AddHost("192.0.2.3:51820");
        a.AddPeer(c, "10.0.0.3/32");
        c.AddPeer(a, "10.0.0.1/32");
        a.Random.Script.Enqueue(BitConverter.GetBytes(index));
        a.Random.ScriptInitiation(index + 1, jitter: 0);
        a.SendTo("10.0.0.3", "10.0.0.1", "to c");
        lab.Deliver();
        b.SendTo("10.0.0.1", "10.0.0.2", "from b");
        lab.Deliver();
        Assert.Equal("to c", Text(Assert.Single(c.Received)));
        Assert.Equal("from b", Text(Assert.Single(a.Received)));
    }

    [Fact]
    public void An_index_is_as_random_as_32_bits_can_be()
    {
        var table = new IndexTable(RandomNumberGenerator.Create());
        var indices = Enumerable.Range(0, 10_000).Select(_ => table.Add(this)).ToArray();
        Assert.Equal(10_000, indices.Distinct().Count());
        for (var bit = 0; bit < 32; bit++)
        {
            Assert.InRange(indices.Count(index => ((index >> bit) & 1) == 1), 4_500, 5_500); // ten standard deviations
        }
    }

    [Fact]
    public void An_index_is_freed_with_the_session_or_the_handshake_that_it_names()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        for (var i = 0; i < 5; i++)
        {
            lab.Pass(5.4, deliver: false); // a handshake that is retried is another
            Assert.Equal(1, a.Core.Indices.Count);
        }

        lab.Deliver();
        for (var i = 0; i < 5; i++)
        {
            lab.Pass(121);
            a.SendTo("10.0.0.2", "10.0.0.1");
            lab.Deliver();
        }

        Assert.Equal((2, 2), (a.Core.Indices.Count, b.Core.Indices.Count)); // previous and current
        lab.Pass(600);
        Assert.Equal((0, 0), (a.Core.Indices.Count, b.Core.Indices.Count));
    }

    [Fact]
    public void An_index_of_a_session_that_is_gone_is_unknown()
    {
        var (lab, a, b) = Lab.Connected();
        b.SendTo("10.0.0.1", "10.0.0.2");
        var late = lab.Take().Single();
        lab.Pass(541, deliver: false);
        lab.Take();
        lab.Deliver(late);
        Assert.Equal(DropReason.UnknownIndex, a.Outcomes[^1]);
    }

    // ---- timestamps

    [Fact]
    public void Timestamps_grow_though_the_wall_clock_stands_still()
    {
        var (lab, a, b) = Lab.Pair();
        var still = lab.Time.GetUtcNow();
        a.SendTo("10.0.0.2", "10.0.0.1");
        for (var i = 0; i < 5; i++)
        {
            lab.Time.SetUtcNow(still);
            lab.Time.Advance(TimeSpan.FromSeconds(5.4));
            lab.Time.SetUtcNow(still);
            a.Advance();
        }

        var initiations = lab.Take();
        Assert.Equal(6, initiations.Count);
        foreach (var initiation in initiations)
        {
            lab.Time.Advance(TimeSpan.FromSeconds(1));
            lab.Deliver(initiation);
        }

        Assert.All(b.Outcomes, outcome => Assert.Equal(DropReason.None, outcome));
    }

    [Fact]
    public void An_older_initiation_is_refused_after_a_newer_one()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var older = lab.Take().Single();
        lab.Pass(6, deliver: false);
        var newer = lab.Take().Single();
        lab.Deliver(newer);
        lab.Time.Advance(TimeSpan.FromSeconds(1));
        lab.Deliver(older);
        Assert.Equal([DropReason.None, DropReason.HandshakeReplayed], b.Outcomes);
    }

    [Fact]
    public void Of_a_peers_initiations_one_in_20_milliseconds_is_answered()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var first = lab.Take().Single();
        lab.Pass(6, deliver: false);
        var second = lab.Take().Single();
        lab.Deliver(first);
        lab.Time.Advance(Limits.InitiationGap - TimeSpan.FromTicks(1));
        lab.Deliver(second);
        lab.Time.Advance(TimeSpan.FromTicks(1));
        lab.Deliver(second);
        Assert.Equal([DropReason.None, DropReason.HandshakeFlood, DropReason.None], b.Outcomes);
    }

    // ---- preshared keys

    [Fact]
    public void No_preshared_key_is_one_of_zeros()
    {
        var (lab, a, b) = Lab.Pair();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = new SecretKey(new byte[32]) });
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Single(b.Received);
        Assert.Null(a.Only.PresharedKey);
    }

    [Fact]
    public void A_changed_preshared_key_leaves_the_session_alone_and_decides_the_next_handshake()
    {
        var (lab, a, b) = Lab.Connected();
        var key = new SecretKey(RandomNumberGenerator.GetBytes(32));
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = key });
        a.SendTo("10.0.0.2", "10.0.0.1", "same session");
        lab.Deliver();
        Assert.Equal("same session", Text(b.Received[^1]));

        lab.Pass(130);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Equal(1, a.Only.Counters.FailedAsInitiator); // b has it not
        Assert.Equal(1, a.Only.Counters.CompletedAsInitiator);

        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PresharedKey = key });
        lab.Pass(6);
        Assert.Equal(2, a.Only.Counters.CompletedAsInitiator);

        lab.Pass(130);
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = new SecretKey(new byte[32]) }); // taken away again
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PresharedKey = new SecretKey(new byte[32]) });
        a.SendTo("10.0.0.2", "10.0.0.1", "without");
        lab.Deliver();
        Assert.Equal(3, a.Only.Counters.CompletedAsInitiator);
    }

    // ---- the private key

    [Fact]
    public void A_new_private_key_is_agreed_with_anew()
    {
        var (lab, a, b) = Lab.Connected();
        var fresh = new SecretKey(RandomNumberGenerator.GetBytes(32));
        a.Apply(new DeviceUpdate { PrivateKey = fresh });
        using var identity = new StaticIdentity(fresh);
        b.Apply(new DeviceUpdate
        {
            ReplacePeers = true,
            Peers = [new PeerUpdate { PublicKey = identity.PublicKey, AllowedIps = [new(P("10.0.0.1/32"))] }],
        });
        a.SendTo("10.0.0.2", "10.0.0.1", "under the new key");
        lab.Deliver();
        Assert.Equal("under the new key", Text(Assert.Single(b.Received)));
    }

    [Fact]
    public void The_same_private_key_again_changes_nothing()
    {
        var (lab, a, b) = Lab.Connected();
        var session = a.Only.Current;
        a.Apply(new DeviceUpdate { PrivateKey = a.Key });
        Assert.Same(session, a.Only.Current);
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        Assert.Single(b.Received);
    }

    [Fact]
    public void Without_a_private_key_nothing_is_said_and_nothing_understood()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new DeviceUpdate { PrivateKey = new SecretKey(new byte[32]) });
        Assert.Null(a.Only.Current);
        Assert.Equal(DropReason.NoSession, a.SendTo("10.0.0.2", "10.0.0.1"));
        b.Restart();
        b.AddPeer(a, "10.0.0.1/32");
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Connect = true });
        lab.Deliver();
        Assert.Equal(DropReason.HandshakeFailed, a.Outcomes[^1]);
        Assert.Empty(lab.Wire);
    }

    // ---- configuration of a peer that is there

    [Fact]
    public void Setting_an_existing_peer_changes_what_is_named_and_keeps_its_session()
    {
        var (lab, a, b) = Lab.Connected();
        var key = b.Identity.PublicKey;
        var session = a.Only.Current;
        a.Apply(new PeerUpdate { PublicKey = key, AllowedIps = [new(P("10.7.0.0/16"))] });
        Assert.Equal([P("10.0.0.2/32"), P("10.7.0.0/16")], a.Core.AllowedIps.List(a.Only).AsEnumerable());
        a.Apply(new PeerUpdate { PublicKey = key, AllowedIps = [new(P("10.7.0.0/16"), Remove: true)] });
        a.Apply(new PeerUpdate { PublicKey = key, PersistentKeepalive = 30 });
        a.Apply(new PeerUpdate { PublicKey = key, UpdateOnly = true, Endpoint = Ep("[2001:db8::7]:7") });
        a.Apply(new PeerUpdate { PublicKey = key });
        Assert.Equal([P("10.0.0.2/32")], a.Core.AllowedIps.List(a.Only).AsEnumerable());
        Assert.Equal((30, Ep("[2001:db8::7]:7")), (a.Only.PersistentKeepalive, a.Only.Endpoint));
        Assert.Same(session, a.Only.Current);

        a.Apply(new PeerUpdate { PublicKey = new PublicKey(RandomNumberGenerator.GetBytes(32)), UpdateOnly = true });
        Assert.Single(a.Core.Peers);
        lab.Take();
    }

    [Fact]
    public void Peers_come_and_go_while_the_sessions_of_others_carry_on()
    {
        var (lab, a, b) = Lab.Connected();
        var session = a.Only.Current;
        for (var i = 0; i < 200; i++)
        {
            var passing = new PublicKey(RandomNumberGenerator.GetBytes(32));
            a.Apply(new PeerUpdate { PublicKey = passing, Endpoint = Ep("203.0.113.7:7"), AllowedIps = [new(P("10.9.9.9/32"))] });
            a.SendTo("10.0.0.2", "10.0.0.1", $"{i}");
            a.Apply(new PeerUpdate { PublicKey = passing, Remove = true });
            b.SendTo("10.0.0.1", "10.0.0.2", $"{i}");
            lab.Deliver();
        }

        Assert.Equal((200, 200), (a.Received.Count, b.Received.Count));
        Assert.Same(session, a.Only.Current);
    }
}
