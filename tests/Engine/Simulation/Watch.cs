using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// What an engine may accept and hold, whatever the network does. Limits are the paper's figures, written out, so that a wrong
/// constant in the engine is found too.
/// </summary>
internal sealed class Watch(World world)
{
    public const int RejectAfterSeconds = 180;
    public const ulong RejectAfterMessages = 18_446_744_073_709_543_423; // 2^64 - 2^13 - 1

    private const int ZeroKeysAfterSeconds = 540;
    private const int StagedPackets = 128;
    private const int IndicesPerPeer = 4; // our own handshake, and the previous, current and next session
    private const ulong ReplayWindow = 8128;
    private const int InitiationGapMilliseconds = 20;
    private const int SampledEvery = 64;

    private readonly HashSet<ulong> _arrived = [];
    private long _steps;

    public static bool IsAuthentic(DropReason outcome) => outcome is DropReason.None or DropReason.ForeignSource or DropReason.InvalidPacket;

    public bool HasArrived(ulong packet) => _arrived.Contains(packet);

    /// <summary>A packet was given to an engine.</summary>
    public static void OnSent(Node node, Node? to, DropReason outcome)
    {
        Assert.True((to is null) == (outcome == DropReason.NoPeer), "a packet went another way than the allowed IPs say");
        if (to is not null && node.PeerOf(to) is { } peer)
        {
            Assert.True(peer.StagedCount <= StagedPackets, "more packets wait for a session than there is room for");
        }
    }

    /// <summary>A transport message was handled by a node; <paramref name="session"/> is the one it names there.</summary>
    public void OnTransport(Node node, Session? session, ReadOnlySpan<byte> datagram, int length, DropReason outcome, bool tampered)
    {
        if (session is null || !IsAuthentic(outcome))
        {
            Assert.True(length == 0 && !IsAuthentic(outcome), "a packet without a session was accepted");
            if (session is not null && outcome == DropReason.Replayed)
            {
                MustBeReplay(world.Ledger[session], Messages.Counter(datagram));
            }

            return;
        }

        Assert.False(tampered, "a changed packet was accepted");
        Assert.True(outcome != DropReason.InvalidPacket, "a whole packet was taken for a broken one");
        Assert.True(node.AgeOf(session) < TimeSpan.FromSeconds(RejectAfterSeconds), "a packet was accepted under a key that is too old");
        var counter = Messages.Counter(datagram);
        Assert.True(counter < RejectAfterMessages, "a packet was accepted beyond the last counter");
        Assert.True(world.Ledger[session].TryAccept(counter), "a counter was accepted twice");
        HeardFrom(session.Peer);
        if (datagram.Length == Messages.TransportMinimumLength)
        {
            Assert.Equal(DropReason.None, outcome);
            return;
        }

        OnPacket(node, session.Peer, datagram[Messages.TransportHeaderLength..], length, outcome);
    }

    /// <summary>A handshake message was handled by a node.</summary>
    /// <param name="node">By whom.</param>
    /// <param name="type">Of the message.</param>
    /// <param name="message">The whole of it.</param>
    /// <param name="initiator">The peer whose initiation a response names.</param>
    /// <param name="outcome">What the engine said.</param>
    /// <param name="tampered">Whether it was changed on the way.</param>
    public void OnHandshake(Node node, MessageType type, ReadOnlySpan<byte> message, Peer? initiator, DropReason outcome, bool tampered)
    {
        Assert.False(tampered && outcome == DropReason.None, $"a changed {type} was accepted");
        if (type == MessageType.Initiation && !tampered)
        {
            OnInitiation(node, world.Ledger.Initiations[Network.EphemeralOf(message)], outcome);
        }
        else if (type == MessageType.Response && outcome == DropReason.None)
        {
            HeardFrom(initiator!);
            world.Eavesdropper.Announces(initiator!);
        }
    }

    /// <summary>Whether the peer would take the node's next initiation for a replay: their clocks went back while they forgot.</summary>
    public bool IsRefused(Node node, Node by)
    {
        if (node.PeerOf(by) is not { } peer || by.PeerOf(node) is not { } other)
        {
            return true;
        }

        return NextTimestamp(node, peer) <= world.Ledger[other].TimestampAccepted;
    }

    /// <summary>The label of the node's next initiation: the wall clock's, but always greater than the last one.</summary>
    public Tai64n NextTimestamp(Node node, Peer peer)
    {
        var (now, last) = (Tai64n.From(node.WallTime), world.Ledger[peer].TimestampSent);
        return now > last ? now : last.Next();
    }

    /// <summary>One owner for each allowed IP, and the one that was configured.</summary>
    public static void OnConfigured(Node node)
    {
        var actual = node.Core.AllowedIps.Enumerate();
        Assert.True(actual.Count == node.Table.Count, "there are allowed IPs that were not configured, or the other way round");
        foreach (var (prefix, owner) in actual)
        {
            Assert.True(node.Table.Any(entry => entry.Prefix == prefix && entry.Owner.Peer == owner), "an allowed IP has another owner");
        }
    }

    /// <summary>After every step.</summary>
    public void Step()
    {
        // what changes seldom, or can only grow, is looked at now and then, since it costs the most
        if (_steps++ % SampledEvery == 0)
        {
            foreach (var node in world.Nodes.Where(node => node.IsRunning))
            {
                Inspect(node);
            }
        }
    }

    private static void Inspect(Node node)
    {
        OnConfigured(node);
        var peers = 0;
        foreach (var link in node.Links)
        {
            if (link.Peer is not { } peer)
            {
                continue;
            }

            peers++;
            Assert.True(peer.StagedCount <= StagedPackets, "more packets wait for a session than there is room for");
            var newest = Newest(Newest(peer.Previous, peer.Current), peer.Next);
            Assert.True(newest is null || node.AgeOf(newest) <= TimeSpan.FromSeconds(ZeroKeysAfterSeconds), "keys are kept too long");
        }

        Assert.True(node.Core.Indices.Count <= peers * IndicesPerPeer, "indices are not freed");

        static Session? Newest(Session? one, Session? other) => one is null || other?.Created > one.Created ? other : one;
    }

    private void OnPacket(Node node, Peer peer, ReadOnlySpan<byte> plaintext, int length, DropReason outcome)
    {
        var number = Packets.NumberOf(plaintext);
        var sent = world.Sent[number];
        var belongs = node.Route(sent.Source) == sent.From;
        if (outcome == DropReason.ForeignSource)
        {
            Assert.True(length == 0, "a dropped packet was delivered");
            Assert.False(belongs, "a packet from an allowed source was dropped");
            return;
        }

        Assert.True(sent.To == node, "a packet arrived at another node");
        Assert.True(node.PeerOf(sent.From) == peer, "a packet was taken for another peer's");
        Assert.True(belongs, "a packet with a foreign source was accepted");
        Assert.True(plaintext[..length].SequenceEqual(Packets.Make(number, sent)), "a packet arrived changed");
        Assert.True(_arrived.Add(number), "a packet was accepted twice");
    }

    private void OnInitiation(Node node, in SentInitiation sent, DropReason outcome)
    {
        var key = sent.Key;
        if (node.Links.FirstOrDefault(link => link.Peer?.PublicKey == key)?.Peer is not { } peer)
        {
            Assert.True(outcome != DropReason.None, "an initiation of a stranger was accepted");
            return;
        }

        var record = world.Ledger[peer];
        var isNew = sent.Timestamp > record.TimestampAccepted;
        switch (outcome)
        {
            case DropReason.None:
                Assert.True(isNew, "an initiation was accepted again, or after a newer one");
                Assert.True(
                    record.InitiationAcceptedAt is not { } last || world.Now - last >= World.Nanoseconds(TimeSpan.FromMilliseconds(InitiationGapMilliseconds)),
                    "initiations were accepted in too quick a succession");
                record.TimestampAccepted = sent.Timestamp;
                record.InitiationAcceptedAt = world.Now;
                HeardFrom(peer);
                break;
            case DropReason.HandshakeReplayed:
                Assert.False(isNew, "a new initiation was taken for a replay");
                break;
        }
    }

    private static void MustBeReplay(SessionRecord session, ulong counter) => Assert.True(
        session.HasAccepted(counter) || session.Highest - counter > ReplayWindow || counter >= RejectAfterMessages,
        "a packet was dropped as a replay that is none");

    private void HeardFrom(Peer peer)
    {
        var record = world.Ledger[peer];
        record.AuthenticAt = world.Now;
        record.WishedAt = world.Now;
    }
}
