using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Section 5.4.7 of the paper and section 5.3: macs, cookies, load; and what silence is kept without load.</summary>
public class CookieTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromTicks(1);
    private static readonly PublicKey Receiver = new(RandomNumberGenerator.GetBytes(32));

    private readonly CookieChecker _checker = new(Receiver, RandomNumberGenerator.Create());
    private readonly CookieJar _jar = new(Receiver);
    private Instant _now = new(1_000_000_000);

    // ---- lifetimes

    [Fact]
    public void A_cookie_is_good_until_its_makers_secret_is_120_seconds_old()
    {
        var message = WithCookie("192.0.2.1:7");
        var made = _now;
        _now = made + Limits.CookieLifetime + -Tick;
        Assert.True(IsGood(message, "192.0.2.1:7"));
        _now = made + Limits.CookieLifetime;
        Assert.False(IsGood(message, "192.0.2.1:7"));
    }

    [Fact]
    public void The_secret_is_renewed_by_the_first_reply_after_120_seconds_and_not_before()
    {
        var old = WithCookie("192.0.2.1:7");
        var made = _now;
        _now = made + TimeSpan.FromSeconds(119);
        WithCookie("192.0.2.2:7");
        Assert.True(IsGood(old, "192.0.2.1:7"), "a reply to another renewed the secret before its time");
        _now = made + Limits.CookieLifetime;
        var renewed = WithCookie("192.0.2.1:7");
        Assert.False(IsGood(old, "192.0.2.1:7"));
        Assert.True(IsGood(renewed, "192.0.2.1:7"));
    }

    [Fact]
    public void A_received_cookie_is_used_for_115_seconds_so_that_it_is_not_stale_when_it_arrives()
    {
        WithCookie("192.0.2.1:7");
        var received = _now;
        Assert.True(HasMac2(Written(received + Limits.CookieLifetime + -Limits.CookieLatency + -Tick)));
        Assert.False(HasMac2(Written(received + Limits.CookieLifetime + -Limits.CookieLatency)));
        Assert.False(HasMac2(Written(received)), "it is gone for good");
    }

    [Fact]
    public void Without_a_cookie_mac2_is_zero() => Assert.False(HasMac2(Written(_now)));

    // ---- what a cookie is bound to

    [Theory]
    [InlineData("192.0.2.1:7", "192.0.2.1:8")]
    [InlineData("192.0.2.1:7", "192.0.2.2:7")]
    [InlineData("[2001:db8::1]:7", "[2001:db8::1]:8")]
    [InlineData("[2001:db8::1]:7", "[2001:db8::2]:7")]
    [InlineData("192.0.2.1:7", "[::c000:201]:7")]
    public void A_cookie_is_bound_to_address_and_port_of_either_family(string origin, string other)
    {
        var message = WithCookie(origin);
        Assert.True(IsGood(message, origin));
        Assert.False(IsGood(message, other));
    }

    [Fact]
    public void Mac2_covers_the_whole_message()
    {
        var message = WithCookie("192.0.2.1:7");
        for (var i = 0; i < message.Length; i++)
        {
            message[i] ^= 1;
            Assert.False(IsGood(message, "192.0.2.1:7"));
            message[i] ^= 1;
        }
    }

    [Theory]
    [InlineData(Messages.InitiationLength)]
    [InlineData(Messages.ResponseLength)]
    public void Mac1_covers_all_that_stands_before_it(int length)
    {
        var message = RandomNumberGenerator.GetBytes(length);
        _jar.WriteMacs(message, _now);
        Assert.True(_checker.HasValidMac1(message));
        for (var i = 0; i < length - Messages.MacLength; i++)
        {
            message[i] ^= 1;
            Assert.False(_checker.HasValidMac1(message));
            message[i] ^= 1;
        }

        Assert.False(new CookieChecker(new PublicKey(RandomNumberGenerator.GetBytes(32)), RandomNumberGenerator.Create()).HasValidMac1(message));
    }

    [Fact]
    public void A_cookie_of_a_private_key_that_was_changed_is_worth_nothing()
    {
        var message = WithCookie("192.0.2.1:7");
        _checker.Dispose(); // what the core does with it
        Assert.False(IsGood(message, "192.0.2.1:7"));
    }

    // ---- replies

    [Fact]
    public void A_cookie_reply_is_taken_once_and_only_for_the_last_message()
    {
        var first = Written(_now);
        var reply = Reply(first, "192.0.2.1:7");
        var other = RandomNumberGenerator.GetBytes(Messages.InitiationLength);
        _jar.WriteMacs(other, _now);
        Assert.False(_jar.TryAccept(reply, _now));
        Assert.True(_jar.TryAccept(Reply(other, "192.0.2.1:7"), _now));
        Assert.False(_jar.TryAccept(Reply(other, "192.0.2.1:7"), _now));
    }

    [Fact]
    public void A_cookie_reply_that_is_not_authentic_is_refused()
    {
        var reply = Reply(Written(_now), "192.0.2.1:7");
        for (var i = 8; i < reply.Length; i++)
        {
            reply[i] ^= 1;
            Assert.False(_jar.TryAccept(reply, _now));
            reply[i] ^= 1;
        }

        Assert.False(HasMac2(Written(_now)));
    }

    // ---- load

    [Theory]
    [InlineData(127, DropReason.None)]
    [InlineData(128, DropReason.UnderLoad)]
    public void Load_begins_when_128_handshake_messages_wait(int backlog, DropReason outcome)
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = backlog;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        Assert.Equal([outcome], b.Outcomes);
    }

    [Fact]
    public void Load_sticks_for_exactly_a_second_for_initiations()
    {
        var (lab, a, b) = Lab.Pair();
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        var initiation = lab.Take().Single();
        lab.Deliver(initiation);
        b.Backlog = 0;
        lab.Time.Advance(Limits.UnderLoadTime - Tick);
        lab.Deliver(initiation);
        lab.Time.Advance(Tick);
        lab.Deliver(initiation);
        Assert.Equal([DropReason.UnderLoad, DropReason.UnderLoad, DropReason.None], b.Outcomes);
    }

    [Fact]
    public void Load_sticks_for_exactly_a_second_for_responses()
    {
        var (lab, a, _) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        var response = lab.Take().Single();
        a.Backlog = ProtocolCore.LoadThreshold;
        lab.Deliver(response);
        a.Backlog = 0;
        lab.Time.Advance(Limits.UnderLoadTime - Tick);
        lab.Deliver(response);
        lab.Time.Advance(Tick);
        lab.Deliver(response);
        Assert.Equal([DropReason.UnderLoad, DropReason.UnderLoad, DropReason.None], a.Outcomes);
    }

    [Fact]
    public void A_responder_keeps_the_cookie_that_its_response_was_answered_with()
    {
        var (lab, a, b) = Lab.Pair();
        a.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Pass(6); // the response gets a cookie; the retried initiation a response with mac2
        Assert.Equal(DropReason.UnderLoad, a.Outcomes[0]);
        Assert.Equal("hello", Text(Assert.Single(b.Received)));
    }

    [Fact]
    public void Under_load_an_initiation_of_a_stranger_costs_one_reply_and_no_agreement()
    {
        var (lab, a, b) = Lab.Pair();
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, Remove = true });
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.DeliverNext();
        Assert.Equal([DropReason.UnderLoad], b.Outcomes);
        var reply = Assert.Single(lab.Take());
        Assert.Equal((MessageType.CookieReply, a.Address), (reply.Type, reply.To));
        Assert.True(reply.Bytes.Length < Messages.InitiationLength, "a reply is no amplifier");
    }

    [Fact]
    public void Under_load_one_noisy_address_leaves_the_budget_of_the_others_alone()
    {
        var (lab, a, b) = Lab.Pair();
        var c = lab.AddHost("192.0.2.3:51820");
        b.AddPeer(c, "10.0.0.3/32");
        c.AddPeer(b, "10.0.0.2/32");
        b.Backlog = ProtocolCore.LoadThreshold;
        a.SendTo("10.0.0.2", "10.0.0.1");
        c.SendTo("10.0.0.2", "10.0.0.3");
        lab.Deliver();
        lab.Pass(6, deliver: false);
        var frames = lab.Take();
        var noisy = frames.Single(frame => frame.From == a.Address);
        for (var i = 0; i < 1000; i++)
        {
            lab.Deliver(noisy);
        }

        Assert.Equal(DropReason.RateLimited, b.Outcomes[^1]);
        lab.Deliver(frames.Single(frame => frame.From == c.Address));
        Assert.Equal(DropReason.None, b.Outcomes[^1]);
    }

    // ---- silence

    [Fact]
    public void Without_load_nothing_is_said_to_whoever_is_no_peer()
    {
        var (lab, a, b) = Lab.Connected();
        var stranger = lab.AddHost("203.0.113.1:1");
        stranger.AddPeer(b, "10.0.0.2/32");
        stranger.SendTo("10.0.0.2", "10.0.0.1");
        var initiation = lab.Take().Single(); // valid macs, but from a key that b does not know
        lab.Deliver(initiation);
        foreach (var (type, length) in new[] { (1, 148), (2, 92), (3, 64), (4, 32), (4, 1000), (5, 100), (0, 148) })
        {
            var bytes = RandomNumberGenerator.GetBytes(length);
            BitConverter.TryWriteBytes(bytes, type);
            lab.Deliver(initiation with { Bytes = bytes });
            new CookieJar(b.Identity.PublicKey).WriteMacs(bytes, lab.Now);
            lab.Deliver(initiation with { Bytes = bytes });
        }

        Assert.Empty(lab.Wire);
        Assert.Equal(2, b.Outcomes.Count(outcome => outcome == DropReason.None)); // of the handshake with a
        _ = a;
    }

    private byte[] Written(Instant now)
    {
        var message = new byte[Messages.InitiationLength];
        message[0] = 1;
        _jar.WriteMacs(message, now);
        return message;
    }

    private byte[] Reply(byte[] message, string from)
    {
        var reply = new byte[Messages.CookieReplyLength];
        _checker.WriteReply(message, Ep(from), _now, reply);
        return reply;
    }

    /// <summary>A message whose mac2 was made with a cookie for that origin.</summary>
    private byte[] WithCookie(string origin)
    {
        Assert.True(_jar.TryAccept(Reply(Written(_now), origin), _now));
        return Written(_now);
    }

    private bool IsGood(byte[] message, string from) => _checker.HasValidMac2(message, Ep(from), _now);

    private static bool HasMac2(byte[] message) => message.AsSpan()[^Messages.MacLength..].ContainsAnyExcept((byte)0);
}
