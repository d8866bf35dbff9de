using System.Collections.Immutable;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.TestVersions;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>S14: a network moves from one protocol version to the next. Version 2 is the tests' own.</summary>
public class VersionTests
{
    private static readonly ImmutableArray<ProtocolVersion> OnlyOne = [ProtocolVersion.One];
    private static readonly ImmutableArray<ProtocolVersion> OnlyTwo = [Two];
    private static readonly ImmutableArray<ProtocolVersion> Both = [ProtocolVersion.One, Two];

    [Fact]
    public void A_peer_for_which_no_version_is_configured_has_the_first_that_is_spoken()
    {
        var (_, a, b) = Pair(Both, OnlyTwo);
        Assert.Equal(ProtocolVersion.One, a.Only.Version);
        Assert.Equal(Two, b.Only.Version);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_ends_of_one_version_make_sessions_of_it(uint version)
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(a, version);
        Configure(b, version);
        Exchange(lab, a, b);

        Assert.Equal(version, a.Only.Current!.Version.Number);
        Assert.Equal(version, b.Only.Current!.Version.Number);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_version_that_the_other_end_does_not_speak_makes_no_session_and_is_counted(bool newerStarts)
    {
        var (lab, a, b) = Pair(OnlyTwo, OnlyOne);
        var (initiator, responder) = newerStarts ? (a, b) : (b, a);
        Send(initiator);
        lab.Deliver();

        Assert.Equal([DropReason.HandshakeFailed], responder.Outcomes);
        Assert.Equal(1, responder.Core.Drops[DropReason.HandshakeFailed]);
        Assert.Empty(initiator.Outcomes); // silence: not even that there is somebody is told
        Assert.Null(initiator.Only.Current);
        Assert.Null(responder.Only.Next);
    }

    [Fact]
    public void An_update_with_a_version_that_is_not_spoken_is_refused_whole_and_says_what_is()
    {
        var (_, a, _) = Pair(Both, Both);
        var error = a.Core.Validate(new DeviceUpdate { Peers = [Change(a, 2), Change(a, 3)] });

        Assert.Equal(DeviceError.InvalidArgument, error!.Errno);
        Assert.Equal($"peer {a.Only.PublicKey}: protocol_version 3 is not spoken here; spoken: 1, 2", error.Message);
        Assert.Equal(ProtocolVersion.One, a.Only.Version);
    }

    [Fact]
    public void Configuration_that_replaces_all_peers_and_names_no_version_means_the_first()
    {
        var (_, a, _) = Pair(Both, Both);
        Configure(a, 2);
        a.Apply(new PeerUpdate { PublicKey = a.Only.PublicKey });
        Assert.Equal(Two, a.Only.Version);
        a.Apply(new DeviceUpdate { ReplacePeers = true, Peers = [new PeerUpdate { PublicKey = a.Only.PublicKey }] });
        Assert.Equal(ProtocolVersion.One, a.Only.Version);
    }

    [Fact]
    public void An_end_that_is_not_configured_yet_answers_in_the_version_it_was_called_in()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(a, 2);
        Exchange(lab, a, b);

        Assert.Equal(Two, b.Only.Current!.Version);
        Assert.Equal(ProtocolVersion.One, b.Only.Version);
    }

    [Fact]
    public void An_end_that_is_configured_already_answers_one_that_is_not_yet()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(b, 2);
        Exchange(lab, a, b);

        Assert.Equal(ProtocolVersion.One, b.Only.Current!.Version);
        Assert.Equal(0, b.Only.Counters.Drops[DropReason.VersionRefused]);
    }

    [Theory]
    [InlineData(true, 1, 2)]
    [InlineData(false, 1, 2)]
    [InlineData(true, 2, 1)]
    [InlineData(false, 2, 1)]
    public void A_link_under_traffic_moves_and_loses_nothing_whichever_end_is_told_first(bool initiatorFirst, uint from, uint to)
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(a, from);
        Configure(b, from);
        Exchange(lab, a, b); // a is the initiator
        lab.Pass(20);
        var (received, initiations) = (a.Received.Count + b.Received.Count, Initiations(a, b));

        var sent = 0;
        void Talk(double seconds)
        {
            for (var i = 0; i < seconds * 10; i++, sent += 2)
            {
                Assert.Equal(DropReason.None, Send(a));
                Assert.Equal(DropReason.None, Send(b));
                lab.Pass(0.1);
            }
        }

        var (first, second) = initiatorFirst ? (a, b) : (b, a);
        Configure(first, to);
        Talk(7);
        Configure(second, to);
        Talk(7);

        Assert.Equal(received + sent, a.Received.Count + b.Received.Count);
        Assert.Equal(to, a.Only.Current!.Version.Number);
        Assert.Equal(to, b.Only.Current!.Version.Number);

        // one handshake, or, on the way back, one more for each 5 s in which the other end was not told yet
        Assert.InRange(Initiations(a, b) - initiations, 1, initiatorFirst && to < from ? 3 : 1);
    }

    [Fact]
    public void A_configured_version_waits_for_the_next_packet_and_leaves_the_session_in_use()
    {
        var (lab, a, b) = Pair(Both, Both);
        Exchange(lab, a, b);
        lab.Pass(20);

        Configure(a, 2);
        Assert.Empty(lab.Wire); // a thousand links told at once do not all call at once
        Assert.Equal(ProtocolVersion.One, a.Only.Current!.Version);
        Send(a);
        Assert.Equal([MessageType.Transport, MessageType.Initiation], lab.Wire.Select(frame => frame.Type));
    }

    [Fact]
    public void Only_the_initiator_of_a_session_replaces_it()
    {
        var (lab, a, b) = Pair(Both, Both);
        Exchange(lab, a, b);
        lab.Pass(20);

        Configure(b, 2);
        Send(b);
        lab.Deliver();
        Assert.Equal(0, b.Only.Counters.InitiationsSent);
        Assert.Equal(ProtocolVersion.One, b.Only.Current!.Version);
    }

    [Fact]
    public void A_peer_that_came_in_the_configured_version_cannot_come_in_an_older_one()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(a, 2);
        Configure(b, 2);
        Exchange(lab, b, a);
        lab.Pass(20);
        var (endpoint, bytes) = (a.Only.Endpoint, a.Only.Counters.ReceivedBytes);

        Configure(b, 1);
        Send(b);
        lab.Deliver(lab.Take().Last() with { From = Host.Ep("192.0.2.9:1") }); // the initiation, not the packet
        Assert.Equal(DropReason.VersionRefused, a.Outcomes[^1]);
        Assert.Equal(1, a.Only.Counters.Drops[DropReason.VersionRefused]);
        Assert.Equal(1, a.Only.Counters.FailedAsResponder);
        Assert.Equal((endpoint, bytes), (a.Only.Endpoint, a.Only.Counters.ReceivedBytes));
        Assert.Null(a.Only.Next);

        Configure(a, 1);
        lab.Pass(6); // b calls again
        Assert.Equal(ProtocolVersion.One, b.Only.Current!.Version);
    }

    [Fact]
    public void A_peer_that_only_answered_in_the_configured_version_may_still_call_in_an_older_one()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(a, 2);
        Exchange(lab, a, b);
        lab.Pass(20);

        // it starts anew with what it knew, and its configuration does not come
        b.Restart();
        b.AddPeer(a, "10.0.0.1/32");
        Exchange(lab, b, a);
        Assert.Equal(ProtocolVersion.One, a.Only.Current!.Version);
    }

    [Fact]
    public void A_newer_version_than_the_configured_one_is_always_welcome()
    {
        var (lab, a, b) = Pair(Both, Both);
        Exchange(lab, b, a); // version 1, in which both are configured
        lab.Pass(20);

        Configure(b, 2);
        Send(b);
        lab.Deliver();
        Assert.Equal(Two, a.Only.Current!.Version);
    }

    [Fact]
    public void A_peer_that_was_ahead_of_our_configuration_may_come_back_to_it()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(b, 2);
        Exchange(lab, b, a);
        lab.Pass(20);

        Configure(b, 1);
        Exchange(lab, b, a);
        Assert.Equal(ProtocolVersion.One, a.Only.Current!.Version);
    }

    [Fact]
    public void A_peer_that_was_ahead_of_our_configuration_is_held_to_it_once_ours_follows()
    {
        var (lab, a, b) = Pair(Both, Both);
        Configure(b, 2);
        Exchange(lab, b, a);
        Configure(a, 2);
        lab.Pass(20);

        Configure(b, 1);
        Send(b);
        lab.Deliver();
        Assert.Equal(1, a.Only.Counters.Drops[DropReason.VersionRefused]);
    }

    private static (Lab Lab, Host A, Host B) Pair(ImmutableArray<ProtocolVersion> ofA, ImmutableArray<ProtocolVersion> ofB)
    {
        var lab = new Lab();
        var a = lab.AddHost("192.0.2.1:51820", versions: ofA);
        var b = lab.AddHost("192.0.2.2:51820", versions: ofB);
        a.AddPeer(b, "10.0.0.2/32");
        b.AddPeer(a, "10.0.0.1/32");
        return (lab, a, b);
    }

    private static PeerUpdate Change(Host host, uint version) => new() { PublicKey = host.Only.PublicKey, UpdateOnly = true, ProtocolVersion = version };

    private static void Configure(Host host, uint version) => host.Apply(Change(host, version));

    private static DropReason Send(Host from) => from.Address.ToString().StartsWith("192.0.2.1:", StringComparison.Ordinal)
        ? from.SendTo("10.0.0.2", "10.0.0.1")
        : from.SendTo("10.0.0.1", "10.0.0.2");

    /// <summary>A packet each way, so that both ends have a current session; the first to send is the initiator of a new one.</summary>
    private static void Exchange(Lab lab, Host first, Host second)
    {
        var (atFirst, atSecond) = (first.Received.Count, second.Received.Count);
        Send(first);
        lab.Deliver();
        Send(second);
        lab.Deliver();
        Assert.Equal((atFirst + 1, atSecond + 1), (first.Received.Count, second.Received.Count));
    }

    private static long Initiations(Host a, Host b) => a.Only.Counters.InitiationsSent + b.Only.Counters.InitiationsSent;
}
