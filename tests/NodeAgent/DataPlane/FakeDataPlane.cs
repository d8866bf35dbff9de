using WgMesh.Engine;
using System.Collections.Immutable;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Tests.Sync;

namespace WgMesh.NodeAgent.Tests.DataPlane;

/// <summary>A device and a host in memory, with the meaning that updates have.</summary>
internal sealed class FakeDataPlane : IDataPlane
{
    private readonly Lock _lock = new();
    private readonly List<DeviceUpdate> _updates = [];
    private readonly List<DesiredState> _hostStates = [];
    private DeviceSnapshot _device = new() { Name = "wgmesh0", ListenPort = 0, FirewallMark = 0, Mtu = 1420, Peers = [] };

    /// <summary>What the next updates of the device fail with.</summary>
    internal DeviceError? DeviceFault { get; set; }

    /// <summary>What the next changes of the host report.</summary>
    internal string? HostFault { get; set; }

    /// <summary>What the next changes of the pods' network report.</summary>
    internal string? PodsFault { get; set; }

    /// <summary>What the next attempts to release the node report.</summary>
    internal string? ReleaseFault { get; set; }

    public bool? PodsReady { get; internal set; }

    public bool IsGone { get; internal set; }

    internal IReadOnlyList<DeviceUpdate> Updates
    {
        get
        {
            lock (_lock)
            {
                return [.. _updates];
            }
        }
    }

    internal IReadOnlyList<DesiredState> HostStates
    {
        get
        {
            lock (_lock)
            {
                return [.. _hostStates];
            }
        }
    }

    /// <summary>"host", "device", "pods" and "release", in the order in which they were changed.</summary>
    internal List<string> Order { get; } = [];

    /// <summary>The protocol versions that the device speaks.</summary>
    internal void Speak(params ImmutableArray<uint> versions)
    {
        lock (_lock)
        {
            _device = _device with { ProtocolVersions = versions };
        }
    }

    internal IEnumerable<string> PeerNames => Snapshot().Peers.Select(p => p.Name).Order();

    public DeviceSnapshot Snapshot()
    {
        lock (_lock)
        {
            // copies, since whoever disposes of a snapshot wipes them
            return _device with
            {
                PrivateKey = Copy(_device.PrivateKey),
                Peers = [.. _device.Peers.Select(p => p with { PresharedKey = Copy(p.PresharedKey) })],
            };
        }

        static SecretKey? Copy(SecretKey? key) => key is null ? null : new SecretKey(key.Bytes);
    }

    internal PeerSnapshot Peer(string name) => Snapshot().Peers.Single(p => p.Name == name);

    /// <summary>Something happens on the wire.</summary>
    internal void Happen(string name, Func<PeerSnapshot, PeerSnapshot> change)
    {
        lock (_lock)
        {
            _device = _device with { Peers = [.. _device.Peers.Select(p => p.Name == name ? change(p) : p)] };
        }
    }

    public DeviceError? ApplyDevice(DeviceUpdate update)
    {
        lock (_lock)
        {
            if (DeviceFault is { } fault)
            {
                return fault;
            }

            Order.Add("device");
            _updates.Add(update);
            var peers = update.ReplacePeers ? [] : _device.Peers.ToList();
            foreach (var change in update.Peers)
            {
                Apply(peers, change);
            }

            _device = _device with
            {
                PrivateKey = update.PrivateKey ?? _device.PrivateKey,
                PublicKey = update.PrivateKey is null ? _device.PublicKey : Configs.Key("own"),
                ListenPort = update.ListenPort ?? _device.ListenPort,
                Peers = [.. peers],
            };
            return null;
        }
    }

    public IReadOnlyList<string> ApplyHost(DesiredState desired)
    {
        lock (_lock)
        {
            Order.Add("host");
            _hostStates.Add(desired);
            return HostFault is null ? [] : [HostFault];
        }
    }

    public IReadOnlyList<string> ApplyPods(DesiredState desired)
    {
        lock (_lock)
        {
            Order.Add("pods");
            PodsReady = PodsFault is null;
            return PodsFault is null ? [] : [PodsFault];
        }
    }

    public IReadOnlyList<string> Release()
    {
        lock (_lock)
        {
            Order.Add("release");
            return ReleaseFault is null ? [] : [ReleaseFault];
        }
    }

    private static void Apply(List<PeerSnapshot> peers, PeerUpdate change)
    {
        var index = peers.FindIndex(p => p.PublicKey == change.PublicKey);
        if (change.Remove)
        {
            peers.RemoveAll(p => p.PublicKey == change.PublicKey);
            return;
        }

        if (index < 0)
        {
            if (change.UpdateOnly)
            {
                return;
            }

            index = peers.Count;
            peers.Add(new PeerSnapshot
            {
                PublicKey = change.PublicKey,
                Name = change.PublicKey.ToString(),
                Endpoint = default,
                PersistentKeepalive = 0,
                AllowedIps = [],
                ReceivedBytes = 0,
                SentBytes = 0,
                ReceivedPackets = 0,
                SentPackets = 0,
                ProtocolVersion = 1,
            });
        }

        var allowed = change.ReplaceAllowedIps ? [] : peers[index].AllowedIps.ToHashSet();
        foreach (var (prefix, remove) in change.AllowedIps)
        {
            if (remove)
            {
                allowed.Remove(prefix);
                continue;
            }

            for (var other = 0; other < peers.Count; other++)
            {
                peers[other] = peers[other] with { AllowedIps = peers[other].AllowedIps.Remove(prefix) };
            }

            allowed.Add(prefix);
        }

        var now = peers[index];
        peers[index] = now with
        {
            Name = change.Name ?? now.Name,
            MeasuredFirst = change.MeasuredFirst ?? now.MeasuredFirst,
            PresharedKey = change.PresharedKey switch { null => now.PresharedKey, { IsZero: true } => null, var key => key },
            Endpoint = change.Endpoint ?? now.Endpoint,
            PersistentKeepalive = change.PersistentKeepalive ?? now.PersistentKeepalive,
            ProtocolVersion = change.ProtocolVersion ?? now.ProtocolVersion,
            AllowedIps = Sorted(allowed),
        };
    }

    private static ImmutableArray<Prefix> Sorted(IEnumerable<Prefix> prefixes) =>
        [.. prefixes.OrderBy(p => p.IsIPv6).ThenBy(p => p.Address).ThenBy(p => p.Length)];
}
