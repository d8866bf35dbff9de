using System.Diagnostics.Metrics;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Protocol;

namespace WgMesh.Engine.Tests.Device;

/// <summary>What the engine's meter says, read without any exporter.</summary>
public sealed class DeviceMetricsTests
{
    private readonly string _interface = "t" + Guid.NewGuid().ToString("N");

    [Fact]
    public void All_aggregates_are_there_before_there_is_a_peer()
    {
        var host = new Lab().AddHost("192.0.2.1:51820");
        using var metrics = Metrics(host.Core);
        var read = Read();
        Assert.Equal(["state=down", "state=idle", "state=up"], read.Keys.Where(key => key.Name == "wgmesh.device.links").Select(key => key.Tags).Order());
        Assert.Equal(5, read.Keys.Count(key => key.Name == "wgmesh.device.handshakes"));
        Assert.Equal(Enum.GetValues<DropReason>().Length - 1, read.Keys.Count(key => key.Name == "wgmesh.device.drops"));
        foreach (var name in new[] { "peers", "peers_without_series", "rekeys_overdue", "received", "sent", "received_packets", "sent_packets", "rekeys" })
        {
            Assert.Equal(0, read[($"wgmesh.device.{name}", "")]);
        }

        Assert.Equal(1, read[("wgmesh.device.aead_info", $"implementation={WireGuardDevice.Aead}")]);
    }

    [Fact]
    public void Peers_are_measured_up_to_the_limit_those_that_come_first_and_then_by_name()
    {
        var host = new Lab().AddHost("192.0.2.1:51820");
        using var metrics = Metrics(host.Core, peerSeries: 3);
        Apply(host, metrics, [.. "fbdace".Select(name => Peer(name, isFirst: name == 'e'))]);
        Assert.Equal(["a", "b", "e"], Measured());
        Assert.Equal((6, 3), (Read()[("wgmesh.device.peers", "")], Read()[("wgmesh.device.peers_without_series", "")]));

        // who goes makes room for the next, and who comes first takes the last one's place
        Apply(host, metrics, new PeerUpdate { PublicKey = Peer('a').PublicKey, Remove = true });
        Assert.Equal(["b", "c", "e"], Measured());
        Apply(host, metrics, Peer('z', isFirst: true));
        Assert.Equal(["b", "e", "z"], Measured());
        Apply(host, metrics, Peer('z') with { MeasuredFirst = false });
        Assert.Equal(["b", "c", "e"], Measured());
        Apply(host, metrics, Peer('c') with { Name = "x" });
        Assert.Equal(["b", "d", "e"], Measured());
    }

    [Fact]
    public void With_a_limit_of_none_no_peer_has_series()
    {
        var host = new Lab().AddHost("192.0.2.1:51820");
        using var metrics = Metrics(host.Core, peerSeries: 0);
        Apply(host, metrics, Peer('a'));
        Assert.Empty(Measured());
        Assert.Equal(1, Read()[("wgmesh.device.peers_without_series", "")]);
    }

    [Fact]
    public void A_peer_without_series_counts_in_the_aggregates_and_so_does_one_that_is_gone()
    {
        var (lab, a, b) = Lab.Pair();
        using var metrics = Metrics(a.Core, peerSeries: 0);
        metrics.PeersChanged();
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Deliver();
        a.Core.Drops.Add(DropReason.NoPeer, 2);
        a.Only.Counters.Drops.Add(DropReason.NoSession, 5);
        var before = Read();
        Assert.Equal(1, before[("wgmesh.device.handshakes", "result=completed,role=initiator")]);
        Assert.Equal((2, 5), (before[("wgmesh.device.drops", "reason=no_peer")], before[("wgmesh.device.drops", "reason=no_session")]));
        Assert.Equal(a.Only.Counters.SentBytes, before[("wgmesh.device.sent", "")]);

        Apply(a, metrics, new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true });
        var after = Read();
        Assert.Equal(0, after[("wgmesh.device.peers", "")]);
        Assert.All(before.Where(entry => !entry.Key.Name.Contains("peers") && entry.Key.Name != "wgmesh.device.links"), entry => Assert.Equal(entry.Value, after[entry.Key]));
    }

    [Fact]
    public void Links_are_counted_by_the_state_that_is_reported()
    {
        var (lab, a, b) = Lab.Connected();
        using var metrics = Metrics(a.Core);
        Apply(a, metrics, new PeerUpdate { PublicKey = b.Identity.PublicKey, Name = "b" });
        Assert.Equal((1, 0, 0, 1, 0), Links());

        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Take();
        lab.Pass(40, deliver: false);
        Assert.Equal(PeerLink.Down, PeerSnapshot.Of(a.Only, a.Core).Link);
        Assert.Equal((0, 1, 0, 0, 1), Links());

        lab.Pass(3600, deliver: false);
        Assert.Equal((0, 0, 1, 0, 0), Links());

        (double Up, double Down, double Idle, double PeerUp, double PeerDown) Links()
        {
            var read = Read();
            return (read[("wgmesh.device.links", "state=up")], read[("wgmesh.device.links", "state=down")], read[("wgmesh.device.links", "state=idle")],
                read[("wgmesh.peer.link_up", "peer=b")], read[("wgmesh.peer.link_down", "peer=b")]);
        }
    }

    [Fact]
    public void Overdue_rekeys_are_counted()
    {
        var (lab, a, _) = Lab.Connected();
        using var metrics = Metrics(a.Core);
        lab.MoveTo(a.Only.Current!.Created + Limits.RekeyAfterTime);
        for (var second = 0; second <= 90; second++)
        {
            Assert.Equal(0, Read()[("wgmesh.device.rekeys_overdue", "")]);
            lab.MoveTo(lab.Now + TimeSpan.FromSeconds(1));
            a.SendTo("10.0.0.2", "10.0.0.1");
        }

        Assert.Equal(1, Read()[("wgmesh.device.rekeys_overdue", "")]);
    }

    [Fact]
    public void Handshakes_are_timed_also_those_before_anybody_listens()
    {
        var (lab, a, _) = Lab.Pair();
        using var metrics = Metrics(a.Core);
        for (var time = 0; time < 2000; time++)
        {
            a.Core.HandshakeTook!(TimeSpan.FromSeconds(1)); // nobody may ever listen: not all are kept
        }

        var recorded = new List<double>();
        using var listener = Listener((instrument, value, tags) =>
        {
            if (instrument is Histogram<double>)
            {
                Assert.Equal("", tags);
                recorded.Add(value);
            }
        });
        a.SendTo("10.0.0.2", "10.0.0.1");
        lab.Time.Advance(TimeSpan.FromMilliseconds(20));
        lab.Deliver();
        Assert.Equal([0.020], recorded);
        listener.RecordObservableInstruments();
        Assert.Equal(1024, recorded.Count(seconds => seconds == 1));
        listener.RecordObservableInstruments();
        Assert.Equal(1025, recorded.Count);
    }

    [Fact]
    public void There_is_room_for_every_label_set_of_the_peers_that_are_measured()
    {
        var (_, a, b) = Lab.Pair();
        using var metrics = Metrics(a.Core, peerSeries: 1);
        foreach (var reason in Enum.GetValues<DropReason>())
        {
            a.Only.Counters.Drops.Add(reason);
        }

        Apply(a, metrics, new PeerUpdate { PublicKey = b.Identity.PublicKey, Name = "b" });
        var none = WireGuardDevice.MostSeries("wgmesh.peer.rekeys", 0); // for peers that went
        foreach (var sets in Read().Keys.GroupBy(key => key.Name))
        {
            Assert.True(WireGuardDevice.MostSeries(sets.Key, 1) >= sets.Count(), sets.Key);
            if (sets.Key.StartsWith("wgmesh.peer.", StringComparison.Ordinal))
            {
                Assert.Equal(sets.Count() * (none + 1), WireGuardDevice.MostSeries(sets.Key, 1));
            }
        }
    }

    private static PeerUpdate Peer(char name, bool isFirst = false) => new()
    {
        PublicKey = PublicKeyOf(name),
        Name = name.ToString(),
        MeasuredFirst = isFirst ? true : null,
    };

    private static PublicKey PublicKeyOf(char name)
    {
        using var identity = new StaticIdentity(new SecretKey(Enumerable.Repeat((byte)name, SecretKey.Length).ToArray()));
        return identity.PublicKey;
    }

    private DeviceMetrics Metrics(ProtocolCore core, int peerSeries = 250) => new(_interface, core, new OffloadSwitches(null), peerSeries);

    // as a device does
    private static void Apply(Host host, DeviceMetrics metrics, params PeerUpdate[] peers)
    {
        foreach (var peer in peers)
        {
            if (host.Apply(peer))
            {
                metrics.PeersChanged();
            }
        }
    }

    private IEnumerable<string> Measured() =>
        Read().Keys.Where(key => key.Name == "wgmesh.peer.link_up").Select(key => key.Tags["peer=".Length..]).Order(StringComparer.Ordinal);

    private Dictionary<(string Name, string Tags), double> Read()
    {
        var read = new Dictionary<(string, string), double>();
        using var listener = Listener((instrument, value, tags) =>
        {
            if (instrument.IsObservable)
            {
                read.Add((instrument.Name, tags), value);
            }
        });
        listener.RecordObservableInstruments();
        return read;
    }

    // of this test's interface alone: others run at the same time
    private MeterListener Listener(Action<Instrument, double, string> measured)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == WireGuardDevice.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Measured(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Measured(instrument, value, tags));
        listener.Start();
        return listener;

        void Measured(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var named = tags.ToArray();
            if (named.Contains(new("interface", _interface)))
            {
                measured(instrument, value, string.Join(",", named.Where(tag => tag.Key != "interface").Select(tag => $"{tag.Key}={tag.Value}").Order()));
            }
        }
    }
}
