using System.Buffers.Binary;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// Reads every datagram that an engine sends, before the network has its way with it: what may be sent at all, how long it is,
/// and how often.
/// </summary>
internal sealed class Eavesdropper(World world)
{
    private const int RekeyTimeoutSeconds = 5;
    private const int RekeyAfterSeconds = 120;
    private const ulong RekeyAfterMessages = 1UL << 60;
    private const int PaddingMultiple = 16;

    // the longest way from the last reason to talk to the last initiation: 10 s twice until a keepalive is due, or 15.3 s until
    // silence is noticed, then retries for 90 s, the last of which 5.3 s late
    private const int LastInitiationSeconds = 116;

    private readonly HashSet<ulong> _keystream = [];
    private readonly HashSet<(ulong, ulong)> _keepalives = [];
    private readonly List<Peer> _mustRekey = [];
    private readonly HashSet<Peer> _announcing = [];
    private readonly List<(Node Node, Peer Peer)> _initiations = [];

    /// <summary>All initiations, in the order they were sent.</summary>
    public IReadOnlyList<(Node Node, Peer Peer)> Initiations => _initiations;

    /// <summary>A datagram leaves a node.</summary>
    public void OnDatagram(Node sender, Peer? peer, ReadOnlySpan<byte> datagram)
    {
        Assert.True(datagram.IndexOf(Packets.Marker) < 0, "plaintext on the wire");
        var type = Messages.Classify(datagram);
        switch (type)
        {
            case MessageType.Initiation:
                OnInitiation(sender, peer!, datagram);
                world.Ledger[peer!].KeepalivesOwed = 0;
                break;
            case MessageType.Response:
                world.Ledger[peer!].KeepalivesOwed = 0;
                break; // one for each initiation that Watch has seen accepted
            case MessageType.CookieReply:
                Assert.True(
                    sender.LoadedAt is { } at && world.Now - at < World.Nanoseconds(TimeSpan.FromSeconds(1)),
                    "a cookie reply without load tells strangers that someone is there");
                return;
            case MessageType.Transport:
                OnTransport(sender, peer!, datagram);
                break;
            default:
                Assert.Fail("a datagram of no type or of a wrong length");
                break;
        }

        world.Ledger[peer!].AuthenticAt = world.Now;
    }

    /// <summary>In this step one keepalive is allowed: a response was taken (S7), or persistent keepalives were switched on.</summary>
    public void Announces(Peer peer) => _announcing.Add(peer);

    /// <summary>A peer was heard with data.</summary>
    public void Owes(Peer peer)
    {
        var record = world.Ledger[peer];
        record.KeepalivesOwed = Math.Min(2, record.KeepalivesOwed + 1);
    }

    /// <summary>A node has sent all that this step made it send.</summary>
    public void AfterStep()
    {
        // S4, S5: whoever has used a key for long enough has asked for a new one, unless he did so just before
        foreach (var peer in _mustRekey)
        {
            Assert.True(
                world.Ledger[peer].InitiationSentAt is { } at && world.Now - at < World.Nanoseconds(TimeSpan.FromSeconds(RekeyTimeoutSeconds)),
                "a key was used beyond REKEY_AFTER and no new one asked for");
        }

        _mustRekey.Clear();
        _announcing.Clear();
    }

    private void OnInitiation(Node sender, Peer peer, ReadOnlySpan<byte> datagram)
    {
        var record = world.Ledger[peer];
        Assert.True(
            record.InitiationSentAt is not { } last || record.InitiationSentEpoch != sender.KeyEpoch
            || world.Now - last >= World.Nanoseconds(TimeSpan.FromSeconds(RekeyTimeoutSeconds)),
            "two initiations to a peer within REKEY_TIMEOUT");
        Assert.True(
            peer.PersistentKeepalive != 0 || world.Now - record.WishedAt <= World.Nanoseconds(TimeSpan.FromSeconds(LastInitiationSeconds)),
            "a handshake nobody asked for, or one that is never given up");

        record.TimestampSent = world.Watch.NextTimestamp(sender, peer);
        record.InitiationSentAt = world.Now;
        record.InitiationSentEpoch = sender.KeyEpoch;
        record.InitiationsSent++;
        _initiations.Add((sender, peer));
        world.Ledger.Initiations.Add(Network.EphemeralOf(datagram), new SentInitiation(sender, sender.PublicKey, record.TimestampSent));
    }

    private void OnTransport(Node sender, Peer peer, ReadOnlySpan<byte> datagram)
    {
        var session = peer.Current;
        Assert.True(session?.RemoteIndex == Messages.Receiver(datagram), "sent under a session that is not current");

        var record = world.Ledger[session];
        var counter = Messages.Counter(datagram);
        Assert.True(counter >= record.NextCounter, "a nonce was used twice");
        record.NextCounter = (UInt128)counter + 1;
        Assert.True(counter < Watch.RejectAfterMessages, "a key was used after REJECT_AFTER_MESSAGES");
        var age = sender.AgeOf(session);
        Assert.True(age < TimeSpan.FromSeconds(Watch.RejectAfterSeconds), "a key was used after REJECT_AFTER_TIME");
        Assert.True(session.IsInitiator || record.Confirmed, "the responder sent before the initiator confirmed the key");
        if (counter >= RekeyAfterMessages || (session.IsInitiator && age >= TimeSpan.FromSeconds(RekeyAfterSeconds)))
        {
            _mustRekey.Add(peer);
        }

        var length = datagram.Length - Messages.TransportMinimumLength;
        Assert.True(
            length % PaddingMultiple == 0 || length == sender.Mtu || (length > sender.Mtu && sender.HasShrunk),
            "a packet was not padded to 16 bytes or to the MTU");
        if (length == 0)
        {
            OnKeepalive(peer, datagram);
        }
        else
        {
            world.Ledger[peer].KeepalivesOwed = 0;
            // What the plaintext is at this place is known, so what is left is the keystream: another packet with the same eight
            // bytes of it was sealed with the same key and nonce, whatever the engine thinks they are.
            var known = BinaryPrimitives.ReadUInt64LittleEndian(Packets.Marker);
            var bytes = datagram[(Messages.TransportHeaderLength + Packets.MarkerOffset)..];
            Assert.True(_keystream.Add(known ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)), "a keystream was used twice");
        }
    }

    private void OnKeepalive(Peer peer, ReadOnlySpan<byte> datagram)
    {
        // the tag of nothing follows from key and nonce alone
        var tag = datagram[Messages.TransportHeaderLength..];
        Assert.True(
            _keepalives.Add((BinaryPrimitives.ReadUInt64LittleEndian(tag), BinaryPrimitives.ReadUInt64LittleEndian(tag[8..]))),
            "a key and nonce were used twice");

        // one that may well be for something else is taken for an answer: whether it is one makes no difference to the next
        var record = world.Ledger[peer];
        if (_announcing.Remove(peer))
        {
            record.KeepalivesOwed = 0;
        }
        else if (record.KeepalivesOwed > 0)
        {
            record.KeepalivesOwed--;
        }
        else
        {
            Assert.True(
                peer.PersistentKeepalive != 0
                && world.Now - record.AuthenticAt >= World.Nanoseconds(TimeSpan.FromSeconds(peer.PersistentKeepalive)),
                "a keepalive that answers nothing");
        }
    }
}
