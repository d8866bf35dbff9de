using WgMesh.Engine;
using WgMesh.Engine.Protocol;

namespace WgMesh.Fuzz.Targets;

/// <summary>
/// The four messages. Two engines make a session, with a cookie on the way, and speak; before each of their messages arrives, changed ones
/// do. A changed message is dropped without an answer and without a trace, and the real one behind it is taken, once, as if it had come alone.
/// </summary>
internal sealed class ProtocolTarget : FuzzTarget
{
    private const int Stages = 6;

    private static readonly Endpoint Stranger = Station.Parse("203.0.113.66:6666");

    /// <inheritdoc/>
    public override string Name => "protocol";

    /// <inheritdoc/>
    public override void Run(IReadOnlyList<Sample> samples) => new Conversation(samples).Run();

    private sealed class Conversation(IReadOnlyList<Sample> samples)
    {
        private readonly Wire _wire = new();
        private readonly List<byte[]> _seen = [];

        public void Run()
        {
            var (a, b) = (_wire.A, _wire.B);
            var request = Wire.Packet("10.0.0.1", "10.0.0.2", "request");
            var initiation = Single(sent => Require(a.Send(request, sent) == DropReason.None, "a packet for a peer was dropped"));
            Disturb(0, b, initiation, a.Address);

            // a cookie is asked for, and paid with
            b.Backlog = ProtocolCore.LoadThreshold;
            var cookie = Single(sent => Require(b.Receive([.. initiation], a.Address, sent, out _) == DropReason.UnderLoad, "no cookie was asked for"));
            Disturb(1, a, cookie, b.Address);
            Deliver(a, cookie, b.Address);
            Pass(6);
            initiation = Single(a.Advance);
            Disturb(2, b, initiation, a.Address);
            var response = Deliver(b, initiation, a.Address)[0];
            b.Backlog = 0;
            Pass(2); // load is felt for a second more

            Disturb(3, a, response, b.Address);
            var data = Deliver(a, response, b.Address)[0];
            Disturb(4, b, data, a.Address);
            Deliver(b, data, a.Address, request);
            Disturb(3, a, response, b.Address); // once more, now that it is used up
            var reply = Wire.Packet6("fd00::2", "fd00::1", "reply");
            data = Single(sent => Require(b.Send(reply, sent) == DropReason.None, "a packet for a peer was dropped"));
            Disturb(5, a, data, b.Address);
            Deliver(a, data, b.Address, reply);

            for (var round = 0; round < 3; round++)
            {
                Deliver(b, Single(sent => a.Send(request, sent)), a.Address, request);
                Deliver(a, Single(sent => b.Send(reply, sent)), b.Address, reply);
            }
        }

        /// <summary>A real message arrives: it is taken, and its packet comes out.</summary>
        private List<byte[]> Deliver(Station to, byte[] message, Endpoint from, byte[]? packet = null)
        {
            List<byte[]> sent = [];
            byte[] datagram = [.. message];
            var reason = to.Receive(datagram, from, sent, out var length);
            Require(reason == DropReason.None, $"a real {Messages.Classify(message)} was dropped: {reason}");
            Require(
                datagram.AsSpan(Messages.TransportHeaderLength, length).SequenceEqual(packet ?? []), "what came out is not what went in");
            Require(to.Receive([.. message], from, [], out _) != DropReason.None, $"a real {Messages.Classify(message)} was taken twice");
            _seen.Add(message);
            _seen.AddRange(sent);
            return sent;
        }

        private void Disturb(int stage, Station to, byte[] original, Endpoint from)
        {
            _seen.Add(original);
            foreach (var sample in samples.Where(sample => sample.Entry % Stages == stage))
            {
                var changed = sample.Apply(original, _seen, []);
                // whoever knows a public key, and that is anybody, can make a valid mac1
                var isSealedAnew = sample.Entry / Stages % 2 == 1 && IsHandshake(changed);
                if (isSealedAnew)
                {
                    new CookieJar(to.PublicKey).WriteMacs(changed, default);
                }

                if (!_seen.Any(seen => IsSame(seen, changed, isSealedAnew)))
                {
                    Disturb(to, changed, original, sample.Entry / (2 * Stages) % 2 == 0 ? from : Stranger);
                }
            }
        }

        private static void Disturb(Station to, byte[] changed, byte[] original, Endpoint from)
        {
            var what = $"a {Messages.Classify(original)} changed to {Convert.ToHexString(changed)}";
            var isUnderLoad = to.Backlog > 0;
            var state = to.State;
            List<byte[]> sent = new(4);
            byte[] datagram = [.. changed];
            var before = GC.GetAllocatedBytesForCurrentThread();
            var reason = to.Receive(datagram, from, sent, out var length);
            RequireLittleMemory(before, changed.Length, perByte: 16);
            Require(reason != DropReason.None && length == 0, $"{what} was taken");
            Require(to.State.Equals(state), $"{what} changed something");

            // silence is what an unauthentic message is answered with, or a cookie reply where mac1 is right
            Require(isUnderLoad && reason == DropReason.UnderLoad ? sent is [{ Length: Messages.CookieReplyLength }] : sent.Count == 0, $"{what} was answered");
        }

        // A handshake message that differs in mac2 alone is the real one, as mac2 counts only under load. With a new mac1 so is one that differs
        // in its sender's index: nothing but mac1 vouches for it (paper, section 5.4).
        private static bool IsSame(byte[] seen, byte[] changed, bool isSealedAnew)
        {
            if (!IsHandshake(seen) || seen.Length != changed.Length)
            {
                return seen.AsSpan().SequenceEqual(changed);
            }

            var sealedByNoise = isSealedAnew ? 8..^(2 * Messages.MacLength) : 0..^Messages.MacLength;
            return seen[0] == changed[0] && seen.AsSpan(sealedByNoise).SequenceEqual(changed.AsSpan(sealedByNoise));
        }

        private static bool IsHandshake(byte[] message) => Messages.Classify(message) is MessageType.Initiation or MessageType.Response;

        private void Pass(double seconds) => _wire.Time.Advance(TimeSpan.FromSeconds(seconds));

        private static byte[] Single(Action<List<byte[]>> action)
        {
            List<byte[]> sent = [];
            action(sent);
            Require(sent.Count == 1, $"{sent.Count} datagrams were sent instead of one");
            return sent[0];
        }
    }
}
