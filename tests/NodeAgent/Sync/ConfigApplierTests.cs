using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.NodeAgent.Tests.DataPlane;
using WgMesh.Tests.Shared;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class ConfigApplierTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLog _log = new();
    private readonly ManualTime _time = new();
    private readonly FakeDataPlane _plane = new();
    private readonly AgentStatus _status = new();
    private readonly AgentMetrics _metrics;
    private readonly ConcurrentDictionary<string, string> _names = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ConfigApplier _applier;
    private readonly Task _running;

    public ConfigApplierTests()
    {
        _metrics = new AgentMetrics(_status);
        _applier = Applier();
        _running = _applier.RunAsync(_stop.Token);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);
        _stop.Dispose();
        _metrics.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_configuration_reaches_host_and_device_and_the_status_says_so()
    {
        _applier.Apply(Config(7, Node("b")), stream: 3);

        Assert.Equal(["b"], _plane.PeerNames);
        Assert.Equal(["10.244.2.0/24", "10.90.0.2/32"], _plane.HostStates[^1].Routes.Select(r => r.ToString()));
        Assert.Equal(new AppliedConfig(7, 3), _status.Current.Applied);
        Assert.Empty(_status.Current.Errors);
    }

    [Fact]
    public void The_host_is_closed_before_the_device_is_set_up_and_pods_are_started_last()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);

        Assert.Equal(["host", "device", "pods"], _plane.Order);
        Assert.True(_status.Current.PodsReady);
    }

    [Fact]
    public async Task A_prefix_that_leaves_the_mesh_stays_closed_until_the_answers_to_its_last_packets_are_out()
    {
        _applier.Apply(Config(1, Node("b"), External("site", "", "10.50.0.0/16")), stream: 1);
        _applier.Apply(Config(2, Node("b")), stream: 1);
        Assert.True(IsClosed("10.50.0.0/16"));
        Assert.DoesNotContain("10.50.0.0/16", _plane.HostStates[^1].Routes.Select(r => r.ToString()));

        await Wait.Until(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return !IsClosed("10.50.0.0/16");
        });
        Assert.True(IsClosed("10.244.0.0/16"));

        bool IsClosed(string prefix) => _plane.HostStates[^1].Blackholes.Any(b => b.ToString() == prefix);
    }

    [Fact]
    public void A_configuration_that_does_not_hold_changes_nothing_and_says_why()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        var (updates, hostStates) = (_plane.Updates.Count, _plane.HostStates.Count);

        _applier.Apply(Config(8, Node("c").With(p => p.PublicKey = ByteString.CopyFrom(new byte[31]))), stream: 1);

        Assert.Equal((updates, hostStates), (_plane.Updates.Count, _plane.HostStates.Count));
        Assert.Equal(["b"], _plane.PeerNames);
        Assert.Equal(7UL, _status.Current.Applied!.Revision);
        Assert.Contains("31", Assert.Single(_status.Current.Errors), StringComparison.Ordinal);
        Assert.Contains("Configuration 8", _status.Current.Errors[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_configuration_stays_told_through_repairs_of_the_one_in_force_until_a_good_one_comes()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        _applier.Apply(Config(8).With(c => c.Settings = null), stream: 1);
        var before = _plane.HostStates.Count;

        await Wait.Until(() => _plane.HostStates.Count > before, () => _time.Advance(TimeSpan.FromSeconds(5)));
        Assert.Single(_status.Current.Errors);

        _applier.Apply(Config(9, Node("b")), stream: 1);
        Assert.Empty(_status.Current.Errors);
    }

    [Fact]
    public async Task A_device_that_refuses_is_tried_again_and_the_revision_is_not_claimed_before_it_is_true()
    {
        _plane.DeviceFault = new DeviceError(DeviceError.AddressInUse, "UDP port 51820 is taken.");
        _applier.Apply(Config(7, Node("b")), stream: 1);
        Assert.Null(_status.Current.Applied);
        Assert.Contains("51820", Assert.Single(_status.Current.Faults), StringComparison.Ordinal);

        _plane.DeviceFault = null;
        await Wait.Until(() => _status.Current.Applied?.Revision == 7, () => _time.Advance(TimeSpan.FromSeconds(1)));

        Assert.Empty(_status.Current.Errors);
        Assert.Equal(["b"], _plane.PeerNames);
    }

    [Fact]
    public async Task A_host_that_refuses_does_not_hold_the_device_up_and_is_tried_again()
    {
        _plane.HostFault = "host: route 10.244.2.0/24 belongs to somebody else";
        _applier.Apply(Config(7, Node("b")), stream: 1);
        Assert.Equal(["b"], _plane.PeerNames);
        Assert.Equal(_plane.HostFault, Assert.Single(_status.Current.Faults));

        _plane.HostFault = null;
        await Wait.Until(() => _status.Current.Faults.IsEmpty, () => _time.Advance(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task What_somebody_else_changed_is_repaired_within_half_a_minute()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        // it is all done, and there is nothing left but to wait
        await Wait.Until(() => File.Exists(_folder.File(ConfigCache.FileName)) && _time.Waits.Contains(ConfigApplier.RepairInterval));
        _plane.ApplyDevice(new DeviceUpdate { ReplacePeers = true });

        _time.Advance(TimeSpan.FromSeconds(30));
        await Wait.Until(() => _plane.PeerNames.Any());
    }

    [Fact]
    public async Task A_repair_leaves_a_peer_that_roamed_where_it_is()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        Assert.True(Endpoint.TryParse("203.0.113.9:1", out var roamed));
        _plane.Happen("b", p => p with { Endpoint = roamed });
        var before = _plane.HostStates.Count;

        await Wait.Until(() => _plane.HostStates.Count >= before + 2, () => _time.Advance(TimeSpan.FromSeconds(5)));

        Assert.Equal(roamed, _plane.Peer("b").Endpoint);
    }

    [Fact]
    public async Task A_name_that_fails_blocks_nobody_and_is_told_by_peer()
    {
        _applier.Apply(Config(7, External("site", "gw.example.net:1", "10.50.0.0/16"), Node("b")), stream: 1);

        Assert.Equal(["b", "site"], _plane.PeerNames);
        Assert.True(_plane.Peer("b").Endpoint.IsKnown);
        Assert.False(_plane.Peer("site").Endpoint.IsKnown);
        await Wait.Until(() => _status.Current.Faults.Any(f => f.Contains("'site'", StringComparison.Ordinal) && f.Contains("gw.example.net", StringComparison.Ordinal)));
        Assert.Equal(7UL, _status.Current.Applied!.Revision);
    }

    [Fact]
    public async Task A_name_is_followed_when_its_address_changes_and_not_when_the_peer_roamed()
    {
        _names["gw.example.net"] = "203.0.113.1";
        _applier.Apply(Config(7, External("site", "gw.example.net:1", "10.50.0.0/16")), stream: 1);
        await Wait.Until(() => _plane.Peer("site").Endpoint.ToString() == "203.0.113.1:1");

        Assert.True(Endpoint.TryParse("198.51.100.1:9", out var roamed));
        _plane.Happen("site", p => p with { Endpoint = roamed });
        var before = _plane.HostStates.Count;
        await Wait.Until(() => _plane.HostStates.Count >= before + 4, () => _time.Advance(TimeSpan.FromSeconds(20)));
        Assert.Equal(roamed, _plane.Peer("site").Endpoint);

        _names["gw.example.net"] = "203.0.113.2";
        await Wait.Until(() => _plane.Peer("site").Endpoint.ToString() == "203.0.113.2:1", () => _time.Advance(TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task The_last_good_configuration_is_cached_and_a_refused_one_is_not()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        _applier.Apply(Config(8).With(c => c.Settings = null), stream: 1);

        await Wait.Until(() => File.Exists(_folder.File(ConfigCache.FileName)));
        Assert.Equal(7UL, new ConfigCache(_folder.Path, "a", _log).Load()!.Revision);
    }

    [Fact]
    public async Task A_configuration_that_the_device_refused_is_not_cached()
    {
        _plane.DeviceFault = new DeviceError(DeviceError.InputOutput, "no");
        _applier.Apply(Config(7, Node("b")), stream: 1);
        await Wait.While(() => !File.Exists(_folder.File(ConfigCache.FileName)), TimeSpan.FromMilliseconds(200));

        _plane.DeviceFault = null;
        await Wait.Until(() => File.Exists(_folder.File(ConfigCache.FileName)), () => _time.Advance(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task A_configuration_that_came_just_before_the_end_is_cached()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running);

        Assert.Equal(7UL, new ConfigCache(_folder.Path, "a", _log).Load()!.Revision);
    }

    [Fact]
    public void The_next_start_applies_the_cache()
    {
        new ConfigCache(_folder.Path, "a", _log).Save(Config(7, Node("b")));

        Applier().ApplyCache();

        Assert.Equal(["b"], _plane.PeerNames);
        Assert.Equal(new AppliedConfig(7, Stream: 0), _status.Current.Applied);
        Assert.True(_status.Current.Applied!.FromCache);
    }

    [Fact]
    public void A_cache_of_an_agent_that_spoke_a_newer_version_keeps_the_mesh_closed_and_its_links()
    {
        new ConfigCache(_folder.Path, "a", _log).Save(Config(7, Node("b").With(p => p.ProtocolVersion = 2), Node("c")));

        Applier().ApplyCache();

        Assert.Empty(_status.Current.Errors);
        Assert.Equal((1u, 1u), (_plane.Peer("b").ProtocolVersion, _plane.Peer("c").ProtocolVersion));
        Assert.Contains("10.244.2.0/24", _plane.HostStates[^1].Routes.Select(r => r.ToString()));
    }

    [Fact]
    public void A_cache_that_does_not_hold_is_refused_like_any_other()
    {
        new ConfigCache(_folder.Path, "a", _log).Save(Config(7, Node("b").With(p => p.AllowedIps.Add("10.0.0.1/8"))));

        Applier().ApplyCache();

        Assert.Empty(_plane.Updates);
        Assert.Null(_status.Current.Applied);
        Assert.Single(_status.Current.Errors);
    }

    [Fact]
    public void No_secret_is_logged()
    {
        var secret = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();
        _applier.Apply(Config(7, Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(secret))), stream: 1);
        _applier.Apply(Config(8, Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(secret[..31]))), stream: 1);

        Assert.NotEmpty(_log.Lines);
        Assert.DoesNotContain(Convert.ToBase64String(secret)[..40], _log.All, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(OwnPrivateKey.Bytes), _log.All, StringComparison.Ordinal);
    }

    private ConfigApplier Applier() => new(
        "a",
        OwnPrivateKey,
        _plane,
        new NameResolver(LookUp, _time, _log),
        ["198.51.100.10"],
        new ConfigCache(_folder.Path, "a", _log),
        _status,
        _metrics,
        _time,
        _log);

    private Task<IPAddress[]> LookUp(string name, CancellationToken stop) => _names.TryGetValue(name, out var address)
        ? Task.FromResult<IPAddress[]>([IPAddress.Parse(address)])
        : Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound));
}
