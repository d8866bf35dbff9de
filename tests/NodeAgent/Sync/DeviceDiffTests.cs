using System.Collections.Immutable;
using System.Net;
using Google.Protobuf;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Tests.DataPlane;
using WgMesh.Rpc;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class DeviceDiffTests
{
    private readonly FakeDataPlane _plane = new();
    private Dictionary<PublicKey, Endpoint> _configured = [];

    [Fact]
    public void A_fresh_device_gets_key_port_and_every_peer()
    {
        var update = Apply(Config(1, Node("b"), External("laptop", "", "10.99.0.2/32")));

        Assert.Equal(OwnPrivateKey, update!.PrivateKey);
        Assert.Equal((ushort)51820, update.ListenPort);
        Assert.Equal(["b", "laptop"], update.Peers.Select(p => p.Name));
        var b = _plane.Peer("b");
        Assert.Equal("192.0.2.2:51820", b.Endpoint.ToString());
        Assert.Equal(25, b.PersistentKeepalive);
        Assert.Equal(["10.90.0.2/32", "10.244.2.0/24"], b.AllowedIps.Select(p => p.ToString()));
        Assert.False(_plane.Peer("laptop").Endpoint.IsKnown);
    }

    [Fact]
    public void Nothing_new_is_no_update()
    {
        Apply(Config(1, Node("b"), Node("c")));

        Assert.Null(Apply(Config(2, Node("b"), Node("c"))));
    }

    [Fact]
    public void An_unchanged_peer_is_not_in_the_update()
    {
        Apply(Config(1, Node("b"), Node("c")));

        var update = Apply(Config(2, Node("b"), Node("c").With(p => p.PersistentKeepalive = 5)));

        var change = Assert.Single(update!.Peers);
        Assert.Equal(Key("c"), change.PublicKey);
        Assert.Equal((ushort)5, change.PersistentKeepalive);
        Assert.True(change is { UpdateOnly: true, ReplaceAllowedIps: false, Name: null, Endpoint: null, PresharedKey: null });
        Assert.Empty(change.AllowedIps);
        Assert.False(update.ReplacePeers);
    }

    [Fact]
    public void A_peer_that_roamed_is_left_where_it_is()
    {
        Apply(Config(1, Node("b")));
        Roam("b", "203.0.113.9:1000");

        Apply(Config(2, Node("b").With(p => p.PersistentKeepalive = 5)));

        Assert.Equal("203.0.113.9:1000", _plane.Peer("b").Endpoint.ToString());
    }

    [Fact]
    public void A_new_endpoint_in_the_configuration_is_set_even_if_the_peer_roamed()
    {
        Apply(Config(1, Node("b")));
        Roam("b", "203.0.113.9:1000");

        Apply(Config(2, Node("b").With(p => p.Endpoint = "192.0.2.99:1")));

        Assert.Equal("192.0.2.99:1", _plane.Peer("b").Endpoint.ToString());
    }

    [Fact]
    public void An_endpoint_that_is_taken_out_of_the_configuration_and_put_back_is_set_again()
    {
        Apply(Config(1, Node("b")));
        Apply(Config(2, Node("b").With(p => p.Endpoint = "")));
        Roam("b", "203.0.113.9:1000");

        Apply(Config(3, Node("b")));

        Assert.Equal("192.0.2.2:51820", _plane.Peer("b").Endpoint.ToString());
    }

    [Fact]
    public void A_peer_that_is_gone_is_removed()
    {
        Apply(Config(1, Node("b"), Node("c")));

        Apply(Config(2, Node("c")));

        Assert.Equal(["c"], _plane.PeerNames);
    }

    [Fact]
    public void A_peer_with_a_new_key_is_a_new_peer()
    {
        Apply(Config(1, Node("b")));
        Roam("b", "203.0.113.9:1000");

        Apply(Config(2, Node("b").With(p => p.PublicKey = ByteString.CopyFrom(Key("b2").ToArray()))));

        var b = Assert.Single(_plane.Snapshot().Peers);
        Assert.Equal(Key("b2"), b.PublicKey);
        Assert.Equal("192.0.2.2:51820", b.Endpoint.ToString());
        Assert.Equal(2, b.AllowedIps.Length);
    }

    [Fact]
    public void External_peers_are_measured_first()
    {
        Apply(Config(1, Node("b"), External("laptop", "", "10.99.0.2/32")));
        Assert.Equal((false, true), (_plane.Peer("b").MeasuredFirst, _plane.Peer("laptop").MeasuredFirst));
        Assert.Null(Apply(Config(2, Node("b"), External("laptop", "", "10.99.0.2/32"))));

        var change = Assert.Single(Apply(Config(3, Node("b").With(p => p.Kind = PeerKind.External), External("laptop", "", "10.99.0.2/32")))!.Peers);
        Assert.Equal((Key("b"), true), (change.PublicKey, change.MeasuredFirst));
    }

    [Fact]
    public void A_renamed_peer_keeps_its_session()
    {
        Apply(Config(1, Node("b")));

        var update = Apply(Config(2, Node("b").With(p => p.Name = "bee")));

        var change = Assert.Single(update!.Peers);
        Assert.Equal((Key("b"), "bee", false), (change.PublicKey, change.Name, change.Remove));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_prefix_that_moves_between_peers_has_an_owner_all_the_time(bool loserFirst)
    {
        var b = Node("b").With(p => p.AllowedIps.Add("10.50.0.0/16"));
        Apply(loserFirst ? Config(1, b, Node("c")) : Config(1, Node("c"), b));

        var c = Node("c").With(p => p.AllowedIps.Add("10.50.0.0/16"));
        var update = Apply(loserFirst ? Config(2, Node("b"), c) : Config(2, c, Node("b")));

        Assert.Contains("10.50.0.0/16", _plane.Peer("c").AllowedIps.Select(p => p.ToString()));
        Assert.DoesNotContain("10.50.0.0/16", _plane.Peer("b").AllowedIps.Select(p => p.ToString()));
        // it is moved in one step, not taken and then given
        Assert.DoesNotContain(update!.Peers.SelectMany(p => p.AllowedIps), change => change.Remove);
    }

    [Fact]
    public void A_prefix_of_a_removed_peer_passes_to_its_new_owner_before_the_peer_goes()
    {
        Apply(Config(1, Node("b"), External("x", "", "10.50.0.0/16")));

        var update = Apply(Config(2, Node("b").With(p => p.AllowedIps.Add("10.50.0.0/16"))));

        Assert.Equal([Key("b"), Key("x")], update!.Peers.Select(p => p.PublicKey));
        Assert.Contains("10.50.0.0/16", _plane.Peer("b").AllowedIps.Select(p => p.ToString()));
    }

    [Fact]
    public void A_prefix_that_is_gone_is_taken_away()
    {
        Apply(Config(1, Node("b")));

        Apply(Config(2, Node("b").With(p => p.AllowedIps.RemoveAt(0))));

        Assert.Equal(["10.90.0.2/32"], _plane.Peer("b").AllowedIps.Select(p => p.ToString()));
    }

    [Fact]
    public void A_preshared_key_is_set_changed_and_removed()
    {
        PeerConfig With(byte value) => Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(Enumerable.Repeat(value, 32).ToArray()));

        Apply(Config(1, With(1)));
        Assert.Equal(1, _plane.Peer("b").PresharedKey!.Bytes[0]);
        Assert.Null(Apply(Config(2, With(1))));
        Apply(Config(3, With(2)));
        Assert.Equal(2, _plane.Peer("b").PresharedKey!.Bytes[0]);
        Apply(Config(4, Node("b")));
        Assert.Null(_plane.Peer("b").PresharedKey);
    }

    [Fact]
    public void What_somebody_else_changed_is_repaired()
    {
        Apply(Config(1, Node("b")));
        _plane.ApplyDevice(new DeviceUpdate { ListenPort = 1, ReplacePeers = true, PrivateKey = new SecretKey(new byte[32]) });

        Apply(Config(1, Node("b")));

        Assert.Equal(51820, _plane.Snapshot().ListenPort);
        Assert.Equal(OwnPrivateKey, _plane.Snapshot().PrivateKey);
        Assert.Equal("192.0.2.2:51820", _plane.Peer("b").Endpoint.ToString());
    }

    [Fact]
    public void Port_zero_leaves_the_port_that_the_device_has()
    {
        _plane.ApplyDevice(new DeviceUpdate { ListenPort = 40000 });

        Assert.Null(Apply(Config(1).With(c => c.Settings.ListenPort = 0))!.ListenPort);
    }

    [Fact]
    public void A_link_that_moves_to_another_version_changes_in_that_alone()
    {
        _plane.Speak(1, 2);
        Apply(Config(1, Node("b"), Node("c")));

        var update = Apply(Config(2, Node("b"), Node("c").With(p => p.ProtocolVersion = 2)));

        var change = Assert.Single(update!.Peers);
        Assert.Equal((Key("c"), 2u), (change.PublicKey, change.ProtocolVersion));
        Assert.True(change is { UpdateOnly: true, Endpoint: null, PresharedKey: null, PersistentKeepalive: null, AllowedIps.Count: 0 });
        Assert.Equal((1u, 2u), (_plane.Peer("b").ProtocolVersion, _plane.Peer("c").ProtocolVersion));
        Assert.Null(Apply(Config(3, Node("b"), Node("c").With(p => p.ProtocolVersion = 2))));
    }

    [Fact]
    public void A_new_peer_comes_with_its_version()
    {
        _plane.Speak(1, 2);
        Apply(Config(1, Node("b").With(p => p.ProtocolVersion = 2)));
        Assert.Equal(2u, _plane.Peer("b").ProtocolVersion);
    }

    private void Roam(string name, string endpoint)
    {
        Assert.True(Endpoint.TryParse(endpoint, out var to));
        _plane.Happen(name, p => p with { Endpoint = to });
    }

    private DeviceUpdate? Apply(NodeConfig config)
    {
        var good = CheckedConfig.From(config, "a", Key("own"), _plane.Snapshot().ProtocolVersions, out var errors);
        Assert.Empty(errors);
        var desired = DesiredState.From(good!, _ => ImmutableArray<IPAddress>.Empty, []);
        var update = DeviceDiff.Between(desired, OwnPrivateKey, _plane.Snapshot(), _configured);
        if (update is not null)
        {
            _plane.ApplyDevice(update);
        }

        _configured = desired.Peers.Where(p => p.Endpoint is not null).ToDictionary(p => p.Config.PublicKey, p => p.Endpoint!.Value);
        return update;
    }
}
