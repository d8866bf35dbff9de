using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>What all peers did together.</summary>
public class PeerTotalsTests
{
    [Fact]
    public void What_a_peer_did_stays_when_it_is_gone()
    {
        var (lab, a, b) = Lab.Connected();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        a.Only.Counters.Drops.Add(DropReason.ForeignSource, 3);
        var before = All(a.Core.Totals);
        Assert.Contains(before, count => count > 0);

        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        Assert.Equal(before, All(a.Core.Totals));

        // and what comes after is added
        a.AddPeer(b, "10.0.0.2/32");
        a.Only.Counters.Received(1);
        Assert.Equal(before[0] + 1, a.Core.Totals.Sum(counters => counters.ReceivedBytes));
    }

    [Fact]
    public void Every_counter_is_kept()
    {
        var (_, a, b) = Lab.Pair();
        var counters = a.Only.Counters;
        counters.Received(1);
        counters.Sent(2);
        counters.ReceivedPacket();
        counters.AddSentPackets(4);
        counters.InitiationSent();
        counters.InitiationReceived();
        counters.Completed(asInitiator: true);
        counters.Completed(asInitiator: false);
        counters.Failed(asInitiator: true, DropReason.HandshakeFailed);
        counters.Failed(asInitiator: false, DropReason.HandshakeReplayed);
        counters.GaveUp();
        counters.Rekeyed();
        var properties = typeof(PeerCounters).GetProperties().Where(property => property.PropertyType == typeof(long)).ToArray();
        Assert.Equal(12, properties.Length);
        Assert.All(properties, property => Assert.NotEqual(0L, property.GetValue(counters)));

        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        Assert.All(properties, property => Assert.Equal((long)property.GetValue(counters)!, a.Core.Totals.Sum(of => (long)property.GetValue(of)!)));
    }

    [Fact]
    public async Task A_total_never_falls_while_peers_come_and_go()
    {
        var (_, a, b) = Lab.Pair();
        using var stop = new CancellationTokenSource();
        var churning = Task.Run(() =>
        {
            for (var round = 0; round < 2_000 && !stop.IsCancellationRequested; round++)
            {
                a.Only.Counters.Received(1);
                a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
                a.AddPeer(b, "10.0.0.2/32");
            }
        });

        var last = 0L;
        while (!churning.IsCompleted)
        {
            var now = a.Core.Totals.Sum(counters => counters.ReceivedBytes);
            if (now < last)
            {
                await stop.CancelAsync();
                Assert.Fail($"{now} after {last}");
            }

            last = now;
        }

        await churning;
        Assert.Equal(2_000, a.Core.Totals.Sum(counters => counters.ReceivedBytes));
    }

    private static long[] All(PeerTotals totals) =>
    [
        totals.Sum(counters => counters.ReceivedBytes), totals.Sum(counters => counters.SentBytes), totals.Sum(counters => counters.SentPackets),
        totals.Sum(counters => counters.CompletedAsInitiator), totals.Drops()[DropReason.ForeignSource],
    ];
}
