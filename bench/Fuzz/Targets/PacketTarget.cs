using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Fuzz.Targets;

/// <summary>
/// What stands in packets: from the interface whatever a program puts there, from a peer whatever it seals. What goes in at one end comes
/// out at the other, or is dropped; nothing that no header vouches for gets in.
/// </summary>
internal sealed class PacketTarget : FuzzTarget
{
    private static readonly byte[][] Packets =
    [
        Wire.Packet("10.0.0.1", "10.0.0.2", ""),
        Wire.Packet("10.0.0.1", "10.0.0.2", "hello"),
        Wire.Packet("10.0.0.1", "10.0.0.2", new string('x', 1400)),
        Wire.Packet("10.0.0.9", "10.0.0.2", "somebody else's"),
        Wire.Packet6("fd00::1", "fd00::2", ""),
        Wire.Packet6("fd00::1", "fd00::2", "hello"),
        Wire.Packet6("fd00::9", "fd00::2", "somebody else's"),
        [],
    ];

    /// <inheritdoc/>
    public override string Name => "packet";

    /// <inheritdoc/>
    public override void Run(IReadOnlyList<Sample> samples)
    {
        var wire = Connected();
        foreach (var sample in samples)
        {
            var packet = sample.Apply(Packets[(int)(sample.Entry % (uint)Packets.Length)], Packets, []);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var isWhole = IpPacket.TryGetLength(packet, out var length);
            Require(isWhole == LengthOf(packet) is not null && (!isWhole || length == LengthOf(packet)), $"a packet of {LengthOf(packet)} bytes was taken for one of {length}");
            FromInterface(wire, packet, isWhole ? packet[..length] : []);
            if (packet.Length <= Messages.MaximumLength - Messages.TransportMinimumLength)
            {
                FromPeer(wire, packet, isWhole ? packet[..length] : []);
            }

            RequireLittleMemory(before, packet.Length, perByte: 64);
        }
    }

    // said once more, in long numbers: what the header states, if that is a packet and all of it is there
    private static long? LengthOf(byte[] packet)
    {
        long Field(int at) => (packet[at] * 256L) + packet[at + 1];
        long? length = packet.Length == 0 ? null : (packet[0] / 16) switch
        {
            4 when packet.Length >= 20 && Field(2) >= 20 => Field(2),
            6 when packet.Length >= 40 => 40 + Field(4),
            _ => null,
        };
        return length <= packet.Length ? length : null;
    }

    private static void FromInterface(Wire wire, byte[] packet, byte[] whole)
    {
        List<byte[]> sent = [];
        var reason = wire.A.Send(packet, sent);
        if (reason != DropReason.None)
        {
            Require(reason == (whole.Length > 0 ? DropReason.NoPeer : DropReason.Malformed) && sent.Count == 0, $"a packet that was dropped ({reason}) was sent");
            return;
        }

        Require(sent.Count == 1 && whole.Length > 0, "what is no packet was sent");
        Arrives(wire, sent[0], whole);
    }

    // sealed as a peer would that may put into its messages what it likes
    private static void FromPeer(Wire wire, byte[] packet, byte[] whole)
    {
        var message = new byte[Messages.TransportMinimumLength + packet.Length];
        packet.CopyTo(message, Messages.TransportHeaderLength);
        Require(wire.A.Peer.Current!.TrySeal(message), "the session is at its end");
        Arrives(wire, message, whole);
    }

    private static void Arrives(Wire wire, byte[] message, byte[] whole)
    {
        List<byte[]> sent = [];
        var reason = wire.B.Receive(message, wire.A.Address, sent, out var length);
        var isOurs = whole.Length > 0 && wire.B.Core.AllowedIps.LookupSource(whole) == wire.B.Peer;
        Require(sent.Count == 0, "a packet was answered");
        Require(length == (isOurs ? whole.Length : 0), $"{length} bytes came out instead of {whole.Length}");
        Require(message.AsSpan(Messages.TransportHeaderLength, length).SequenceEqual(isOurs ? whole : []), "what came out is not what went in");
        Require(
            isOurs ? reason == DropReason.None
            : whole.Length > 0 ? reason == DropReason.ForeignSource
            : reason is DropReason.InvalidPacket or DropReason.None, $"the answer was {reason}");
    }

    private static Wire Connected()
    {
        var wire = new Wire();
        List<byte[]> sent = [];
        wire.A.Send(Packets[1], sent);
        for (var receiver = wire.B; sent.Count > 0; receiver = receiver == wire.A ? wire.B : wire.A)
        {
            List<byte[]> answer = [];
            foreach (var message in sent)
            {
                receiver.Receive(message, receiver == wire.A ? wire.B.Address : wire.A.Address, answer, out _);
            }

            sent = answer;
        }

        Require(wire.A.Peer.Current is not null && wire.B.Peer.Current is not null, "there is no session");
        return wire;
    }
}
