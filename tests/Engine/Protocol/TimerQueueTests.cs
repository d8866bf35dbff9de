using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

public class TimerQueueTests
{
    private readonly ProtocolCore _core = new(TimeProvider.System, new SeededRandom(1));
    private int _wakes;

    [Fact]
    public void Peers_come_out_in_the_order_of_their_moments_and_not_before_them()
    {
        var queue = NewQueue();
        var peers = Peers(200);
        var random = new Random(2);
        var moments = peers.ToDictionary(peer => peer, _ => random.Next(1, 1000));
        foreach (var (peer, moment) in moments)
        {
            queue.Schedule(peer, new Instant(moment));
        }

        var order = new List<Peer>();
        for (var now = 0; now <= 1000; now++)
        {
            while (queue.TryTakeDue(new Instant(now), out var peer))
            {
                Assert.Equal(now, moments[peer]);
                order.Add(peer);
            }

            Assert.True(queue.Next > new Instant(now));
        }

        Assert.Equal(200, order.Distinct().Count());
        Assert.Equal(Instant.Never, queue.Next);
    }

    [Fact]
    public void It_agrees_with_a_plain_list_whatever_is_scheduled_taken_and_removed()
    {
        var queue = NewQueue();
        var peers = Peers(50);
        var random = new Random(3);
        var model = new Dictionary<Peer, long>();
        var now = 0L;
        for (var i = 0; i < 20_000; i++)
        {
            var peer = peers[random.Next(peers.Length)];
            switch (random.Next(4))
            {
                case 0:
                    queue.Remove(peer);
                    model.Remove(peer);
                    break;
                case 1:
                    now += random.Next(50);
                    while (queue.TryTakeDue(new Instant(now), out var due))
                    {
                        Assert.Equal(model.Values.Min(), model[due]);
                        Assert.True(model[due] <= now);
                        model.Remove(due);
                    }

                    Assert.True(model.Values.All(at => at > now), "one that was due did not come out");
                    Assert.Equal(model.Count == 0 ? long.MaxValue : model.Values.Min(), queue.Next.Nanoseconds);
                    break;
                default:
                    var at = now + random.Next(1, 1000);
                    queue.Schedule(peer, new Instant(at));
                    model[peer] = Math.Min(at, model.GetValueOrDefault(peer, long.MaxValue));
                    break;
            }

            Assert.Equal(model.Count, queue.Count);
        }
    }

    [Fact]
    public void However_often_a_peers_moment_moves_it_stands_in_the_queue_once()
    {
        var queue = NewQueue();
        var peer = Peers(1)[0];
        for (var at = 10_000; at > 0; at--)
        {
            queue.Schedule(peer, new Instant(at));
            queue.Schedule(peer, new Instant(at + 5));
        }

        Assert.Equal(1, queue.Count);
        Assert.True(queue.TryTakeDue(new Instant(1), out _));
        Assert.False(queue.TryTakeDue(new Instant(long.MaxValue - 1), out _));
    }

    [Fact]
    public void Busy_peers_leave_nothing_behind_in_the_queue()
    {
        var (lab, a, b) = Lab.Connected();
        for (var i = 0; i < 1000; i++)
        {
            a.SendTo("10.0.0.2", "10.0.0.1");
            b.SendTo("10.0.0.1", "10.0.0.2");
            lab.Pass(0.5);
            Assert.InRange(a.Core.Timers.Count, 0, 1);
        }
    }

    [Fact]
    public void A_removed_peer_is_let_go_at_once()
    {
        var (lab, a, b) = Lab.Connected();
        Assert.Equal(1, a.Core.Timers.Count);
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        Assert.Equal(0, a.Core.Timers.Count);
        _ = lab;
    }

    [Fact]
    public void The_thread_that_waits_is_woken_for_an_earlier_moment_only()
    {
        var queue = NewQueue();
        var peers = Peers(3);
        queue.Schedule(peers[0], new Instant(100));
        Assert.Equal(1, _wakes);
        queue.Schedule(peers[1], new Instant(200));
        Assert.Equal(1, _wakes);
        queue.Schedule(peers[2], new Instant(50));
        Assert.Equal(2, _wakes);
        Assert.True(queue.TryTakeDue(new Instant(60), out _));
        queue.Schedule(peers[2], new Instant(70)); // by the thread that is at it
        Assert.Equal(2, _wakes);
        Assert.False(queue.TryTakeDue(new Instant(60), out _));
        Assert.Equal(new Instant(70), queue.Next);
    }

    private TimerQueue NewQueue() => new(() => _wakes++);

    private Peer[] Peers(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new Peer(_core, new PublicKey([(byte)i, (byte)(i >> 8), .. new byte[30]]), i))];
}
