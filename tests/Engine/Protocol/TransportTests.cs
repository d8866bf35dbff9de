using System.Buffers.Binary;
using System.Collections.Concurrent;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Packets on their way through two cores: lengths, counts, and configuration that changes under them.</summary>
public class TransportTests
{
    [Fact]
    public void A_packet_of_any_length_and_family_arrives_as_it_was_sent_without_its_padding()
    {
        var (lab, a, b) = Lab.Connected();
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, AllowedIps = [new(P("fd00::2/128"))] });
        b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, AllowedIps = [new(P("fd00::1/128"))] });
        for (var length = 0; length <= 1400; length++)
        {
            foreach (var packet in new[] { Packet("10.0.0.1", "10.0.0.2", new string('x', length)), IPv6Packet(length) })
            {
                a.Send(packet);
                var frame = lab.Take().Single();
                Assert.Equal(0, (frame.Bytes.Length - Messages.TransportMinimumLength) % Limits.PaddingMultiple * (packet.Length > 1408 ? 0 : 1));
                Assert.InRange(frame.Bytes.Length, packet.Length + Messages.TransportMinimumLength, Math.Max(packet.Length, a.Core.Mtu) + Messages.TransportMinimumLength);
                lab.Deliver(frame);
                Assert.Equal(packet, b.Received[^1]);
            }
        }
    }

    [Fact]
    public void What_follows_the_inner_packet_in_the_plaintext_is_cut_off()
    {
        var (lab, a, b) = Lab.Connected();
        var packet = Packet("10.0.0.1", "10.0.0.2", "inner");
        var message = new byte[Messages.TransportMinimumLength + 320];
        message.AsSpan().Fill(0xee); // padding is zero by custom alone
        packet.CopyTo(message.AsSpan(Messages.TransportHeaderLength));
        Assert.True(a.Only.Current!.TrySeal(message));
        lab.Deliver(new Frame(a.Address, b.Address, message));
        Assert.Equal(packet, Assert.Single(b.Received));
    }

    [Fact]
    public void Bytes_of_every_kind_of_message_are_counted_at_both_ends()
    {
        var (lab, a, b) = Lab.Pair();
        a.SendTo("10.0.0.2", "10.0.0.1"); // 25 bytes, padded to 32
        lab.Deliver();
        b.SendTo("10.0.0.1", "10.0.0.2");
        lab.Deliver();
        lab.Pass(11); // and a keepalive
        const long data = 32 + 32;
        Assert.Equal(Messages.InitiationLength + data + Messages.TransportMinimumLength, a.Only.Counters.SentBytes);
        Assert.Equal(a.Only.Counters.SentBytes, b.Only.Counters.ReceivedBytes);
        Assert.Equal(Messages.ResponseLength + data, b.Only.Counters.SentBytes);
        Assert.Equal(b.Only.Counters.SentBytes, a.Only.Counters.ReceivedBytes);
        Assert.Equal((1, 1), (a.Only.Counters.SentPackets, a.Only.Counters.ReceivedPackets)); // keepalives are no packets
    }

    [Fact]
    public void The_time_of_the_last_handshake_is_a_moment_and_not_an_age()
    {
        var (lab, a, b) = Lab.Pair();
        Assert.Null(a.Only.LastHandshake);
        lab.Time.Advance(TimeSpan.FromSeconds(7));
        var moment = lab.Time.GetUtcNow();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        lab.Pass(50);
        Assert.Equal((moment, moment), (a.Only.LastHandshake, b.Only.LastHandshake));
    }

    [Fact]
    public async Task Configuration_that_changes_under_traffic_costs_no_packet_and_no_session()
    {
        var (lab, a, b) = Lab.Connected();
        b.AddPeer(lab.AddHost("192.0.2.3:51820"), "10.0.0.3/32");
        var now = lab.Now; // stands still: the threads must not race the rekey
        var arrived = new ConcurrentDictionary<string, int>();
        var senders = Enumerable.Range(0, 2).Select(sender => OnThread(() =>
        {
            Outbox sent = new(), answers = new();
            for (var i = 0; i < 5_000; i++)
            {
                Assert.Equal(DropReason.None, a.Core.Send(Packet("10.0.0.1", "10.0.0.2", $"{sender}-{i}"), now, sent));
                foreach (ref readonly var datagram in sent.Datagrams)
                {
                    var message = sent.Bytes(datagram).ToArray();
                    Assert.Equal(MessageType.Transport, Messages.Classify(message));
                    Assert.Equal(DropReason.None, b.Core.ReceiveTransport(message, a.Address, now, answers, out _, out var length));
                    arrived.AddOrUpdate(Text(message.AsSpan(Messages.TransportHeaderLength, length).ToArray()), 1, (_, count) => count + 1);
                }

                sent.Clear();
                answers.Clear();
            }
        })).ToArray();
        var changes = 0;
        var reconfigure = OnThread(() =>
        {
            var outbox = new Outbox();
            for (; changes < 200 || !senders.All(task => task.IsCompleted); changes++)
            {
                var passing = new PublicKey([.. BitConverter.GetBytes(changes), .. new byte[28]]);
                a.Core.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = passing, AllowedIps = [new(P("10.0.0.0/24")), new(P("10.0.0.3/32"))] }] }, now, outbox);
                b.Core.Apply(Replaced(a, "10.0.0.1/32", $"10.1.{changes & 255}.0/24"), now, outbox);
                a.Core.Apply(Replaced(b, "10.0.0.2/32", $"10.2.{changes & 255}.0/24"), now, outbox);
                a.Core.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = passing, Remove = true }] }, now, outbox);
                b.Core.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = a.Identity.PublicKey, Endpoint = a.Address, PresharedKey = new SecretKey(new byte[32]) }] }, now, outbox);
                outbox.Clear();
            }
        });
        await Task.WhenAll([.. senders, reconfigure]);
        Assert.Equal(10_000, arrived.Count);
        Assert.All(arrived.Values, count => Assert.Equal(1, count));
    }

    private static DeviceUpdate Replaced(Host other, params string[] prefixes) => new()
    {
        Peers = [new PeerUpdate { PublicKey = other.Identity.PublicKey, ReplaceAllowedIps = true, AllowedIps = [.. prefixes.Select(text => new AllowedIpUpdate(P(text)))] }],
    };

    private static Task OnThread(Action body) => Task.Factory.StartNew(body, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static byte[] IPv6Packet(int length)
    {
        var packet = new byte[40 + length];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)length);
        packet[6] = 253;
        System.Net.IPAddress.Parse("fd00::1").TryWriteBytes(packet.AsSpan(8), out _);
        System.Net.IPAddress.Parse("fd00::2").TryWriteBytes(packet.AsSpan(24), out _);
        packet.AsSpan(40).Fill(0xab);
        return packet;
    }
}
