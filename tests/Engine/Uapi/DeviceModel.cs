using WgMesh.Engine.Crypto;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Uapi;

/// <summary>A device without packets: what <c>wg</c> sets is what it shows.</summary>
internal sealed class DeviceModel(string name)
{
    private readonly Lock _lock = new();
    private readonly AllowedIps<string> _allowedIps = new();
    private readonly List<PeerSnapshot> _peers = [];
    private DeviceSnapshot _device = new() { Name = name, ListenPort = 0, FirewallMark = 0, Mtu = 1420, Peers = [] };

    /// <summary>What <see cref="Apply(DeviceUpdate)"/> answers instead of doing anything.</summary>
    public DeviceError? Error { get; set; }

    /// <summary>Every update so far.</summary>
    public List<DeviceUpdate> Updates { get; } = [];

    public DeviceError? Apply(DeviceUpdate update)
    {
        lock (_lock)
        {
            update = Copy(update); // whoever applies it wipes its keys afterwards
            Updates.Add(update);
            if (Error is not null)
            {
                return Error;
            }

            if (update.PrivateKey is { } privateKey)
            {
                var publicKey = new byte[32];
                X25519.PublicKey(privateKey.Bytes, publicKey);
                _device = _device with { PrivateKey = privateKey, PublicKey = new PublicKey(publicKey) };
            }

            _device = _device with
            {
                ListenPort = update.ListenPort ?? _device.ListenPort,
                FirewallMark = update.FirewallMark ?? _device.FirewallMark,
            };
            if (update.ReplacePeers)
            {
                var named = update.Peers.Select(peer => peer.PublicKey).ToHashSet();
                _peers.Where(peer => !named.Contains(peer.PublicKey)).ToList().ForEach(Remove);
            }

            foreach (var peer in update.Peers)
            {
                Apply(peer);
            }

            return null;
        }
    }

    public DeviceSnapshot Snapshot()
    {
        lock (_lock)
        {
            return _device with
            {
                PrivateKey = Copy(_device.PrivateKey),
                Peers = [.. _peers.Select(peer => peer with { PresharedKey = Copy(peer.PresharedKey), AllowedIps = _allowedIps.List(peer.Name) })],
            };
        }
    }

    /// <summary>Changes what only traffic changes.</summary>
    public void SetStatistics(PublicKey publicKey, DateTimeOffset lastHandshake, ulong received, ulong sent)
    {
        lock (_lock)
        {
            var index = _peers.FindIndex(peer => peer.PublicKey == publicKey);
            _peers[index] = _peers[index] with { LastHandshake = lastHandshake, ReceivedBytes = received, SentBytes = sent };
        }
    }

    private static SecretKey? Copy(SecretKey? key) => key is null ? null : new SecretKey(key.Bytes);

    private static DeviceUpdate Copy(DeviceUpdate update) => update with
    {
        PrivateKey = Copy(update.PrivateKey),
        Peers = [.. update.Peers.Select(peer => peer with { PresharedKey = Copy(peer.PresharedKey) })],
    };

    private void Apply(PeerUpdate update)
    {
        var index = _peers.FindIndex(peer => peer.PublicKey == update.PublicKey);
        if (update.Remove)
        {
            if (index >= 0)
            {
                Remove(_peers[index]);
            }

            return;
        }

        if (index < 0)
        {
            if (update.UpdateOnly)
            {
                return;
            }

            _peers.Add(new PeerSnapshot
            {
                PublicKey = update.PublicKey, Name = update.PublicKey.ToString(), Endpoint = default, PersistentKeepalive = 0, AllowedIps = [],
                ReceivedBytes = 0, SentBytes = 0, ReceivedPackets = 0, SentPackets = 0, ProtocolVersion = 1,
            });
            index = _peers.Count - 1;
        }

        var peer = _peers[index] = _peers[index] with
        {
            PresharedKey = update.PresharedKey ?? _peers[index].PresharedKey,
            Endpoint = update.Endpoint ?? _peers[index].Endpoint,
            PersistentKeepalive = update.PersistentKeepalive ?? _peers[index].PersistentKeepalive,
        };
        if (update.ReplaceAllowedIps)
        {
            _allowedIps.RemoveOwner(peer.Name);
        }

        foreach (var (prefix, remove) in update.AllowedIps)
        {
            if (remove)
            {
                _allowedIps.Remove(prefix, peer.Name);
            }
            else
            {
                _allowedIps.Insert(prefix, peer.Name);
            }
        }
    }

    private void Remove(PeerSnapshot peer)
    {
        _allowedIps.RemoveOwner(peer.Name);
        _peers.Remove(peer);
    }
}
