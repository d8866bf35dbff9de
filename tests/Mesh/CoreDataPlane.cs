using System.Collections.Immutable;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests;

/// <summary>The real protocol on the <see cref="Wire"/>, in the place of a device with a TUN and sockets.</summary>
internal sealed class CoreDataPlane : IDataPlane, IDisposable
{
    private readonly Wire _wire;
    private readonly ProtocolCore _core;
    private readonly DeviceMetrics _metrics;
    private readonly Outbox _outbox = new();

    /// <param name="number">Of the node: 192.0.2.N outside, pods in 10.N.0.0/24.</param>
    public CoreDataPlane(Wire wire, ManualTime time, int number, ImmutableArray<ProtocolVersion> versions)
    {
        _wire = wire;
        _core = new ProtocolCore(time, System.Security.Cryptography.RandomNumberGenerator.Create(), versions: versions);
        _metrics = new DeviceMetrics($"wgmesh{number}", _core, new OffloadSwitches(null), new DeviceOptions { Name = "" }.PeerSeries);
        Address = new Engine.Endpoint(0xC0000200u + (uint)number, 51820, false);
        PodAddress = 0x0A000001u + ((uint)number << 16);
        wire.Plug(this);
    }

    public Engine.Endpoint Address { get; }

    public uint PodAddress { get; }

    public bool? PodsReady => true;

    public bool IsGone => false;

    public PublicKey PublicKey => _core.Identity!.PublicKey;

    /// <summary>The version of the session with a peer; 0: there is none.</summary>
    public uint VersionWith(CoreDataPlane other)
    {
        lock (_wire.Gate)
        {
            return _core.Peers.FirstOrDefault(peer => peer.PublicKey == other.PublicKey)?.Current?.Version.Number ?? 0;
        }
    }

    public DeviceSnapshot Snapshot()
    {
        lock (_wire.Gate)
        {
            return new DeviceSnapshot
            {
                Name = "wgmesh0",
                PrivateKey = _core.Identity is { } identity ? new SecretKey(identity.PrivateKey.Bytes) : null,
                PublicKey = _core.Identity?.PublicKey,
                ListenPort = 51820,
                FirewallMark = 0,
                Mtu = _core.Mtu,
                ProtocolVersions = [.. _core.Versions.Select(version => version.Number)],
                Peers = [.. _core.Peers.Select(peer => PeerSnapshot.Of(peer, _core))],
            };
        }
    }

    public DeviceError? ApplyDevice(DeviceUpdate update)
    {
        lock (_wire.Gate)
        {
            if (_core.Validate(update) is { } error)
            {
                return error;
            }

            if (_core.Apply(update, _wire.Now, _outbox))
            {
                _metrics.PeersChanged();
            }

            Transmit();
            _wire.Deliver();
            return null;
        }
    }

    public IReadOnlyList<string> ApplyHost(DesiredState desired) => [];

    public IReadOnlyList<string> ApplyPods(DesiredState desired) => [];

    public IReadOnlyList<string> Release() => [];

    public void Dispose() => _metrics.Dispose();

    // what follows is called under the wire's lock

    public void Send(byte[] packet)
    {
        _core.Send(packet, _wire.Now, _outbox);
        Transmit();
    }

    public void Advance()
    {
        _core.Advance(_wire.Now, _outbox);
        Transmit();
    }

    public void Receive(byte[] datagram, in Engine.Endpoint from)
    {
        var type = Messages.Classify(datagram);
        if (type == MessageType.Transport)
        {
            _core.ReceiveTransport(datagram, from, _wire.Now, _outbox, out _, out var length);
            if (length > 0)
            {
                _wire.Arrived(datagram.AsSpan(Messages.TransportHeaderLength, length));
            }
        }
        else
        {
            _core.ReceiveHandshake(type, datagram, from, 0, _wire.Now, _outbox);
        }

        Transmit();
    }

    private void Transmit()
    {
        foreach (var datagram in _outbox.Datagrams)
        {
            _wire.Carry(Address, datagram.To, _outbox.Bytes(datagram).ToArray());
        }

        _outbox.Clear();
    }
}
