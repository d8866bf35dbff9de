using System.Collections.Concurrent;
using System.Security.Cryptography;
using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Counters of one session, used by several threads at once.</summary>
public class SessionTests
{
    [Fact]
    public async Task Threads_that_seal_under_one_session_never_share_a_nonce()
    {
        var (_, a, _) = Lab.Connected();
        var session = a.Only.Current!;
        var first = session.NextCounter;
        var counters = new ConcurrentBag<ulong>();
        await LockStep.Run(4, _ =>
        {
            var message = new byte[64];
            for (var i = 0; i < 5_000; i++)
            {
                Assert.True(session.TrySeal(message));
                counters.Add(Messages.Counter(message));
            }
        });
        Assert.Equal(Enumerable.Range(0, 20_000).Select(i => first + (ulong)i), counters.Order());
    }

    [Fact]
    public async Task At_the_limit_no_nonce_is_used_twice_and_none_beyond_it_however_many_ask()
    {
        var (_, a, _) = Lab.Connected();
        var session = a.Only.Current!;
        session.NextCounter = Limits.RejectAfterMessages - 1_000;
        var counters = new ConcurrentBag<ulong>();
        await LockStep.Run(4, _ =>
        {
            var message = new byte[64];
            for (var i = 0; i < 20_000; i++) // more than lie between the limit and the wrap
            {
                if (session.TrySeal(message))
                {
                    counters.Add(Messages.Counter(message));
                }
            }
        });
        Assert.Equal(Enumerable.Range(0, 1_000).Select(i => Limits.RejectAfterMessages - 1_000 + (ulong)i), counters.Order());
        Assert.InRange(session.NextCounter, Limits.RejectAfterMessages, Limits.RejectAfterMessages + 4);
    }

    [Fact]
    public void A_counter_beyond_the_limit_is_refused_though_it_is_authentic()
    {
        var (lab, a, b) = Lab.Connected();
        var key = RandomNumberGenerator.GetBytes(32);
        var session = new Session(b.Only, 99, ProtocolVersion.One, 1, 2, isInitiator: false, lab.Now, new byte[32], key);
        using var sender = new WgMesh.Engine.Crypto.ChaCha20Poly1305Key(key);
        foreach (var (counter, outcome) in new[]
        {
            (Limits.RejectAfterMessages - 1, DropReason.None), (Limits.RejectAfterMessages, DropReason.Replayed), (ulong.MaxValue, DropReason.Replayed),
        })
        {
            var message = new byte[Messages.TransportMinimumLength];
            BitConverter.TryWriteBytes(message.AsSpan(8), counter);
            Assert.True(sender.TrySeal(counter, [], message.AsSpan(Messages.TransportHeaderLength)));
            Assert.Equal(outcome, session.TryOpen(message));
        }

        _ = a;
    }

    [Fact]
    public async Task Several_threads_that_receive_for_one_session_accept_each_packet_exactly_once()
    {
        const int packets = 4_000, threads = 2;
        var (lab, a, b) = Lab.Connected();
        for (var i = 0; i < packets; i++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1", $"{i}");
        }

        // all of them fit the window, and each is received by all threads at once, in an order that has nothing to do with theirs
        var frames = lab.Take().Where(frame => frame.Type == MessageType.Transport).Select(frame => frame.Bytes).ToArray();
        Assert.Equal(packets, frames.Length);
        Assert.True(packets < (int)ReplayWindow.Size);
        new Random(1).Shuffle(frames);
        var accepted = new int[packets];
        long replayed = 0;
        var outboxes = Enumerable.Range(0, threads).Select(_ => new Outbox()).ToArray();
        var messages = Enumerable.Range(0, threads).Select(_ => frames.Select(frame => frame.ToArray()).ToArray()).ToArray();
        await LockStep.Run(threads, packets, (thread, i) =>
        {
            var message = messages[thread][i];
            var outcome = b.Core.ReceiveTransport(message, a.Address, lab.Now, outboxes[thread], out _, out var length);
            if (outcome == DropReason.None)
            {
                var text = Text(message.AsSpan(Messages.TransportHeaderLength, length).ToArray());
                Interlocked.Increment(ref accepted[int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)]);
            }
            else
            {
                Assert.Equal(DropReason.Replayed, outcome);
                Interlocked.Increment(ref replayed);
            }
        });
        Assert.All(accepted, count => Assert.Equal(1, count));
        Assert.Equal((threads - 1) * packets, replayed);
    }

    [Fact]
    public void A_packet_is_looked_for_in_the_window_only_once_it_is_authentic()
    {
        var (lab, a, b) = Lab.Connected();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var frame = lab.Take().Single();
        var forged = frame.Bytes.ToArray();
        forged[^1] ^= 1;
        lab.Deliver(frame with { Bytes = forged }); // same counter
        var leap = frame.Bytes.ToArray();
        BitConverter.TryWriteBytes(leap.AsSpan(8), 1_000_000UL); // a counter that would push the window away
        lab.Deliver(frame with { Bytes = leap });
        lab.Deliver(frame);
        Assert.Equal([DropReason.NotAuthentic, DropReason.NotAuthentic, DropReason.None], b.Outcomes.TakeLast(3));
    }

    [Fact]
    public void A_replayed_packet_moves_no_endpoint()
    {
        var (lab, a, b) = Lab.Connected();
        a.SendTo("10.0.0.2", "10.0.0.1");
        var frame = lab.Take().Single();
        lab.Deliver(frame);
        lab.Deliver(frame with { From = Ep("203.0.113.7:7") });
        Assert.Equal(DropReason.Replayed, b.Outcomes[^1]);
        Assert.Equal(a.Address, b.Only.Endpoint);
    }
}
