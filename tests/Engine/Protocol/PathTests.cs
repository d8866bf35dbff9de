using WgMesh.Engine.Device;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>From which of our addresses datagrams leave, and what their outer headers say.</summary>
public class PathTests
{
    private static readonly LocalAddress Called = new(0xC6336401, 0, false); // 198.51.100.1

    [Fact]
    public void What_came_in_by_an_address_is_answered_from_there()
    {
        var (lab, a, b) = Heard();
        Assert.Equal(new UdpPath(b.Address, Called), PathOfNextPacket(lab, a));
    }

    [Fact]
    public void A_route_to_the_peer_that_changes_leaves_the_choice_to_the_kernel_until_the_peer_is_heard_again()
    {
        var (lab, a, b) = Heard();
        a.Core.ForgetLocalAddresses([P("198.51.100.0/24"), P("::/0")]); // to others
        Assert.Equal(new UdpPath(b.Address, Called), PathOfNextPacket(lab, a));
        a.Core.ForgetLocalAddresses([P("192.0.2.0/24")]);
        Assert.Equal(new UdpPath(b.Address), PathOfNextPacket(lab, a));
        Hear(lab, a, b);
        Assert.Equal(new UdpPath(b.Address, Called), PathOfNextPacket(lab, a));
    }

    [Fact]
    public void A_send_that_fails_leaves_the_choice_to_the_kernel()
    {
        var (lab, a, b) = Heard();
        a.Only.ForgetLocalAddress();
        Assert.Equal(new UdpPath(b.Address), PathOfNextPacket(lab, a));
    }

    [Fact]
    public void An_initiation_that_is_repeated_leaves_from_where_the_kernel_chooses()
    {
        var (lab, a, b) = Heard();
        lab.Time.Advance(Limits.RejectAfterTime); // so that a packet asks for a session
        Assert.Equal(new UdpPath(b.Address, Called), PathOfNextPacket(lab, a));
        lab.Time.Advance(Limits.RekeyTimeout + Limits.RekeyTimeoutJitter);
        var outbox = new Outbox();
        a.Core.Advance(lab.Now, outbox);
        var repeated = Assert.Single(outbox.Datagrams.ToArray());
        Assert.Equal(MessageType.Initiation, Messages.Classify(outbox.Bytes(repeated)));
        Assert.Equal(new UdpPath(b.Address), repeated.Path);
    }

    [Fact]
    public void So_does_the_initiation_after_silence()
    {
        var (lab, a, b) = Heard();
        PathOfNextPacket(lab, a);
        lab.Time.Advance(Limits.NewHandshakeTimeout + Limits.RekeyTimeoutJitter);
        var outbox = new Outbox();
        a.Core.Advance(lab.Now, outbox);
        var initiation = Assert.Single(outbox.Datagrams.ToArray());
        Assert.Equal(MessageType.Initiation, Messages.Classify(outbox.Bytes(initiation)));
        Assert.Equal(new UdpPath(b.Address), initiation.Path);
    }

    [Fact]
    public void Handshakes_travel_as_AF41_and_packets_with_their_congestion_mark_alone()
    {
        var (lab, a, _) = Lab.Pair();
        var packet = Packet("10.0.0.1", "10.0.0.2", "marked");
        packet[1] = 0xB8 | 2; // a class of its own, and ECT(0)
        var outbox = new Outbox();
        a.Core.Send(packet, lab.Now, outbox);
        Assert.Equal(0x88, Assert.Single(outbox.Datagrams.ToArray()).TrafficClass);

        (lab, a, _) = Lab.Connected();
        outbox.Clear();
        a.Core.Send(packet, lab.Now, outbox);
        Assert.Equal(2, Assert.Single(outbox.Datagrams.ToArray()).TrafficClass);
    }

    [Fact]
    public void A_packet_without_a_peer_an_endpoint_or_a_key_is_refused_to_its_sender_and_one_that_waits_is_not()
    {
        var (lab, a, b) = Lab.Pair(bothKnowEndpoints: false);
        var outbox = new Outbox();
        Assert.Equal(DropReason.NoPeer, a.Core.Send(Packet("10.0.0.1", "10.0.0.99", "x"), lab.Now, outbox));
        Assert.Equal(3, Refusal(outbox)); // ICMP type 3: destination unreachable
        Assert.Equal(DropReason.NoEndpoint, b.Core.Send(Packet("10.0.0.2", "10.0.0.1", "x"), lab.Now, outbox));
        Assert.Equal(3, Refusal(outbox));
        Assert.Equal(DropReason.None, a.Core.Send(Packet("10.0.0.1", "10.0.0.2", "x"), lab.Now, outbox));
        Assert.Equal(0, outbox.Refusal.Count);
        outbox.Clear();
        a.Apply(new DeviceUpdate { PrivateKey = new SecretKey(new byte[32]) });
        Assert.Equal(DropReason.NoSession, a.Core.Send(Packet("10.0.0.1", "10.0.0.2", "x"), lab.Now, outbox));
        Assert.Equal(3, Refusal(outbox));
    }

    [Fact]
    public void What_waited_for_a_session_in_vain_is_refused_when_the_handshake_is_given_up()
    {
        var (lab, a, _) = Lab.Pair();
        var outbox = new Outbox();
        a.Core.Send(Packet("10.0.0.1", "10.0.0.2", "x"), lab.Now, outbox);
        for (var end = lab.Now + Limits.RekeyAttemptTime + Limits.RekeyTimeout; a.Core.NextDeadline < end;)
        {
            Assert.Equal(0, outbox.Refusal.Count);
            lab.Time.Advance(a.Core.NextDeadline - lab.Now + TimeSpan.FromTicks(1));
            outbox.Clear();
            a.Core.Advance(lab.Now, outbox);
            if (a.Only.StagedCount == 0)
            {
                break;
            }
        }

        Assert.Equal(3, Refusal(outbox));
    }

    [Fact]
    public void A_flood_to_nowhere_is_answered_as_seldom_as_the_kernel_answers()
    {
        var (lab, a, _) = Lab.Pair();
        var packet = Packet("10.0.0.1", "10.0.0.99", "x");
        Assert.Equal(Limits.RefusalBurst, Answers());
        Assert.Equal(0, Answers());
        lab.Time.Advance(TimeSpan.FromSeconds(1.0 / Limits.RefusalsPerSecond));
        Assert.Equal(1, Answers());

        int Answers()
        {
            var answers = 0;
            var outbox = new Outbox();
            for (var i = 0; i < 1000; i++)
            {
                a.Core.Send(packet, lab.Now, outbox);
                answers += outbox.Refusal.Count > 0 ? 1 : 0;
                outbox.Clear();
            }

            return answers;
        }
    }

    [Fact]
    public void A_super_packet_is_staged_and_sent_as_its_segments()
    {
        var (lab, a, b) = Lab.Pair();
        var packet = Packet("10.0.0.1", "10.0.0.2", "one of many");
        var outbox = new Outbox();
        a.Core.Send(SuperPacket.Single(packet), lab.Now, outbox);
        Assert.Equal(1, a.Only.StagedCount);
        foreach (var datagram in outbox.Datagrams)
        {
            lab.Wire.Add(new Frame(a.Address, datagram.To, outbox.Bytes(datagram).ToArray()));
        }

        lab.Deliver();
        Assert.Equal(packet, Assert.Single(b.Received));
    }

    private static int Refusal(Outbox outbox)
    {
        var type = outbox.Refusal.AsSpan()[20]; // behind an IPv4 header
        outbox.Clear();
        return type;
    }

    private static (Lab Lab, Host A, Host B) Heard()
    {
        var (lab, a, b) = Lab.Connected();
        Hear(lab, a, b);
        return (lab, a, b);
    }

    // a packet of b's reaches a by the address
    private static void Hear(Lab lab, Host a, Host b)
    {
        b.SendTo("10.0.0.1", "10.0.0.2");
        var frame = Assert.Single(lab.Take());
        var reason = a.Core.ReceiveTransport(frame.Bytes.ToArray(), new UdpPath(frame.From, Called), lab.Now, new Outbox(), out _, out _);
        Assert.Equal(DropReason.None, reason);
    }

    private static UdpPath PathOfNextPacket(Lab lab, Host a)
    {
        var outbox = new Outbox();
        a.Core.Send(Packet("10.0.0.1", "10.0.0.2", "x"), lab.Now, outbox);
        return outbox.Datagrams[0].Path;
    }
}
