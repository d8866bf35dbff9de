using System.Collections.Immutable;
using System.Net;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// Makes device and host what the newest good configuration says, and keeps them so: at once when a configuration comes, when a
/// name gets another address, and now and then in case somebody else changed something.
/// </summary>
internal sealed class ConfigApplier(
    string node,
    SecretKey key,
    IDataPlane dataPlane,
    NameResolver names,
    ImmutableArray<string> operatorHosts,
    ConfigCache cache,
    AgentStatus status,
    AgentMetrics metrics,
    TimeProvider time,
    ILogger log)
{
    internal static readonly TimeSpan RepairInterval = TimeSpan.FromSeconds(30);
    internal static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5);

    /// <summary>How long a prefix that leaves the mesh stays closed: answers to its last packets are still coming out of pods.</summary>
    internal static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<PublicKey, Endpoint> _configured = [];
    private readonly Dictionary<Prefix, long> _closing = []; // since which timestamp
    private ImmutableArray<Prefix> _closed = [];
    private CheckedConfig? _config;
    private int _stream;
    private ImmutableArray<string> _refusals = [];
    private NodeConfig? _unsaved;
    private bool _complete = true;
    private bool _stale;
    private bool _released;
    private bool _open;
    private TaskCompletionSource _wake = NewSignal();

    /// <summary>
    /// Takes the configuration of the last run, if there is one. If that run's agent was a newer one, a link may be in a protocol version
    /// that is not spoken any more: it is kept, in the newest that is. Without it the whole configuration would be refused, and with
    /// it the routes that keep packets from leaving in the clear.
    /// </summary>
    internal void ApplyCache()
    {
        if (cache.Load() is { } config)
        {
            using var snapshot = dataPlane.Snapshot();
            var spoken = snapshot.ProtocolVersions;
            foreach (var peer in config.Peers.Where(peer => peer.ProtocolVersion != 0 && !spoken.Contains(peer.ProtocolVersion)))
            {
                peer.ProtocolVersion = spoken.Max();
            }

            Apply(config, stream: 0);
        }
    }

    /// <summary>Checks a configuration and carries it out, or refuses it as a whole and leaves everything as it is.</summary>
    /// <param name="config">As received.</param>
    /// <param name="stream">See <see cref="AppliedConfig.Stream"/>.</param>
    internal void Apply(NodeConfig config, int stream)
    {
        lock (_lock)
        {
            using var snapshot = dataPlane.Snapshot();
            if (CheckedConfig.From(config, node, snapshot.PublicKey, snapshot.ProtocolVersions, out var errors) is not { } good)
            {
                log.ConfigRefused(config.Revision, string.Join(' ', errors));
                Refuse([.. errors.Select(e => $"Configuration {config.Revision} was refused: {e}")]);
                return;
            }

            names.Want(operatorHosts.Concat(good.Peers.Select(p => p.Endpoint?.Host).OfType<string>())
                .Where(host => !IPAddress.TryParse(host, out _)));
            (_config, _stream, _refusals) = (good, stream, []);
            // what releases the node is nothing to start with
            _unsaved = stream == 0 || good.Released || _released || dataPlane.IsGone ? null : config.Clone();
            Reconcile();
            // to save, which is not done here: the disk may be slow
            _wake.TrySetResult();
        }
    }

    /// <summary>Says that something came which is no configuration at all; everything stays as it is.</summary>
    internal void Refuse(ImmutableArray<string> reasons)
    {
        lock (_lock)
        {
            _refusals = reasons;
            metrics.ConfigRefused();
            status.Update(s => s with { Refusals = reasons });
        }
    }

    /// <summary>Repairs, retries, saves, and follows names until cancelled.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        var following = names.RunAsync(NameChanged, stop);
        try
        {
            while (!following.IsCompleted)
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var interval = Task.Delay(_complete ? RepairInterval : RetryInterval, time, either.Token);
                await Task.WhenAny(_wake.Task, following, interval);
                if (stop.IsCancellationRequested)
                {
                    break;
                }

                lock (_lock)
                {
                    _wake = _wake.Task.IsCompleted ? NewSignal() : _wake;
                    if (_stale || interval.IsCompleted)
                    {
                        Reconcile();
                    }
                }

                await either.CancelAsync();
                Save();
            }

            await following;
        }
        finally
        {
            Save();
        }
    }

    private void NameChanged()
    {
        lock (_lock)
        {
            _stale = true;
            _wake.TrySetResult();
        }
    }

    // under the lock: device and host are changed by one hand
    private void Reconcile()
    {
        _stale = false;
        if (_config is not { } config)
        {
            return;
        }

        var start = time.GetTimestamp();
        // a release that was given up when the device was gone already is brought to its end all the same: there is no way back
        if (config.Released || _released || dataPlane.IsGone)
        {
            Release(config, start);
            return;
        }

        var desired = StayClosed(DesiredState.From(config, names.Find, operatorHosts));
        var faults = desired.Errors.ToBuilder();
        faults.AddRange(config.Peers.Where(p => p.Endpoint is not null)
            .Select(p => (p.Name, p.Endpoint!.Value.Host, Error: names.Error(p.Endpoint.Value.Host)))
            .Where(p => p.Error is not null)
            .Select(p => $"peer '{p.Name}': endpoint name {p.Host} does not resolve: {p.Error}"));
        var isTooOpen = desired.IsPartlyOpen && dataPlane.PodsReady is not null;
        if (isTooOpen)
        {
            faults.Add("cni: no pods are connected on this node, since not all of the mesh's prefixes are closed: see settings.mesh_cidrs.");
        }

        var lasting = faults.Count;

        // the host first: where it is closed, nothing may leave in the clear while the device is being set up
        faults.AddRange(Try("host", () => dataPlane.ApplyHost(desired)));
        var device = Try("device", () => ApplyDevice(desired) is { } error ? [$"device: {error.Message}"] : []);
        faults.AddRange(device);

        // pods last: once they are started, their packets have to have a way, and no other than this
        if (!isTooOpen && faults.Count == lasting)
        {
            faults.AddRange(Try("cni", () => dataPlane.ApplyPods(desired)));
        }

        _complete = faults.Count == lasting;
        metrics.ConfigApplied(_complete, time.GetElapsedTime(start));
        Say(config, faults.ToImmutable());
        status.Update(s => s with
        {
            Applied = device.Count == 0 ? new AppliedConfig(config.Revision, _stream) : s.Applied,
            PolicyOpen = !config.Closed,
            PodsReady = dataPlane.PodsReady,
            Refusals = _refusals,
            Faults = faults.ToImmutable(),
        });
    }

    // Once and for as long as this process lives: it could not take the data plane up again.
    private void Release(CheckedConfig config, long start)
    {
        ImmutableArray<string> faults = [];
        if (!_released)
        {
            faults = [.. Try("release", ReleaseAll)];
            _complete = _released = faults.IsEmpty;
            metrics.ConfigApplied(_complete, time.GetElapsedTime(start));
            if (_released)
            {
                log.Released();
            }
        }

        if (_released && !config.Released)
        {
            faults = ["The node was released, and stays so until its agent is started again."];
        }

        Say(config, faults);
        status.Update(s => s with
        {
            Active = s.Active && !_released,
            Applied = faults.IsEmpty ? new AppliedConfig(config.Revision, _stream) : s.Applied,
            PodsReady = _released ? null : s.PodsReady,
            Released = _released,
            Refusals = _refusals,
            Faults = faults,
        });
    }

    private IReadOnlyList<string> ReleaseAll()
    {
        // else the next start would be with it, before an operator has spoken
        cache.Delete();
        return dataPlane.Release();
    }

    // The first repair after its time opens a prefix.
    private DesiredState StayClosed(DesiredState desired)
    {
        var now = time.GetTimestamp();
        foreach (var prefix in _closed.Except(desired.Blackholes))
        {
            _closing.TryAdd(prefix, now);
        }

        foreach (var (prefix, since) in _closing)
        {
            if (!desired.Config.Closed || desired.Blackholes.Contains(prefix) || time.GetElapsedTime(since, now) >= ClosingTime)
            {
                _closing.Remove(prefix);
            }
        }

        _closed = desired.Blackholes;
        return desired with { Blackholes = [.. desired.Blackholes, .. _closing.Keys] };
    }

    // once, not at every repair
    private void Say(CheckedConfig config, ImmutableArray<string> faults)
    {
        if (_open != !config.Closed)
        {
            _open = !_open;
            if (_open)
            {
                log.PolicyOpen();
            }
        }

        var before = status.Current.Faults;
        if (before.SequenceEqual(faults))
        {
            return;
        }

        if (faults.IsEmpty)
        {
            log.NoFaults(config.Revision);
        }
        else
        {
            log.Faults(config.Revision, string.Join(' ', faults));
        }
    }

    private DeviceError? ApplyDevice(DesiredState desired)
    {
        using var snapshot = dataPlane.Snapshot();
        if (DeviceDiff.Between(desired, key, snapshot, _configured) is { } update)
        {
            if (dataPlane.ApplyDevice(update) is { } error)
            {
                return error;
            }

            log.DeviceUpdated(desired.Config.Revision, update.Peers.Count(p => !p.Remove), update.Peers.Count(p => p.Remove));
        }

        // what was set is remembered only once it was set, and forgotten when it is not wanted any more
        _configured.Clear();
        foreach (var peer in desired.Peers)
        {
            if (peer.Endpoint is { } endpoint)
            {
                _configured.Add(peer.Config.PublicKey, endpoint);
            }
        }

        return null;
    }

    // whatever goes wrong below must not end the agent, which is what keeps the other tunnels up
    private IReadOnlyList<string> Try(string part, Func<IReadOnlyList<string>> apply)
    {
        try
        {
            return apply();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            log.ApplyFailed(part, e);
            return [$"{part}: {e.Message}"];
        }
    }

    private void Save()
    {
        NodeConfig? config;
        lock (_lock)
        {
            // only what was really applied is a configuration to start from
            config = status.Current.Applied == new AppliedConfig(_config?.Revision ?? 0, _stream) ? _unsaved : null;
            _unsaved = config is null ? _unsaved : null;
        }

        if (config is null)
        {
            return;
        }

        cache.Save(config);
        lock (_lock)
        {
            if (_released || dataPlane.IsGone)
            {
                cache.Delete(); // meanwhile
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
