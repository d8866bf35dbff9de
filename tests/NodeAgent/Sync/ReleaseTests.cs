using System.Net;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.NodeAgent.Tests.DataPlane;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class ReleaseTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLog _log = new();
    private readonly ManualTime _time = new();
    private readonly FakeDataPlane _plane = new();
    private readonly AgentStatus _status = new();
    private readonly AgentMetrics _metrics;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConfigApplier _applier;
    private readonly Task _running;

    public ReleaseTests()
    {
        _metrics = new AgentMetrics(_status);
        _status.Update(s => s with { Active = true });
        _applier = new ConfigApplier(
            "a",
            OwnPrivateKey,
            _plane,
            new NameResolver((_, _) => Task.FromResult<IPAddress[]>([]), _time, _log),
            [],
            new ConfigCache(_folder.Path, "a", _log),
            _status,
            _metrics,
            _time,
            _log);
        _running = _applier.RunAsync(_stop.Token);
    }

    private bool IsCached => File.Exists(_folder.File(ConfigCache.FileName));

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
    public async Task A_released_node_forgets_its_configuration_and_says_so()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        await Wait.Until(() => IsCached);

        _applier.Apply(Released(8), stream: 1);

        Assert.Equal("release", _plane.Order[^1]);
        Assert.False(IsCached);
        Assert.Equal((true, false, null), (_status.Current.Released, _status.Current.Active, _status.Current.PodsReady));
        Assert.Equal(new AppliedConfig(8, 1), _status.Current.Applied);
        Assert.Empty(_status.Current.Errors);
        Assert.Contains(_log.Warnings, line => line.StartsWith("The node was released", StringComparison.Ordinal));
        using var snapshot = _plane.Snapshot();
        Assert.True(new ReportBuilder(1, _time).Next(_status.Current, snapshot)!.Released);
        Assert.Equal((false, true), (Ready(snapshot).Ready, Ready(snapshot).Reason!.Contains("released", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_released_node_stays_so_whatever_comes()
    {
        _applier.Apply(Released(8), stream: 1);
        var before = _plane.Order.Count;

        _applier.Apply(Config(9, Node("b")), stream: 1);
        Assert.Equal(8UL, _status.Current.Applied!.Revision);
        Assert.Contains("until its agent is started again", Assert.Single(_status.Current.Errors), StringComparison.Ordinal);
        await Wait.Until(() => _time.Waits.Contains(ConfigApplier.RepairInterval));
        _time.Advance(ConfigApplier.RepairInterval);
        _applier.Apply(Released(10), stream: 2);

        Assert.Empty(_status.Current.Errors);
        Assert.Equal(new AppliedConfig(10, 2), _status.Current.Applied);
        Assert.Equal(before, _plane.Order.Count);
        await Wait.While(() => !IsCached, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task A_release_that_fails_is_tried_again_and_not_claimed_before_it_is_true()
    {
        _applier.Apply(Config(7, Node("b")), stream: 1);
        _plane.ReleaseFault = "cni: /etc/cni/net.d is read-only";

        _applier.Apply(Released(8), stream: 1);
        Assert.Equal((false, true, 7UL), (_status.Current.Released, _status.Current.Active, _status.Current.Applied!.Revision));
        Assert.Equal(_plane.ReleaseFault, Assert.Single(_status.Current.Errors));

        _plane.ReleaseFault = null;
        await Wait.Until(() => _status.Current.Released, () => _time.Advance(TimeSpan.FromSeconds(1)));
        Assert.Empty(_status.Current.Errors);
    }

    [Fact]
    public async Task A_release_that_is_given_up_leaves_the_mesh_as_it_was()
    {
        _plane.ReleaseFault = "cni: /etc/cni/net.d is read-only";
        _applier.Apply(Released(8), stream: 1);

        _applier.Apply(Config(9, Node("b")), stream: 1);

        Assert.Equal((false, true, 9UL), (_status.Current.Released, _status.Current.Active, _status.Current.Applied!.Revision));
        Assert.Empty(_status.Current.Errors);
        Assert.Single(_plane.PeerNames);
        await Wait.Until(() => IsCached);
    }

    [Fact]
    public async Task A_release_that_is_given_up_too_late_is_brought_to_its_end()
    {
        _plane.ReleaseFault = "host: the interface cannot be deleted";
        _plane.IsGone = true;
        _applier.Apply(Released(8), stream: 1);

        _applier.Apply(Config(9, Node("b")), stream: 1);
        Assert.DoesNotContain("host", _plane.Order);
        Assert.Equal(_plane.ReleaseFault, Assert.Single(_status.Current.Errors));

        _plane.ReleaseFault = null;
        await Wait.Until(() => _status.Current.Released, () => _time.Advance(TimeSpan.FromSeconds(1)));
        Assert.Contains("until its agent is started again", Assert.Single(_status.Current.Errors), StringComparison.Ordinal);
        Assert.False(IsCached);
    }

    [Fact]
    public void Pods_are_not_started_where_a_prefix_of_the_mesh_cannot_be_closed()
    {
        _plane.PodsReady = false;
        var config = Config(7, Node("b"));
        config.Settings.MeshCidrs.Add("192.0.2.0/24");

        _applier.Apply(config, stream: 1);

        Assert.DoesNotContain("pods", _plane.Order);
        Assert.Contains(_status.Current.Errors, error => error.Contains("192.0.2.0/24 is not closed", StringComparison.Ordinal));
        Assert.Contains(_status.Current.Errors, error => error.StartsWith("cni: no pods are connected", StringComparison.Ordinal));
        Assert.False(_status.Current.PodsReady);
        Assert.Equal(7UL, _status.Current.Applied!.Revision);
    }

    [Fact]
    public async Task What_failed_with_the_pods_is_told_and_tried_again()
    {
        _plane.PodsFault = "cni: /etc/cni/net.d is read-only";
        _applier.Apply(Config(7, Node("b")), stream: 1);
        Assert.Equal((_plane.PodsFault, false), (Assert.Single(_status.Current.Errors), _status.Current.PodsReady));
        Assert.Equal(7UL, _status.Current.Applied!.Revision);

        _plane.PodsFault = null;
        await Wait.Until(() => _status.Current is { PodsReady: true, Errors.IsEmpty: true }, () => _time.Advance(TimeSpan.FromSeconds(1)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pods_are_not_started_where_host_or_device_are_not_as_desired(bool host)
    {
        _plane.HostFault = host ? "host: no" : null;
        _plane.DeviceFault = host ? null : new DeviceError(DeviceError.InputOutput, "no");

        _applier.Apply(Config(7, Node("b")), stream: 1);

        Assert.DoesNotContain("pods", _plane.Order);
    }

    [Fact]
    public void An_open_policy_is_warned_of_once()
    {
        _applier.Apply(Open(7), stream: 1);
        _applier.Apply(Open(8), stream: 1);
        Assert.Single(_log.Warnings, line => line.Contains("Open", StringComparison.Ordinal));
        Assert.True(_status.Current.PolicyOpen);

        _applier.Apply(Config(9, Node("b")), stream: 1);
        Assert.False(_status.Current.PolicyOpen);
        _applier.Apply(Open(10), stream: 1);
        Assert.Equal(2, _log.Warnings.Count(line => line.Contains("Open", StringComparison.Ordinal)));
    }

    private static NodeConfig Released(ulong revision) => Config(revision, Node("b")).With(c => c.Settings.Released = true);

    private static NodeConfig Open(ulong revision) => Config(revision, Node("b")).With(c => c.Settings.FailurePolicy = FailurePolicy.Open);

    private Readiness Ready(DeviceSnapshot snapshot) => Readiness.Of("a", _status.Current, snapshot);
}
