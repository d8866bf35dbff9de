using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>What must hold at every step, whatever the network does.</summary>
internal sealed class Watch(World world)
{
    private readonly HashSet<(Node Sender, uint Receiver, ulong Counter)> _nonces = [];
    private readonly HashSet<(Node Node, uint Index)> _confirmed = [];
    private readonly HashSet<ulong> _arrived = [];
    private long _steps;

    /// <summary>Is in every packet and must be in no datagram.</summary>
    public static ReadOnlySpan<byte> Marker => "PLAINTXT"u8;

    public bool HasArrived(ulong packet) => _arrived.Contains(packet);

    /// <summary>A datagram leaves a node.</summary>
    public void OnWire(Node sender, byte[] datagram)
    {
        Assert.True(datagram.AsSpan().IndexOf(Marker) < 0, "plaintext on the wire");
        if (Messages.Classify(datagram) != MessageType.Transport)
        {
            return;
        }

        var index = Messages.Receiver(datagram);
        Assert.True(_nonces.Add((sender, index, Messages.Counter(datagram))), "a nonce was used twice");

        var session = sender.Core.Peers.Select(peer => peer.Current).FirstOrDefault(current => current?.RemoteIndex == index);
        Assert.True(session is not null, "sent under a session that is not current");
        Assert.True(new Instant(world.Now) - session.Created < Limits.RejectAfterTime, "a key was used after REJECT_AFTER_TIME");
        Assert.True(session.IsInitiator || _confirmed.Contains((sender, session.LocalIndex)), "the responder sent before the initiator confirmed the key");
        Assert.True(IsPadded(datagram.Length - Messages.TransportMinimumLength), "a packet was not padded");
    }

    /// <summary>A transport message was handled by a node.</summary>
    public void OnReceived(Node node, uint index, DropReason outcome, Peer? peer, ReadOnlySpan<byte> packet)
    {
        if (outcome is DropReason.None or DropReason.ForeignSource)
        {
            _confirmed.Add((node, index)); // authentic, whatever was in it
        }

        if (outcome != DropReason.None)
        {
            Assert.True(packet.IsEmpty, "a dropped packet was delivered");
            return;
        }

        if (packet.IsEmpty)
        {
            return;
        }

        var number = World.NumberOf(packet);
        var (from, to) = world.Sent[number];
        Assert.True(to == node, "a packet arrived at another node");
        Assert.True(peer!.PublicKey == from.PublicKey, "a packet was taken for another peer's");
        Assert.True(!world.Forged.Contains(number), "a packet with a foreign source was accepted");
        Assert.True(_arrived.Add(number), "a packet was accepted twice");
    }

    private static bool IsPadded(int length) => length % Limits.PaddingMultiple == 0;

    /// <summary>After every step.</summary>
    public void Step()
    {
        // the whole table only now and then: it is the most expensive check and changes seldom
        if (_steps++ % 64 != 0)
        {
            return;
        }

        foreach (var node in world.Nodes)
        {
            var owned = node.Core.Peers.SelectMany(peer => node.Core.AllowedIps.List(peer)).ToArray();
            Assert.True(owned.Length == owned.Distinct().Count(), "an allowed IP has two owners");
        }
    }
}
